package store

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"coppice.dev/reconcile/fault"
	"coppice.dev/reconcile/kernel/loop"
	"coppice.dev/reconcile/layout"
	"coppice.dev/reconcile/object"
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// bench is a driver with the home of a session, whose name is as long as names get.
type bench struct {
	*testing.T
	driver *Driver
	object object.Object
}

var owner = object.SessionOwner(strings.Repeat("s", 63))

func newBench(t *testing.T) *bench {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("needs root")
	}
	base, err := filepath.EvalSymlinks(t.TempDir())
	must(t, err)
	l := layout.Layout{State: base + "/state", Run: base + "/run"}
	must(t, os.MkdirAll(l.Home(owner.Name), 0o700))
	b := &bench{T: t, driver: New(l, "c0ffee00", func() {})}
	b.object = object.Object{
		ID:   object.ID{Owner: owner, Address: address},
		Spec: object.Store{File: l.StoreImage(owner.Name), Path: l.Store(owner.Name), Size: 16 << 20},
	}
	t.Cleanup(func() {
		for unix.Unmount(l.Store(owner.Name), unix.MNT_DETACH) == nil {
			continue
		}
	})
	return b
}

func (b *bench) volatile() {
	spec := b.object.Spec.(object.Store)
	spec.Volatile = true
	b.object.Spec = spec
}

// see returns the store if it is there; the zero value if not.
func (b *bench) see(known ...object.Object) object.Observed {
	b.Helper()
	seen, err := b.driver.Observe(b.Context(), owner, known)
	must(b.T, err)
	if len(seen) == 0 {
		return object.Observed{}
	}
	return seen[0]
}

func (b *bench) path() string  { return b.driver.layout.Store(owner.Name) }
func (b *bench) image() string { return b.driver.layout.StoreImage(owner.Name) }

// devices counts the loop devices that bear the store's label.
func (b *bench) devices() int {
	b.Helper()
	all, err := loop.Devices()
	must(b.T, err)
	n := 0
	for _, device := range all {
		if label, err := loop.Label(device); err == nil && label == b.driver.label(owner.Name) {
			n++
		}
	}
	return n
}

func TestMadeAndUnmade(t *testing.T) {
	for _, volatile := range []bool{false, true} {
		b := newBench(t)
		if volatile {
			b.volatile()
		}
		must(t, b.driver.Destroy(t.Context(), object.Observed{ID: b.object.ID}))
		must(t, b.driver.Create(t.Context(), b.object, nil))
		seen := b.see()
		if seen.Print != object.PrintOf(b.object.Spec) || seen.Damage+seen.Failing != "" || seen.Limit < 8<<20 || seen.Limit > 16<<20 || seen.Used < 0 || seen.Used > seen.Limit {
			t.Errorf("seen %+v", seen)
		}
		var st unix.Stat_t
		must(t, unix.Stat(b.image(), &st))
		if held := st.Blocks * 512; st.Size != 16<<20 || held > 6<<20 || held != b.driver.Usage(owner.Name) {
			t.Errorf("the image has %d bytes, of which %d are on disk", st.Size, held)
		}
		owners, err := b.driver.Owners(t.Context())
		if err != nil || len(owners) != 1 || owners[0] != owner {
			t.Errorf("owners %v, %v", owners, err)
		}
		if err := b.driver.Create(t.Context(), b.object, nil); !errors.Is(err, os.ErrExist) {
			t.Errorf("made twice: %v", err)
		}
		must(t, b.driver.Destroy(t.Context(), b.see()))
		if seen := b.see(b.object); seen.Kind != "" || b.devices() != 0 {
			t.Errorf("destroyed, and seen %+v, with %d devices", seen, b.devices())
		}
		left, err := os.ReadDir(b.driver.layout.Home(owner.Name))
		if err != nil || len(left) > 0 {
			t.Errorf("left in the home: %v, %v", left, err)
		}
	}
}

