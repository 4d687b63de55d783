package namespace_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"coppice.dev/reconcile/fault"
	"coppice.dev/reconcile/kernel/enter"
	"coppice.dev/reconcile/kernel/mounttable"
	"coppice.dev/reconcile/kernel/namespace"
	"coppice.dev/reconcile/layout"
	"coppice.dev/reconcile/object"
)

// place is a private prefix with one source folder, on the host's namespace.
type place struct {
	t      *testing.T
	layout layout.Layout
	lower  string
	room   *namespace.Room
}

func newPlace(t *testing.T) *place {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("needs root")
	}
	base := t.TempDir()
	p := &place{t: t, layout: layout.Layout{State: base + "/state", Run: base + "/run"}, lower: base + "/lower"}
	p.folders(p.lower+"/etc", p.lower+"/dev", p.layout.Run, p.layout.Upper("s"), p.layout.Work("s"))
	before := mountpoints(t, base)
	p.restart()
	t.Cleanup(func() {
		p.sweep(base)
		if diff := cmp.Diff(before, mountpoints(t, base)); diff != "" {
			t.Errorf("the host's mounts (-before +after):\n%s", diff)
		}
	})
	return p
}

// sweep takes away whatever a test left below its prefix.
func (p *place) sweep(base string) {
	_ = p.room.Close() // a test that failed leaves pins
	for {
		table, err := mounttable.Host()
		if err != nil {
			p.t.Fatal(err)
		}
		left := mounttable.Below(table, base)
		if len(left) == 0 {
			return
		}
		if err := unix.Unmount(left[0].Mountpoint, unix.MNT_DETACH); err != nil {
			p.t.Fatalf("unmount %s: %v", left[0].Mountpoint, err)
		}
	}
}

func (p *place) folders(paths ...string) {
	p.t.Helper()
	for _, path := range paths {
		if err := os.MkdirAll(path, 0o755); err != nil {
			p.t.Fatal(err)
		}
	}
}

// restart forgets everything, as a new process would.
func (p *place) restart() {
	p.t.Helper()
	room, err := namespace.New(p.layout, "0123abcd")
	if err != nil {
		p.t.Fatal(err)
	}
	p.room = room
}

func (p *place) root() object.Object {
	return object.Object{
		ID: object.ID{Owner: object.SessionOwner("s"), Address: "4-root/namespace"},
		Spec: object.Namespace{
			Type: object.RootOverlay, Layers: []object.Layer{{Path: p.lower}},
			Upper: p.layout.Upper("s"), Work: p.layout.Work("s"),
		},
	}
}

func mount(m object.Mount) object.Object {
	return object.Object{ID: object.ID{Owner: object.SessionOwner("s"), Address: object.At(object.GroupMounts, m.Target)}, Spec: m}
}

func (p *place) create(contents ...object.Object) {
	p.t.Helper()
	if err := (namespace.Namespaces{Room: p.room}).Create(p.t.Context(), p.root(), contents); err != nil {
		p.t.Fatal(err)
	}
}

// inside looks into the session with the test's own process.
func (p *place) inside(f func() error) error {
	p.t.Helper()
	ns, err := p.room.Open("s")
	if err != nil {
		p.t.Fatal(err)
	}
	defer ns.Close()
	return enter.Do(ns, func(enter.Thread) error { return f() })
}

func (p *place) table() []string {
	p.t.Helper()
	ns, err := p.room.Open("s")
	if err != nil {
		p.t.Fatal(err)
	}
	defer ns.Close()
	var lines []string
	if err := enter.Do(ns, func(t enter.Thread) error {
		entries, err := mounttable.Inside(t)
		for _, e := range entries {
			lines = append(lines, e.Mountpoint+" "+e.FSType)
		}
		return err
	}); err != nil {
		p.t.Fatal(err)
	}
	return lines
}

// mountpoints are those on the host below the prefix; others come and go there.
func mountpoints(t *testing.T, base string) []string {
	t.Helper()
	table, err := mounttable.Host()
	if err != nil {
		t.Fatal(err)
	}
	var points []string
	for _, e := range mounttable.Below(table, base) {
		points = append(points, e.Mountpoint)
	}
	return points
}

