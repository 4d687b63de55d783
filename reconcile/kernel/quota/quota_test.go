package quota

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"coppice.dev/reconcile/fault"
	"coppice.dev/reconcile/layout"
	"coppice.dev/reconcile/object"
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// kinds are the file systems that keep project quotas, and how one is made and mounted
// that does.
var kinds = []struct{ name, make, options string }{
	{"ext4", "mkfs.ext4 -q -O quota,project", "loop,prjquota"},
	{"xfs", "mkfs.xfs -q", "loop,prjquota"},
}

// mounted returns a file system of its own; it skips the test where the kernel cannot
// mount it so.
func mounted(t *testing.T, mkfs, options string) string {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("needs root")
	}
	base, err := filepath.EvalSymlinks(t.TempDir())
	must(t, err)
	image, path := base+"/image", base+"/mounted"
	must(t, os.WriteFile(image, nil, 0o600))
	must(t, os.Truncate(image, 320<<20)) // as little as mkfs.xfs makes
	words := strings.Fields(mkfs)
	if out, err := exec.Command(words[0], append(words[1:], image)...).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", mkfs, err, out)
	}
	must(t, os.Mkdir(path, 0o700))
	if out, err := exec.Command("mount", "-o", options, image, path).CombinedOutput(); err != nil {
		line, _, _ := strings.Cut(string(out), "\n")
		t.Skipf("this kernel does not mount it with %s: %s", options, line)
	}
	t.Cleanup(func() { must(t, unix.Unmount(path, unix.MNT_DETACH)) })
	return path
}

var owner = object.SessionOwner("s")

// bench is a driver with the home of a session.
type bench struct {
	*testing.T
	driver *Driver
	object object.Object
}

func newBench(t *testing.T, on string) *bench {
	t.Helper()
	l := layout.Layout{State: on + "/state", Run: on + "/run"}
	must(t, os.MkdirAll(l.Home(owner.Name), 0o700))
	b := &bench{T: t, driver: New(l, func() {})}
	b.driver.projects, b.driver.projid = on+"/projects", on+"/projid"
	b.wants(8 << 20)
	return b
}

func (b *bench) wants(size int64) {
	b.object = object.Object{
		ID: object.ID{Owner: owner, Address: address}, Spec: object.Quota{Path: b.driver.layout.Layer(owner.Name), Size: size},
	}
}

// see returns the layer if it is there; the zero value if not.
func (b *bench) see(known ...object.Object) object.Observed {
	b.Helper()
	seen, err := b.driver.Observe(b.Context(), owner, known)
	must(b.T, err)
	if len(seen) == 0 {
		return object.Observed{}
	}
	return seen[0]
}

func (b *bench) path() string { return b.driver.layout.Layer(owner.Name) }

func (b *bench) open(path string) *os.File {
	b.Helper()
	folder, err := open(path)
	must(b.T, err)
	if folder == nil {
		b.Fatalf("there is no %s", path)
	}
	b.Cleanup(func() { _ = folder.Close() }) // read only
	return folder
}

func (b *bench) project(path string) uint32 {
	b.Helper()
	folder := b.open(path)
	defer folder.Close() // an open folder is counted for as long
	project, _, err := projectOf(folder)
	must(b.T, err)
	return project
}

// join makes a folder one of a project.
func (b *bench) join(path string, project uint32) {
	b.Helper()
	folder := b.open(path)
	defer folder.Close()
	must(b.T, setProject(folder, project))
}

func (b *bench) limit(project uint32, size, files int64) {
	b.Helper()
	must(b.T, limit(b.open(b.driver.layout.Homes()), project, size, files))
}

func (b *bench) account(project uint32) account {
	b.Helper()
	is, err := accountOf(b.open(b.driver.layout.Homes()), project)
	must(b.T, err)
	return is
}

// forgotten empties the trash, and waits until nothing is known of a project any more:
// xfs lets go of what was removed in its own time.
func (b *bench) forgotten(project uint32) {
	b.Helper()
	must(b.T, os.RemoveAll(b.driver.layout.Trash()))
	for deadline := time.Now().Add(time.Minute); !b.account(project).unused(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			b.Fatalf("gone, and project %d has the account %+v", project, b.account(project))
		}
	}
}

// each runs a test on each kind of file system.
func each(t *testing.T, test func(b *bench)) {
	for _, kind := range kinds {
		t.Run(kind.name, func(t *testing.T) { test(newBench(t, mounted(t, kind.make, kind.options))) })
	}
}