// What was written is there again after a reboot, and while a session goes on whose
// store somebody unmounted; there is one device all the time.
func TestMountedAgain(t *testing.T) {
	b := newBench(t)
	must(t, b.driver.Create(t.Context(), b.object, nil))
	written := b.path() + "/written"
	must(t, os.WriteFile(written, []byte("kept"), 0o600))
	user, err := os.Open(b.path())
	must(t, err)
	for range 2 {
		must(t, unix.Unmount(b.path(), unix.MNT_DETACH))
		seen := b.see()
		if want := object.PrintOf(b.object.Spec); seen.Print.Identity != want.Identity || seen.Print == want || seen.Damage != "" {
			t.Errorf("unmounted, and seen %+v", seen)
		}
		must(t, b.driver.Amend(t.Context(), b.object))
		if text, err := os.ReadFile(written); string(text) != "kept" {
			t.Errorf("what was written: %q, %v", text, err)
		}
		if n := b.devices(); n != 1 {
			t.Errorf("there are %d devices", n)
		}
		_ = user.Close() // nobody keeps it alive the second time
	}
	// Its note is lost in a power cut.
	must(t, os.WriteFile(b.driver.layout.StoreNote(owner.Name), nil, 0o600))
	if seen := b.see(b.object); seen.Print != object.PrintOf(b.object.Spec) {
		t.Errorf("without its note: seen %+v", seen)
	}
}

func TestWhatIsWrittenIsLimited(t *testing.T) {
	b := newBench(t)
	must(t, b.driver.Create(t.Context(), b.object, nil))
	err := os.WriteFile(b.path()+"/much", make([]byte, 20<<20), 0o600)
	if !errors.Is(err, unix.ENOSPC) {
		t.Errorf("20 MiB were written into 16: %v", err)
	}
	if seen := b.see(); seen.FailingReason != string(fault.NoSpace) || !strings.Contains(seen.Failing, "100%") {
		t.Errorf("full, and seen %q: %s", seen.FailingReason, seen.Failing)
	}
	if full := b.driver.mounted.Look(b.driver.spaceOf)[owner]; full != 100 {
		t.Errorf("the watch finds %d%%", full)
	}
	must(t, os.Remove(b.path()+"/much"))
	if seen := b.see(); seen.Failing != "" {
		t.Errorf("emptied, and seen %q", seen.Failing)
	}
	// The disk gets back what was removed, in the kernel's own time.
	root, err := os.Open(b.path())
	must(t, err)
	defer root.Close()
	for deadline := time.Now().Add(time.Minute); b.driver.Usage(owner.Name) > 8<<20; time.Sleep(10 * time.Millisecond) {
		must(t, unix.Syncfs(int(root.Fd())))
		if time.Now().After(deadline) {
			t.Fatalf("emptied, and %d bytes are on disk", b.driver.Usage(owner.Name))
		}
	}
}

func TestVolatileStoreIsLostWithItsBoot(t *testing.T) {
	b := newBench(t)
	b.volatile()
	must(t, b.driver.Create(t.Context(), b.object, nil))
	must(t, unix.Unmount(b.path(), 0))
	if seen := b.see(); seen.Damage != "" {
		t.Errorf("in the same boot: %+v", seen)
	}
	text, err := os.ReadFile(b.driver.layout.StoreNote(owner.Name))
	must(t, err)
	must(t, os.WriteFile(b.driver.layout.StoreNote(owner.Name), []byte(strings.Replace(string(text), bootID(), "another", 1)), 0o600))
	if seen := b.see(); seen.Damage == "" {
		t.Errorf("in another boot: %+v", seen)
	}
}

func TestImageThatIsGone(t *testing.T) {
	b := newBench(t)
	must(t, b.driver.Create(t.Context(), b.object, nil))
	must(t, os.Remove(b.image()))
	if seen := b.see(); seen.Damage != "" || !strings.Contains(seen.Failing, "recreate") {
		t.Errorf("what is mounted can still be read, and seen is %+v", seen)
	}
	must(t, unix.Unmount(b.path(), 0))
	if seen := b.see(); seen.Damage == "" {
		t.Errorf("seen %+v", seen)
	}
	must(t, b.driver.Destroy(t.Context(), b.see()))
	must(t, b.driver.Create(t.Context(), b.object, nil))
}