func every(t *testing.T) []object.Object {
	shared := t.TempDir()
	file := filepath.Join(shared, "file")
	if err := os.WriteFile(file, []byte("of the host"), 0o644); err != nil {
		t.Fatal(err)
	}
	return []object.Object{
		mount(object.Mount{Type: "bind", Source: shared, Target: "/build/deep", Flags: []string{"ro"}}),
		mount(object.Mount{Type: "dev", Target: "/dev", Flags: []string{"noexec", "nosuid"}, Options: []string{"mode=0755"}}),
		mount(object.Mount{Type: "devpts", Target: "/dev/pts", Flags: []string{"noexec", "nosuid"}, Options: []string{"newinstance", "ptmxmode=0666", "mode=0620", "gid=5"}}),
		mount(object.Mount{Type: "shm", Target: "/dev/shm", Options: []string{"mode=1777"}, Size: 1 << 20}),
		mount(object.Mount{Type: "bind", Source: file, Target: "/etc/file"}),
		mount(object.Mount{Type: "bind", Source: "/no/such", Target: "/none", Optional: true}),
		mount(object.Mount{Type: "proc", Target: "/proc", Flags: []string{"nodev", "noexec", "nosuid"}}),
		mount(object.Mount{Type: "sysfs", Target: "/sys", Flags: []string{"nodev", "noexec", "nosuid"}}),
		mount(object.Mount{Type: "tmpfs", Target: "/tmp", Flags: []string{"nodev", "nosuid"}, Options: []string{"mode=1777"}, Size: 1 << 20}),
	}
}

func prints(seen []object.Observed) map[object.Address]object.Print {
	m := map[object.Address]object.Print{}
	for _, o := range seen {
		m[o.Address] = o.Print
	}
	return m
}

// toldOutside is how many mounts the kernel tells of who is not inside; 0 if it is too old
// for that (Linux 6.15).
func (p *place) toldOutside() int {
	p.t.Helper()
	must := func(err error) {
		p.t.Helper()
		if err != nil {
			p.t.Fatal(err)
		}
	}
	tmpfs, err := unix.Fsopen("tmpfs", unix.FSOPEN_CLOEXEC)
	must(err)
	defer unix.Close(tmpfs)
	must(unix.FsconfigCreate(tmpfs))
	detached, err := unix.Fsmount(tmpfs, unix.FSMOUNT_CLOEXEC, 0)
	must(err)
	defer unix.Close(detached)
	copied, err := unix.OpenTree(detached, "", unix.AT_EMPTY_PATH|unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC)
	if err != nil {
		return 0
	}
	unix.Close(copied)
	file, err := p.room.Open("s")
	must(err)
	defer file.Close()
	space, err := mounttable.SpaceOf(file)
	must(err)
	numbers, err := space.Numbers()
	must(err)
	return len(numbers)
}