func TestMadeAndUnmade(t *testing.T) {
	each(t, func(b *bench) {
		if offered, why := b.driver.Offered(); !offered {
			b.Errorf("it is not offered: %s", why)
		}
		must(b.T, b.driver.Destroy(b.Context(), object.Observed{ID: b.object.ID}))
		must(b.T, b.driver.Create(b.Context(), b.object, nil))
		seen := b.see()
		if seen.Print != object.PrintOf(b.object.Spec) || seen.Damage+seen.Failing != "" || seen.Limit != 8<<20 || seen.Used > 1<<16 || seen.Name != b.path() {
			b.Errorf("seen %+v", seen)
		}
		project := b.project(b.path())
		if is := b.account(project); !ours(project) || is.Files != 1 || is.MostFiles != 2048 {
			b.Errorf("project %d has the account %+v", project, is)
		}
		must(b.T, os.Mkdir(b.path()+"/below", 0o700))
		if got := b.project(b.path() + "/below"); got != project {
			b.Errorf("a folder in it is of project %d, not %d", got, project)
		}
		if err := b.driver.Create(b.Context(), b.object, nil); !errors.Is(err, os.ErrExist) {
			b.Errorf("made twice: %v", err)
		}
		must(b.T, b.driver.Destroy(b.Context(), b.see()))
		if seen := b.see(b.object); seen.Kind != "" {
			b.Errorf("destroyed, and seen %+v", seen)
		}
		if is := b.account(project); is.Limit != 0 || is.MostFiles != 0 || is.Files != 2 {
			b.Errorf("in the trash, and project %d has the account %+v", project, is)
		}
		b.forgotten(project)
	})
}

// What is written through an overlay is limited, as it is in sessions: also for root,
// and whatever capabilities root has. What was removed can be written again.
func TestWhatIsWrittenIsLimited(t *testing.T) {
	each(t, func(b *bench) {
		must(b.T, b.driver.Create(b.Context(), b.object, nil))
		lower, merged := b.driver.layout.State+"/lower", b.driver.layout.State+"/merged"
		for _, path := range []string{lower, merged, b.path() + "/upper", b.path() + "/work"} {
			must(b.T, os.Mkdir(path, 0o700))
		}
		must(b.T, os.WriteFile(lower+"/file", []byte("below"), 0o600))
		must(b.T, unix.Mount("overlay", merged, "overlay", 0, "lowerdir="+lower+",upperdir="+b.path()+"/upper,workdir="+b.path()+"/work"))
		b.Cleanup(func() { must(b.T, unix.Unmount(merged, unix.MNT_DETACH)) })
		refused := func(err error) bool { return errors.Is(err, unix.EDQUOT) || errors.Is(err, unix.ENOSPC) }
		must(b.T, os.WriteFile(merged+"/some", make([]byte, 3<<20), 0o600))
		must(b.T, os.WriteFile(merged+"/file", []byte("above"), 0o600)) // copied up, out of the work folder
		must(b.T, os.Rename(merged+"/some", merged+"/other"))
		if err := os.WriteFile(merged+"/much", make([]byte, 10<<20), 0o600); !refused(err) {
			b.Errorf("13 MiB were written into 8: %v", err)
		}
		full := b.see()
		if full.FailingReason != string(fault.NoSpace) || !strings.Contains(full.Failing, " of 8.0 MiB") || full.Used < 7<<20 || full.Used > 8<<20 {
			b.Errorf("full, and seen %q: %+v", full.Failing, full)
		}
		if percent := b.driver.layers.Look(b.driver.spaceOf)[owner]; percent < 80 {
			b.Errorf("the watch finds %d%%", percent)
		}
		if size, counted := b.driver.Usage(owner.Name); !counted || size != full.Used {
			b.Errorf("it takes %d bytes (%t)", size, counted)
		}
		must(b.T, os.Remove(merged+"/much"))
		unix.Sync() // xfs may count what was set aside for a file for a time after it is gone
		if seen := b.see(); seen.Failing != "" || seen.Used > 4<<20 {
			b.Errorf("emptied, and seen %+v", seen)
		}
		var err error
		for n := 0; n < 3000 && err == nil; n++ {
			err = os.Mkdir(merged+"/"+strings.Repeat("n", n%200+1)+string(rune('a'+n/200)), 0o700)
		}
		if !refused(err) {
			b.Errorf("3000 folders were made where 2048 may be: %v", err)
		}
	})
}