// What a crash leaves counts for nothing, and is in nobody's way.
func TestHalfMade(t *testing.T) {
	b := newBench(t)
	must(t, os.WriteFile(b.image()+".new", []byte("half"), 0o600))
	must(t, b.driver.note(owner.Name, b.object.Spec.(object.Store)))
	if seen := b.see(b.object); seen.Kind != "" {
		t.Errorf("seen %+v before it was whole", seen)
	}
	must(t, b.driver.Create(t.Context(), b.object, nil))
	if seen := b.see(); seen.Print != object.PrintOf(b.object.Spec) {
		t.Errorf("seen %+v", seen)
	}
}

func TestOthersAreLeftAlone(t *testing.T) {
	b := newBench(t)
	must(t, b.driver.Create(t.Context(), b.object, nil))
	must(t, unix.Mount("stranger", b.path(), "tmpfs", 0, ""))
	_, err := b.driver.Observe(t.Context(), owner, nil)
	if fault.ReasonOf(err) != fault.TargetUnusable {
		t.Errorf("a stranger's mount over ours: %v", err)
	}
	if err := b.driver.Destroy(t.Context(), object.Observed{ID: b.object.ID}); fault.ReasonOf(err) != fault.TargetUnusable {
		t.Errorf("destroyed below a stranger's mount: %v", err)
	}
	must(t, unix.Unmount(b.path(), 0))
	must(t, unix.Unmount(b.path(), 0))

	out, err := exec.Command("losetup", "--find", "--show", b.image()).Output()
	must(t, err)
	device := strings.TrimSpace(string(out))
	if err := b.driver.Amend(t.Context(), b.object); fault.ReasonOf(err) != fault.SourceHeld || !strings.Contains(err.Error(), device) {
		t.Errorf("somebody has the image attached: %v", err)
	}
	must(t, exec.Command("losetup", "--detach", device).Run())
	must(t, b.driver.Amend(t.Context(), b.object))
}

func TestBusy(t *testing.T) {
	b := newBench(t)
	must(t, b.driver.Create(t.Context(), b.object, nil))
	c := exec.Command("sleep", "infinity")
	c.Dir = b.path()
	must(t, c.Start())
	err := b.driver.Destroy(t.Context(), b.see())
	if f, is := errors.AsType[*fault.Fault](err); !is || f.Reason != fault.Busy || len(f.Holders) != 1 {
		t.Errorf("somebody stands in it: %v", err)
	}
	must(t, c.Process.Kill())
	_ = c.Wait() // it was killed
	must(t, b.driver.Destroy(t.Context(), b.see()))
}

func TestGrown(t *testing.T) {
	b := newBench(t)
	must(t, b.driver.Create(t.Context(), b.object, nil))
	small, spec := b.see().Limit, b.object.Spec.(object.Store)
	spec.Size = 64 << 20
	b.object.Spec = spec
	may, err := unix.PrctlRetInt(unix.PR_CAPBSET_READ, unix.CAP_SYS_RESOURCE, 0, 0, 0)
	must(t, err)
	err = b.driver.Amend(t.Context(), b.object)
	if may == 0 {
		if !errors.Is(err, unix.EPERM) || !strings.Contains(err.Error(), "CAP_SYS_RESOURCE") {
			t.Errorf("without the capability: %v", err)
		}
		return
	}
	must(t, err)
	if seen := b.see(); seen.Print != object.PrintOf(spec) || seen.Limit < 3*small {
		t.Errorf("grown, and seen %+v; it was %d", seen, small)
	}
	spec.Size = 16 << 20
	b.object.Spec = spec
	if err := b.driver.Amend(t.Context(), b.object); err == nil {
		t.Error("it shrank")
	}
}