func TestSessionWithEveryMount(t *testing.T) {
	p := newPlace(t)
	contents := every(t)
	p.create(contents...)
	want := []string{
		"/ overlay", "/build/deep ext4", "/dev tmpfs", "/dev/pts devpts", "/dev/shm tmpfs", "/etc/file ext4",
		"/proc proc", "/sys sysfs", "/tmp tmpfs",
	}
	got := p.table()
	for i := range got {
		if strings.HasPrefix(got[i], "/build") || strings.HasPrefix(got[i], "/etc") {
			got[i] = strings.Fields(got[i])[0] + " ext4" // whatever the test's folder is on
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("mounts inside, and nothing of the host's (-want +got):\n%s", diff)
	}
	if told := p.toldOutside(); told != 0 && told != len(want) && told != len(want)+1 { // one is under the root
		t.Errorf("from outside there are %d mounts, want %d", told, len(want))
	}
	if err := p.inside(func() error {
		if err := os.WriteFile("/dev/null", []byte("x"), 0); err != nil {
			return err
		}
		return os.WriteFile("/written", nil, 0o600)
	}); err != nil {
		t.Error(err)
	}
	if err := p.inside(func() error { return os.WriteFile("/build/deep/x", nil, 0o600) }); err == nil {
		t.Error("wrote through a bind that is read-only")
	}
	if _, err := os.Stat(p.layout.Upper("s") + "/written"); err != nil {
		t.Errorf("what is written inside is not in the upper: %v", err)
	}
	for _, again := range []bool{false, true} {
		if again {
			p.restart()
		}
		seen, err := namespace.Mounts{Room: p.room}.Observe(t.Context(), object.SessionOwner("s"), contents)
		if err != nil {
			t.Fatal(err)
		}
		wantPrints := map[object.Address]object.Print{}
		for _, o := range contents {
			wantPrints[o.Address] = object.PrintOf(o.Spec)
		}
		if diff := cmp.Diff(wantPrints, prints(seen)); diff != "" {
			t.Errorf("mounts seen, restarted %t (-want +got):\n%s", again, diff)
		}
		roots, err := namespace.Namespaces{Room: p.room}.Observe(t.Context(), object.SessionOwner("s"), nil)
		if err != nil || len(roots) != 1 || roots[0].Print != object.PrintOf(p.root().Spec) || roots[0].Damage != "" {
			t.Fatalf("namespace seen as %+v, %v", roots, err)
		}
	}
	p.destroy()
}

func (p *place) destroy() {
	p.t.Helper()
	d := namespace.Namespaces{Room: p.room}
	for range 2 { // of the absent: no error
		if err := d.Destroy(p.t.Context(), object.Observed{ID: p.root().ID, Kind: object.KindNamespace}); err != nil {
			p.t.Fatal(err)
		}
	}
	if seen, err := d.Observe(p.t.Context(), object.SessionOwner("s"), nil); err != nil || len(seen) != 0 {
		p.t.Errorf("after its end: %+v, %v", seen, err)
	}
}

func TestDriftAndAmend(t *testing.T) {
	p := newPlace(t)
	contents := every(t)
	p.create(contents...)
	d := namespace.Mounts{Room: p.room}
	owner := object.SessionOwner("s")
	if err := p.inside(func() error { return unix.Unmount("/proc", 0) }); err != nil {
		t.Fatal(err)
	}
	seen, err := d.Observe(t.Context(), owner, contents)
	if err != nil {
		t.Fatal(err)
	}
	if _, there := prints(seen)["5-mounts/proc"]; there || len(seen) != len(contents)-1 {
		t.Errorf("seen after /proc was unmounted: %v", prints(seen))
	}
	if err := d.Create(t.Context(), contents[6], nil); err != nil {
		t.Fatal(err)
	}
	for _, change := range []object.Mount{
		{Type: "tmpfs", Target: "/tmp", Flags: []string{"nodev", "nosuid", "ro"}, Options: []string{"mode=1777"}, Size: 1 << 20},
		{Type: "tmpfs", Target: "/tmp", Flags: []string{"nodev", "nosuid"}, Options: []string{"mode=1777"}, Size: 3 << 20},
	} {
		wanted := mount(change)
		seen, err := d.Observe(t.Context(), owner, []object.Object{wanted, contents[8]})
		if err != nil {
			t.Fatal(err)
		}
		before := prints(seen)["5-mounts/tmp"]
		if want := object.PrintOf(wanted.Spec); before == want || before.Identity != want.Identity {
			t.Errorf("before the change its print is %v, want the identity of %v and no more", before, want)
		}
		if err := d.Amend(t.Context(), wanted); err != nil {
			t.Fatal(err)
		}
		if seen, err = d.Observe(t.Context(), owner, []object.Object{wanted, contents[8]}); err != nil {
			t.Fatal(err)
		}
		if after := prints(seen)["5-mounts/tmp"]; after != object.PrintOf(wanted.Spec) {
			t.Errorf("after the change its print is %v, want %v: %+v", after, object.PrintOf(wanted.Spec), seen)
		}
	}
	// A bind that is no longer wanted is known by what the home remembers.
	seen, err = d.Observe(t.Context(), owner, contents[:1])
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(seen, func(o object.Observed) bool { return o.Address == contents[0].Address })
	if i < 0 {
		t.Fatalf("the bind is not seen: %+v", seen)
	}
	if err := d.Destroy(t.Context(), seen[i]); err != nil {
		t.Fatal(err)
	}
	if slices.ContainsFunc(p.table(), func(line string) bool { return strings.HasPrefix(line, "/build") }) {
		t.Errorf("the bind is still there: %v", p.table())
	}
	p.destroy()
}

func TestHostileRoots(t *testing.T) {
	for _, row := range []struct {
		link, to string
		mount    object.Mount
		reason   fault.Reason
		at       string // where it ends up, if it does
	}{
		{"proc", "/etc", object.Mount{Type: "proc", Target: "/proc"}, "", "/etc"},
		{"dev", "/", object.Mount{Type: "tmpfs", Target: "/dev"}, fault.TargetUnusable, ""},
		{"tmp", "../../..", object.Mount{Type: "tmpfs", Target: "/tmp"}, fault.TargetUnusable, ""},
		{"srv", "/nowhere", object.Mount{Type: "tmpfs", Target: "/srv"}, fault.TargetUnusable, ""},
		{"opt", "/proc/1/root", object.Mount{Type: "tmpfs", Target: "/opt"}, fault.TargetUnusable, ""},
		{"var", "../../../../etc", object.Mount{Type: "tmpfs", Target: "/var/new"}, "", "/etc/new"},
	} {
		t.Run(row.link+" to "+strings.ReplaceAll(row.to, "/", "."), func(t *testing.T) {
			p := newPlace(t)
			if err := os.RemoveAll(filepath.Join(p.lower, row.link)); err != nil {
				t.Fatal(err)
			}
			if err := os.Symlink(row.to, filepath.Join(p.lower, row.link)); err != nil {
				t.Fatal(err)
			}
			o := mount(row.mount)
			err := namespace.Namespaces{Room: p.room}.Create(t.Context(), p.root(), []object.Object{o})
			if row.reason != "" {
				if fault.ReasonOf(err) != row.reason {
					t.Errorf("error %v, want reason %s", err, row.reason)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got := p.table(); len(got) != 2 || !strings.HasPrefix(got[1], row.at+" ") {
				t.Errorf("mounts inside %q, want one at %s", got, row.at)
			}
			seen, err := namespace.Mounts{Room: p.room}.Observe(t.Context(), object.SessionOwner("s"), []object.Object{o})
			if err != nil || len(seen) != 1 || seen[0].Print != object.PrintOf(o.Spec) {
				t.Errorf("seen %+v, %v", seen, err)
			}
			p.destroy()
		})
	}
}

func TestMissingFoldersAreNotMadeOnTheHost(t *testing.T) {
	p := newPlace(t)
	shared := t.TempDir()
	err := namespace.Namespaces{Room: p.room}.Create(t.Context(), p.root(), []object.Object{
		mount(object.Mount{Type: "bind", Source: shared, Target: "/home"}),
		mount(object.Mount{Type: "tmpfs", Target: "/home/new"}),
	})
	if fault.ReasonOf(err) != fault.TargetUnusable {
		t.Errorf("error %v, want reason %s", err, fault.TargetUnusable)
	}
	if left, err := os.ReadDir(shared); err != nil || len(left) != 0 {
		t.Errorf("made on the host: %v, %v", left, err)
	}
}

func TestUpperInMemory(t *testing.T) {
	p := newPlace(t)
	if err := os.Chmod(p.lower, 0o751); err != nil {
		t.Fatal(err)
	}
	o := p.root()
	o.Spec = object.Namespace{Type: object.RootOverlay, Layers: []object.Layer{{Path: p.lower}}, Memory: true, MemorySize: 1 << 20}
	if err := (namespace.Namespaces{Room: p.room}).Create(t.Context(), o, nil); err != nil {
		t.Fatal(err)
	}
	if err := p.inside(func() error {
		info, err := os.Stat("/")
		if err == nil && info.Mode().Perm() != 0o751 {
			t.Errorf("mode of / is %v, want that of the source", info.Mode())
		}
		if err := os.WriteFile("/small", make([]byte, 1000), 0o600); err != nil {
			t.Error(err)
		}
		if err := os.WriteFile("/large", make([]byte, 2<<20), 0o600); err == nil {
			t.Error("wrote more than the size")
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	p.destroy()
}

func TestPlainBindAndLocation(t *testing.T) {
	p := newPlace(t)
	p.folders(p.lower + "/inner/deep")
	o := p.root()
	o.Spec = object.Namespace{Type: object.RootBind, Layers: []object.Layer{{Path: p.lower, Location: "/inner"}}, ReadOnly: true}
	if err := (namespace.Namespaces{Room: p.room}).Create(t.Context(), o, nil); err != nil {
		t.Fatal(err)
	}
	if err := p.inside(func() error {
		if _, err := os.Stat("/deep"); err != nil {
			t.Error(err)
		}
		if err := os.WriteFile("/x", nil, 0o600); err == nil {
			t.Error("wrote to a root that is read-only")
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	p.destroy()
}

func TestNamespaceInUse(t *testing.T) {
	p := newPlace(t)
	p.lower = "/" // where there is something to run
	p.create()
	ns, err := p.room.Open("s")
	if err != nil {
		t.Fatal(err)
	}
	in, out, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { in.Close(); out.Close() })
	// It ends by itself when the test does: its input is closed then.
	sleep := &exec.Cmd{Path: "/bin/cat", Args: []string{"cat"}, Dir: "/", Stdin: in, Stdout: out, Stderr: out}
	if err := enter.Start(ns, sleep); err != nil {
		t.Fatal(err)
	}
	ns.Close()
	end := func() {
		_ = sleep.Process.Kill()
		_ = sleep.Wait()
	}
	t.Cleanup(end)
	d := namespace.Namespaces{Room: p.room}
	// On a slow machine it may still be seen as what it was forked from.
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(time.Millisecond) {
		err = d.Destroy(t.Context(), object.Observed{ID: p.root().ID})
		if fault.ReasonOf(err) != fault.Busy || strings.Contains(err.Error(), "cat") || time.Now().After(deadline) {
			break
		}
	}
	if fault.ReasonOf(err) != fault.Busy || !strings.Contains(err.Error(), "cat") {
		t.Errorf("error %v, want %s with the name of who is inside", err, fault.Busy)
	}
	// Somebody drops the pin by hand: the upper is still in use.
	pin, _, ok, err := p.room.Instance("s")
	if err != nil || !ok {
		t.Fatal(ok, err)
	}
	if err := unix.Unmount(pin, 0); err != nil {
		t.Fatal(err)
	}
	if err := d.Create(t.Context(), p.root(), nil); fault.ReasonOf(err) != fault.Busy {
		t.Errorf("error %v, want %s: the upper would be mounted twice", err, fault.Busy)
	}
	end()
	if err := d.Create(t.Context(), p.root(), nil); err != nil {
		t.Error(err)
	}
	p.destroy()
}

func TestViews(t *testing.T) {
	for _, tree := range []bool{false, true} {
		p := newPlace(t)
		p.create(mount(object.Mount{Type: "tmpfs", Target: "/tmp"}))
		d := namespace.Views{Room: p.room}
		o := object.Object{
			ID:   object.ID{Owner: object.SessionOwner("s"), Address: "7-view/root"},
			Spec: object.View{Path: p.layout.View("s"), Tree: tree},
		}
		if err := d.Create(t.Context(), o, nil); err != nil {
			t.Fatal(err)
		}
		if err := p.inside(func() error { return os.WriteFile("/tmp/x", nil, 0o600) }); err != nil {
			t.Fatal(err)
		}
		var fs unix.Statfs_t
		if err := unix.Statfs(p.layout.View("s"), &fs); err != nil || fs.Flags&(unix.ST_NOSUID|unix.ST_NODEV) != unix.ST_NOSUID|unix.ST_NODEV {
			t.Errorf("tree %t: set-uid programs and devices of the root work on the host: flags %#x, %v", tree, fs.Flags, err)
		}
		if err := p.inside(func() error { return unix.Statfs("/", &fs) }); err != nil || fs.Flags&(unix.ST_NOSUID|unix.ST_NODEV) != 0 {
			t.Errorf("tree %t: they do not work inside: flags %#x, %v", tree, fs.Flags, err)
		}
		if _, err := os.Stat(p.layout.View("s") + "/tmp/x"); (err == nil) != tree {
			t.Errorf("tree %t: a file on a mount inside: %v", tree, err)
		}
		see := func() object.Observed {
			t.Helper()
			seen, err := d.Observe(t.Context(), o.Owner, nil)
			if err != nil || len(seen) != 1 {
				t.Fatalf("seen %+v, %v", seen, err)
			}
			return seen[0]
		}
		if s := see(); s.Damage != "" || s.Print != object.PrintOf(o.Spec) {
			t.Errorf("seen %+v", s)
		}
		busy, err := os.Open(p.layout.View("s") + "/etc")
		if err != nil {
			t.Fatal(err)
		}
		if err := d.Destroy(t.Context(), see()); fault.ReasonOf(err) != fault.Busy {
			t.Errorf("error %v, want %s", err, fault.Busy)
		}
		busy.Close()
		// The namespace is made again: the view shows what is gone.
		if err := (namespace.Namespaces{Room: p.room}).Destroy(t.Context(), object.Observed{ID: p.root().ID}); err != nil {
			t.Fatal(err)
		}
		if s := see(); s.Damage == "" {
			t.Errorf("a view of a root that is gone is seen as whole: %+v", s)
		}
		for range 2 {
			if err := d.Destroy(t.Context(), object.Observed{ID: o.ID}); err != nil {
				t.Fatal(err)
			}
		}
		if seen, err := d.Observe(t.Context(), o.Owner, nil); err != nil || len(seen) != 0 {
			t.Errorf("after its end: %+v, %v", seen, err)
		}
	}
}