func TestGrownAndShrunk(t *testing.T) {
	each(t, func(b *bench) {
		must(b.T, b.driver.Create(b.Context(), b.object, nil))
		must(b.T, os.WriteFile(b.path()+"/written", make([]byte, 5<<20), 0o600))
		for _, size := range []int64{64 << 20, 16 << 20, 4 << 20, 4<<20 + object.QuotaUnit} {
			b.wants(size)
			if seen := b.see(); seen.Print.Whole == object.PrintOf(b.object.Spec).Whole || seen.Print.Identity != object.PrintOf(b.object.Spec).Identity {
				b.Errorf("%d are wanted, and seen is %+v", size, seen)
			}
			must(b.T, b.driver.Amend(b.Context(), b.object))
			seen := b.see()
			if seen.Print != object.PrintOf(b.object.Spec) || seen.Limit != size {
				b.Errorf("%d are wanted, and then seen is %+v", size, seen)
			}
			if full := size < 5<<20; full != (seen.FailingReason == string(fault.NoSpace)) {
				b.Errorf("%d bytes, of which 5 MiB are used: %q", size, seen.Failing)
			}
		}
		// A limit that somebody lifted is set again.
		b.limit(b.project(b.path()), 0, 0)
		if seen := b.see(); seen.Print == object.PrintOf(b.object.Spec) || seen.Failing+seen.Damage != "" {
			b.Errorf("lifted, and seen %+v", seen)
		}
		must(b.T, b.driver.Amend(b.Context(), b.object))
		if seen := b.see(); seen.Print != object.PrintOf(b.object.Spec) {
			b.Errorf("set again, and seen %+v", seen)
		}
	})
}

// What a crash leaves is told of, is in nobody's way, and leaves no limit behind.
func TestHalfMade(t *testing.T) {
	each(t, func(b *bench) {
		half := b.path() + unfinished
		for _, step := range []string{"a folder", "a project", "a limit"} {
			must(b.T, os.Mkdir(half, 0o700))
			project := uint32(first + 7)
			if step != "a folder" {
				b.join(half, project)
			}
			if step == "a limit" {
				b.limit(project, 1<<20, 100)
			}
			if seen := b.see(b.object); seen.Damage == "" {
				b.Errorf("%s: seen %+v", step, seen)
			}
			must(b.T, b.driver.Create(b.Context(), b.object, nil))
			if seen := b.see(); seen.Print != object.PrintOf(b.object.Spec) {
				b.Errorf("%s: made, and seen %+v", step, seen)
			}
			if b.project(b.path()) != project {
				b.forgotten(project)
			}
			must(b.T, b.driver.Destroy(b.Context(), b.see()))
			must(b.T, os.RemoveAll(b.driver.layout.Trash()))
		}
		// A crash came before it was seen that the project is another's.
		other := b.driver.layout.State + "/other"
		for _, path := range []string{half, other} {
			must(b.T, os.Mkdir(path, 0o700))
			b.join(path, first+7)
		}
		b.limit(first+7, 1<<20, 100)
		must(b.T, b.driver.Destroy(b.Context(), b.see()))
		if is := b.account(first + 7); is.Limit != 1<<20 {
			b.Errorf("another's limit was lifted: %+v", is)
		}
	})
}

// What nothing limits any more is told of and kept.
func TestNoLongerLimited(t *testing.T) {
	each(t, func(b *bench) {
		must(b.T, b.driver.Create(b.Context(), b.object, nil))
		folder := b.open(b.path())
		a, err := attributesOf(folder)
		must(b.T, err)
		a.Project, a.Flags = 0, a.Flags&^inherit
		must(b.T, ioctl(folder, setAttributes, &a))
		seen := b.see(b.object)
		if seen.Damage != "" || seen.Print != object.PrintOf(b.object.Spec) || !strings.Contains(seen.Failing, "recreate") {
			b.Errorf("seen %+v", seen)
		}
		if err := b.driver.Amend(b.Context(), b.object); fault.ReasonOf(err) != fault.StateLost {
			b.Errorf("amended: %v", err)
		}
		must(b.T, b.driver.Destroy(b.Context(), seen))
	})
}

// A file system that is mounted without the option keeps what is there, and limits
// nothing.
func TestWithoutTheOption(t *testing.T) {
	for _, kind := range kinds {
		t.Run(kind.name, func(t *testing.T) {
			on := mounted(t, kind.make, kind.options)
			b := newBench(t, on)
			must(t, b.driver.Create(t.Context(), b.object, nil))
			image := filepath.Dir(on) + "/image"
			must(t, unix.Unmount(on, 0))
			must(t, exec.Command("mount", "-o", "loop,noquota", image, on).Run())
			if offered, why := b.driver.Offered(); offered || !strings.Contains(why, "prjquota") {
				t.Errorf("it is offered (%t): %s", offered, why)
			}
			seen := b.see(b.object)
			if seen.Damage != "" || seen.Print != object.PrintOf(b.object.Spec) || !strings.Contains(seen.Failing, "prjquota") {
				t.Errorf("seen %+v", seen)
			}
			if err := b.driver.Amend(t.Context(), b.object); fault.ReasonOf(err) != fault.WrongFileSystem {
				t.Errorf("amended: %v", err)
			}
			must(t, b.driver.Destroy(t.Context(), seen))
			if err := b.driver.Create(t.Context(), b.object, nil); fault.ReasonOf(err) != fault.WrongFileSystem {
				t.Errorf("made: %v", err)
			}
			if seen := b.see(b.object); seen.Damage == "" {
				t.Errorf("refused, and seen %+v", seen)
			}
		})
	}
}

// Projects that others use, or have a use for, are theirs.
func TestProjectsOfOthers(t *testing.T) {
	each(t, func(b *bench) {
		l := b.driver.layout
		must(b.T, os.WriteFile(b.driver.projects, []byte("# mine\n1129250816:/srv/a\n12:/srv/b:x\nno:number\n"), 0o600))
		must(b.T, os.WriteFile(b.driver.projid, []byte("a:1129250817\n\nb:\n"), 0o600))
		named, err := b.driver.named()
		must(b.T, err)
		if len(named) != 3 || !named[first] || !named[first+1] || !named[12] {
			b.Errorf("named are %v", named)
		}
		// All are named but for three, of which one has a folder and one a limit.
		var all bytes.Buffer
		b.driver.many = 16
		for n := range 16 {
			if n != 11 && n != 12 && n != 13 {
				all.WriteString(strconv.Itoa(first+n) + ":/srv\n")
			}
		}
		must(b.T, os.WriteFile(b.driver.projects, all.Bytes(), 0o600))
		others := l.State + "/others"
		must(b.T, os.Mkdir(others, 0o700))
		b.join(others, first+11)
		b.limit(first+12, 1<<20, 0)
		must(b.T, b.driver.Create(b.Context(), b.object, nil))
		if got := b.project(b.path()); got != first+13 {
			b.Errorf("it is of project %d", got)
		}
		b.object.Owner = object.SessionOwner("t")
		must(b.T, os.Mkdir(l.Home("t"), 0o700))
		b.object.Spec = object.Quota{Path: l.Layer("t"), Size: 1 << 20}
		if err := b.driver.Create(b.Context(), b.object, nil); fault.ReasonOf(err) != fault.NoResources {
			b.Errorf("no project is left: %v", err)
		}
		if is := b.account(first + 12); is.Limit != 1<<20 {
			b.Errorf("the other's limit is %+v", is)
		}
		b.join(l.Homes(), 5)
		if offered, why := b.driver.Offered(); offered || !strings.Contains(why, "of others") {
			b.Errorf("it is offered in another's project (%t): %s", offered, why)
		}
	})
}

// Where it is not to be had, nothing is promised.
func TestNotOffered(t *testing.T) {
	for _, row := range []struct{ name, make, options, why string }{
		{"ext4 without quotas", "mkfs.ext4 -q", "loop", "prjquota"},
		{"xfs without quotas", "mkfs.xfs -q", "loop", "prjquota"},
		{"btrfs", "mkfs.btrfs -q", "loop", "neither"},
	} {
		t.Run(row.name, func(t *testing.T) {
			b := newBench(t, mounted(t, row.make, row.options))
			if offered, why := b.driver.Offered(); offered || !strings.Contains(why, row.why) {
				t.Errorf("offered: %t, %q", offered, why)
			}
			if err := b.driver.Create(t.Context(), b.object, nil); fault.ReasonOf(err) != fault.WrongFileSystem {
				t.Errorf("made: %v", err)
			}
			must(t, b.driver.Destroy(t.Context(), b.see()))
			if seen := b.see(); seen.Kind != "" {
				t.Errorf("seen %+v", seen)
			}
		})
	}
	if offered, _ := Offers("/no/such"); offered {
		t.Error("it is offered where nothing is")
	}
}
