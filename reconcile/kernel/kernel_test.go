package kernel_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"coppice.dev/reconcile"
	"coppice.dev/reconcile/compile"
	"coppice.dev/reconcile/kernel"
	"coppice.dev/reconcile/kernel/enter"
	"coppice.dev/reconcile/kernel/mounttable"
	"coppice.dev/reconcile/layout"
	"coppice.dev/reconcile/object"
	"coppice.dev/reconcile/plan"
	"coppice.dev/spec"
)

// host is a private prefix on the real machine.
type host struct {
	t      *testing.T
	base   string
	layout layout.Layout
	kernel *kernel.Kernel
}

func newHost(t *testing.T) *host {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("needs root")
	}
	base := t.TempDir()
	h := &host{t: t, base: base, layout: layout.Layout{State: base + "/state", Run: base + "/run"}}
	h.restart()
	t.Cleanup(h.unmount)
	t.Cleanup(h.nothingLeft)
	return h
}

// unmount takes away what a test that failed left behind.
func (h *host) unmount() {
	t := h.t
	_ = h.kernel.Close() // whatever the test did
	table, err := mounttable.Host()
	must(t, err)
	for _, e := range mounttable.Below(table, h.base) {
		t.Errorf("left mounted: %s", e.Mountpoint)
		_ = unix.Unmount(e.Mountpoint, unix.MNT_DETACH) // so that others do not suffer
	}
	if group := filepath.Dir(h.kernel.Group("x")); group != "." {
		_ = os.Remove(group) // the group of all sessions; empty
	}
}

// ctx outlives the test: sweeping comes after it.
func (h *host) ctx() context.Context { return context.WithoutCancel(h.t.Context()) }

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func (h *host) restart() {
	h.t.Helper()
	if h.kernel != nil {
		must(h.t, h.kernel.Close())
	}
	k, err := kernel.Open(kernel.Config{Layout: h.layout})
	must(h.t, err)
	h.kernel = k
}

// session compiles a session as the controller would.
func (h *host) session(name string, s spec.SessionSpec) compile.Result {
	h.t.Helper()
	object := &spec.Session{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: s}
	spec.Default(object)
	if problems := spec.Validate(object); len(problems) > 0 {
		h.t.Fatal(problems)
	}
	refs := spec.References{Profiles: map[string]*spec.Profile{}}
	for _, p := range spec.BuiltinProfiles() {
		refs.Profiles[p.Name] = p
	}
	admitted, err := spec.Admit(object, refs, true)
	must(h.t, err)
	facts, err := h.kernel.Inspect(h.ctx(), admitted.Chroot.Source)
	must(h.t, err)
	result, err := compile.Session(h.layout, compile.Record{UID: "uid", Session: admitted, Facts: facts})
	must(h.t, err)
	return result
}

// converge makes bases and session, and returns the steps taken.
func (h *host) converge(r compile.Result) []plan.Step {
	h.t.Helper()
	var taken []plan.Step
	for _, b := range r.Bases {
		taken = append(taken, h.to(b.Owner, b.Objects)...)
	}
	return append(taken, h.to(r.Objects[0].Owner, r.Objects)...)
}

func (h *host) to(owner object.Owner, desired []object.Object) []plan.Step {
	h.t.Helper()
	out, err := reconcile.Converge(h.ctx(), h.kernel, owner, desired, plan.Policy{}, reconcile.Trace{})
	must(h.t, err)
	if len(out.Held) > 0 {
		h.t.Fatalf("held: %+v", out.Held)
	}
	return out.Taken
}

// nothingLeft sweeps whatever some label names, and wants the world empty then.
func (h *host) nothingLeft() {
	h.t.Helper()
	owners, err := h.kernel.Owners(h.ctx())
	must(h.t, err)
	for i := range owners { // sessions before their bases
		h.to(owners[len(owners)-1-i], nil)
	}
	if owners, err = h.kernel.Owners(h.ctx()); err != nil || len(owners) != 0 {
		h.t.Errorf("owners after the sweep: %v, %v", owners, err)
	}
	must(h.t, h.kernel.EmptyTrash(h.ctx()))
	for _, folder := range []string{h.layout.Homes(), h.layout.Trash(), h.layout.BaseTrees(), h.layout.BaseMounts(), h.layout.Pins(), h.layout.Views()} {
		if left, err := os.ReadDir(folder); err == nil && len(left) > 0 {
			h.t.Errorf("left in %s: %v", folder, left)
		}
	}
	for _, device := range h.loops() {
		h.t.Errorf("left: loop device %s", device)
	}
}

// loops are the loop devices with this controller's label.
func (h *host) loops() []string {
	h.t.Helper()
	id, err := os.ReadFile(h.layout.ID())
	must(h.t, err)
	out, err := exec.Command("losetup", "--all", "--noheadings", "--output", "NAME").Output()
	must(h.t, err)
	var mine []string
	for device := range strings.FieldsSeq(string(out)) {
		f, err := os.Open(device)
		if err != nil {
			continue
		}
		info, err := unix.IoctlLoopGetStatus64(int(f.Fd()))
		f.Close()
		if err == nil && strings.Contains(unix.ByteSliceToString(info.File_name[:]), strings.TrimSpace(string(id))) {
			mine = append(mine, device)
		}
	}
	return mine
}

// root makes a small root file system.
func (h *host) root(name string) string {
	h.t.Helper()
	path := filepath.Join(h.base, name)
	must(h.t, os.MkdirAll(path+"/etc", 0o755))
	must(h.t, os.WriteFile(path+"/etc/issue", []byte("a small root\n"), 0o644))
	return path
}

func run(t *testing.T, name string, args ...string) {
	t.Helper()
	if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
}

// inside looks into a session with this test's own process.
func (h *host) inside(session string, f func() error) {
	h.t.Helper()
	ns, err := h.kernel.Room().Open(session)
	must(h.t, err)
	defer ns.Close()
	must(h.t, enter.Do(ns, func(enter.Thread) error { return f() }))
}

// works checks a session that shows the small root: it is at rest, survives a
// restart, and what is written inside stays there.
func (h *host) works(name string, r compile.Result, writable bool) {
	h.t.Helper()
	for _, again := range []bool{false, true} {
		if again {
			h.restart()
		}
		if steps := h.converge(r); len(steps) != 0 {
			h.t.Fatalf("restarted %t: not at rest: %v", again, steps)
		}
	}
	h.inside(name, func() error {
		text, err := os.ReadFile("/etc/issue")
		if err != nil || string(text) != "a small root\n" {
			h.t.Errorf("inside: %q, %v", text, err)
		}
		if err := os.WriteFile("/etc/new", nil, 0o644); (err == nil) != writable {
			h.t.Errorf("write inside: %v", err)
		}
		if _, err := os.Stat("/proc/self/status"); err != nil && writable {
			h.t.Errorf("no /proc inside: %v", err)
		}
		return nil
	})
	if _, err := os.Stat(h.layout.View(name) + "/etc/issue"); err != nil {
		h.t.Errorf("view: %v", err)
	}
}

func inline(s spec.Source, u *spec.Union) spec.SessionSpec {
	return spec.SessionSpec{Chroot: &spec.ChrootSpec{Source: s, Union: u}}
}

func TestDirectory(t *testing.T) {
	for _, union := range []*spec.Union{
		{Type: spec.UnionOverlay},
		{Type: spec.UnionOverlay, Upper: &spec.Upper{Medium: spec.MediumMemory}},
		{Type: spec.UnionOverlay, Volatile: new(true)},
		{Type: spec.UnionNone},
	} {
		h := newHost(t)
		root := h.root("root")
		r := h.session("s", inline(spec.Source{Directory: &spec.DirectorySource{Path: root}}, union))
		h.converge(r)
		h.works("s", r, true)
		_, err := os.Stat(root + "/etc/new")
		if shared := union.Type == spec.UnionNone; shared != (err == nil) {
			t.Errorf("union %s: what was written inside is in the source: %t", union.Type, err == nil)
		}
		h.to(r.Objects[0].Owner, nil)
	}
}

func TestHostRootIsTheDefaultWithoutAnImage(t *testing.T) {
	h := newHost(t)
	r := h.session("s", inline(spec.Source{Directory: &spec.DirectorySource{Path: "/"}}, nil))
	h.converge(r)
	h.inside("s", func() error {
		if err := os.WriteFile("/etc/coppice-test-was-here", nil, 0o644); err != nil {
			t.Error(err)
		}
		return nil
	})
	if _, err := os.Lstat("/etc/coppice-test-was-here"); err == nil {
		t.Error("a write inside reached the host")
		_ = os.Remove("/etc/coppice-test-was-here")
	}
}

func TestImages(t *testing.T) {
	for _, kind := range []string{"ext4", "xfs", "btrfs", "squashfs", "erofs"} {
		t.Run(kind, func(t *testing.T) {
			h := newHost(t)
			path := filepath.Join(h.base, "image")
			h.makeImage(kind, path)
			source := spec.Source{Loopback: &spec.LoopbackSource{Path: path}}
			first := h.session("a", inline(source, nil))
			second := h.session("b", inline(source, nil))
			h.converge(first)
			if steps := h.converge(second); len(steps) == 0 || steps[0].Kind() == object.KindImage {
				t.Errorf("the second session did not share the image: %v", steps)
			}
			if n := len(h.loops()); n != 1 {
				t.Errorf("%d loop devices for one image", n)
			}
			h.works("a", first, true)
			h.works("b", second, true)
			// The base goes while sessions live on it: they keep what they need.
			h.to(first.Bases[0].Owner, nil)
			h.inside("a", func() error { _, err := os.ReadFile("/etc/issue"); return err })
			h.to(object.SessionOwner("a"), nil)
			h.to(object.SessionOwner("b"), nil)
			for deadline := time.Now().Add(5 * time.Second); len(h.loops()) > 0 && time.Now().Before(deadline); {
				time.Sleep(5 * time.Millisecond) // the kernel lets go in its own time
			}
			if left := h.loops(); len(left) > 0 {
				t.Errorf("loop devices after the last session went: %v", left)
			}
		})
	}
}

// makeImage makes an image of the small root with the file system's own tools.
func (h *host) makeImage(kind, path string) {
	t := h.t
	t.Helper()
	root := h.root("source-" + kind)
	size := map[string]string{"ext4": "16M", "xfs": "300M", "btrfs": "128M"}[kind]
	if size != "" {
		run(t, "truncate", "-s", size, path)
	}
	switch kind {
	case "ext4":
		run(t, "mkfs.ext4", "-q", "-d", root, path)
	case "btrfs":
		run(t, "mkfs.btrfs", "-q", "--rootdir", root, path)
	case "squashfs":
		run(t, "mksquashfs", root, path, "-quiet", "-no-progress")
	case "erofs":
		run(t, "mkfs.erofs", "--quiet", path, root)
	case "xfs":
		run(t, "mkfs.xfs", "-q", path)
		point := filepath.Join(h.base, "mnt")
		must(t, os.Mkdir(point, 0o755))
		run(t, "mount", "-o", "loop", path, point)
		run(t, "cp", "-a", root+"/.", point)
		run(t, "umount", point)
	}
}

func TestImageWrittenTo(t *testing.T) {
	h := newHost(t)
	path := filepath.Join(h.base, "image")
	h.makeImage("ext4", path)
	r := h.session("s", inline(spec.Source{Loopback: &spec.LoopbackSource{Path: path}}, &spec.Union{Type: spec.UnionNone}))
	if !r.Bases[0].Exclusive {
		t.Error("an image that is written to is not exclusive")
	}
	h.converge(r)
	h.works("s", r, true)
	h.to(object.SessionOwner("s"), nil)
	h.to(r.Bases[0].Owner, nil)
	h.converge(r)
	h.inside("s", func() error { _, err := os.Stat("/etc/new"); return err })
}

func TestPartitionAndOffset(t *testing.T) {
	for _, label := range []string{"gpt", "dos"} {
		h := newHost(t)
		part, disk := filepath.Join(h.base, "part"), filepath.Join(h.base, "disk")
		h.makeImage("ext4", part)
		run(t, "truncate", "-s", "40M", disk)
		run(t, "sh", "-c", "printf 'label: "+label+"\nstart=2048, size=8192\nstart=16384, size=32768\n' | sfdisk -q "+disk)
		run(t, "dd", "if="+part, "of="+disk, "bs=1M", "seek=8", "conv=notrunc", "status=none")
		for _, source := range []spec.LoopbackSource{{Path: disk, Partition: 2}, {Path: disk, Offset: 8 << 20}} {
			r := h.session("s", inline(spec.Source{Loopback: &source}, nil))
			h.converge(r)
			h.works("s", r, true)
			h.to(object.SessionOwner("s"), nil)
			h.to(r.Bases[0].Owner, nil)
		}
		for what, source := range map[string]spec.LoopbackSource{
			"say which one": {Path: disk}, "no partition 7, but [1 2]": {Path: disk, Partition: 7}, "it holds ext4, not xfs": {Path: part, FSType: "xfs"},
		} {
			if _, err := h.kernel.Inspect(h.ctx(), spec.Source{Loopback: &source}); err == nil || !strings.Contains(err.Error(), what) {
				t.Errorf("error %v, want %q", err, what)
			}
		}
	}
}

func TestArchives(t *testing.T) {
	for _, kind := range []struct{ name, command string }{
		{"tar", "cat"}, {"gz", "gzip"}, {"xz", "xz -0"}, {"zst", "zstd -q"}, {"bz2", "bzip2"}, {"lz4", "lz4 -q"},
	} {
		t.Run(kind.name, func(t *testing.T) {
			h := newHost(t)
			root := h.root("root")
			must(t, os.WriteFile(root+"/setuid", nil, 0o755))
			must(t, os.Chown(root+"/setuid", 1234, 5678))
			must(t, os.Chmod(root+"/setuid", 0o4755|os.ModeSetuid))
			must(t, os.Link(root+"/setuid", root+"/hard"))
			must(t, unix.Setxattr(root+"/setuid", "user.note", []byte("kept"), 0))
			must(t, unix.Mknod(root+"/null", unix.S_IFCHR|0o666, int(unix.Mkdev(1, 3))))
			must(t, os.WriteFile(root+"/sparse", nil, 0o644))
			must(t, os.Truncate(root+"/sparse", 64<<20))
			must(t, os.WriteFile(root+"/filler", make([]byte, 1<<20), 0o644))
			archive := filepath.Join(h.base, "archive")
			run(t, "sh", "-c", "tar -C "+root+" --xattrs --sparse -c . | "+kind.command+" > "+archive)
			r := h.session("s", inline(spec.Source{File: &spec.FileSource{Path: archive}}, nil))
			h.converge(r)
			h.works("s", r, true)
			h.inside("s", func() error {
				var st, hard unix.Stat_t
				must(t, unix.Stat("/setuid", &st))
				must(t, unix.Stat("/hard", &hard))
				if st.Uid != 1234 || st.Gid != 5678 || st.Mode&0o7777 != 0o4755 || st.Ino != hard.Ino {
					t.Errorf("setuid file: %+v", st)
				}
				value := make([]byte, 16)
				if n, err := unix.Getxattr("/setuid", "user.note", value); err != nil || string(value[:n]) != "kept" {
					t.Errorf("extended attribute: %q, %v", value[:max(n, 0)], err)
				}
				must(t, unix.Stat("/null", &st))
				if st.Mode&unix.S_IFMT != unix.S_IFCHR || st.Rdev != unix.Mkdev(1, 3) {
					t.Errorf("device node: %+v", st)
				}
				must(t, unix.Stat("/sparse", &st))
				if st.Size != 64<<20 || st.Blocks > 1024 {
					t.Errorf("sparse file: %d bytes in %d blocks", st.Size, st.Blocks)
				}
				return nil
			})
			// Cut short, it must not pass for whole.
			info, err := os.Stat(archive)
			must(t, err)
			must(t, os.Truncate(archive, info.Size()/2))
			bad := h.session("t", inline(spec.Source{File: &spec.FileSource{Path: archive}}, nil))
			_, err = reconcile.Converge(h.ctx(), h.kernel, bad.Bases[0].Owner, bad.Bases[0].Objects, plan.Policy{}, reconcile.Trace{})
			if err == nil {
				t.Error("half an archive was unpacked without an error")
			}
		})
	}
}

func TestBtrfsSnapshot(t *testing.T) {
	h := newHost(t)
	image, point := filepath.Join(h.base, "image"), filepath.Join(h.base, "btrfs")
	run(t, "truncate", "-s", "256M", image)
	run(t, "mkfs.btrfs", "-q", image)
	must(t, os.Mkdir(point, 0o755))
	run(t, "mount", "-o", "loop", image, point)
	t.Cleanup(func() { run(t, "umount", point) })
	run(t, "btrfs", "-q", "subvolume", "create", point+"/root")
	run(t, "cp", "-a", h.root("small")+"/.", point+"/root")
	r := h.session("s", inline(spec.Source{BtrfsSnapshot: &spec.BtrfsSnapshotSource{Subvolume: point + "/root"}}, nil))
	h.converge(r)
	h.works("s", r, true)
	if _, err := os.Stat(point + "/root/etc/new"); err == nil {
		t.Error("a write inside reached the subvolume")
	}
	// Somebody makes subvolumes inside; they must not keep the session.
	run(t, "btrfs", "-q", "subvolume", "create", h.layout.View("s")+"/nested")
	run(t, "btrfs", "-q", "subvolume", "create", h.layout.View("s")+"/nested/deep")
	run(t, "btrfs", "property", "set", h.layout.View("s")+"/nested/deep", "ro", "true")
	h.to(object.SessionOwner("s"), nil)
	left, err := os.ReadDir(point)
	must(t, err)
	if len(left) != 1 {
		t.Errorf("left on the file system: %v", left)
	}
}

func TestEditsAndDrift(t *testing.T) {
	h := newHost(t)
	s := inline(spec.Source{Directory: &spec.DirectorySource{Path: h.root("root")}}, nil)
	r := h.session("s", s)
	h.converge(r)
	drift := map[string]func(){
		"a mount is undone":   func() { h.inside("s", func() error { return unix.Unmount("/proc", 0) }) },
		"two, one on another": func() { h.inside("s", func() error { return unix.Unmount("/dev", unix.MNT_DETACH) }) },
		"the view is undone":  func() { must(t, unix.Unmount(h.layout.View("s"), 0)) },
		"the pin is dropped": func() {
			pin, _, _, err := h.kernel.Room().Instance("s")
			must(t, err)
			must(t, unix.Unmount(pin, 0))
		},
		"the record is cut":  func() { must(t, os.Truncate(h.layout.Record("s"), 0)) },
		"the record is gone": func() { must(t, os.Remove(h.layout.Record("s"))) },
	}
	for name, undo := range drift {
		h.inside("s", func() error { return os.WriteFile("/kept", nil, 0o644) })
		undo()
		if len(h.converge(r)) == 0 {
			t.Errorf("%s, and nothing was done", name)
		}
		h.works("s", r, true)
		h.inside("s", func() error {
			if _, err := os.Stat("/kept"); err != nil {
				t.Errorf("%s, and what was written is lost: %v", name, err)
			}
			return os.RemoveAll("/kept")
		})
	}
	shared := filepath.Join(h.base, "shared")
	must(t, os.Mkdir(shared, 0o755))
	s.Profile = &spec.ProfileSpec{Mounts: []spec.Mount{{Type: spec.MountBind, Source: shared, Target: "/shared"}}}
	more := h.session("s", s)
	h.converge(more)
	h.inside("s", func() error { return os.WriteFile("/shared/x", nil, 0o644) })
	if _, err := os.Stat(shared + "/x"); err != nil {
		t.Errorf("a mount was added to a running session: %v", err)
	}
	h.converge(r)
	h.inside("s", func() error {
		if _, err := os.Stat("/shared/x"); err == nil {
			t.Error("a mount was taken from a running session, and is there")
		}
		return nil
	})
	h.converge(more)
	h.to(object.SessionOwner("s"), nil)
	if _, err := os.Stat(shared + "/x"); err != nil {
		t.Errorf("ending a session removed a file of the host: %v", err)
	}
}

func TestTasks(t *testing.T) {
	h := newHost(t)
	log := filepath.Join(h.base, "log")
	say := func(word string) []string { return []string{"/bin/sh", "-c", "echo " + word + " >> " + log} }
	hosts := filepath.Join(h.base, "hosts")
	must(t, os.WriteFile(hosts, []byte("copied"), 0o640))
	s := inline(spec.Source{Directory: &spec.DirectorySource{Path: "/"}}, nil)
	s.Profile = &spec.ProfileSpec{
		CopyFiles:    []string{hosts},
		NSSDatabases: []string{"passwd"},
		Hooks: []spec.Hook{
			{Name: "one", Command: say("one"), Undo: say("undo-one")},
			{Name: "two", Command: say("two"), Undo: say("undo-two"), Order: 1},
			{Name: "inside", Command: []string{"/bin/sh", "-c", "echo $COPPICE_SESSION > /inside"}, Place: spec.HookInSession},
			{Name: "again", Phase: spec.HookRecover, Command: say("recover")},
			{Name: "last", Phase: spec.HookStop, Command: say("stop"), Order: 2},
		},
	}
	r := h.session("s", s)
	h.converge(r)
	h.inside("s", func() error {
		text, err := os.ReadFile("/inside")
		if err != nil || string(text) != "s\n" {
			t.Errorf("hook inside: %q, %v", text, err)
		}
		if text, err = os.ReadFile(hosts); err != nil || string(text) != "copied" {
			t.Errorf("copied file: %q, %v", text, err)
		}
		return nil
	})
	pin, _, _, err := h.kernel.Room().Instance("s")
	must(t, err)
	must(t, unix.Unmount(pin, 0))
	h.converge(r)
	h.to(object.SessionOwner("s"), nil)
	said, err := os.ReadFile(log)
	must(t, err)
	if got, want := strings.Join(strings.Fields(string(said)), " "), "one two recover stop undo-two undo-one"; got != want {
		t.Errorf("hooks said %q, want %q", got, want)
	}
}

func TestProcessesEnd(t *testing.T) {
	h := newHost(t)
	s := inline(spec.Source{Directory: &spec.DirectorySource{Path: "/"}}, nil)
	s.GracePeriod = &metav1.Duration{Duration: 50 * time.Millisecond}
	r := h.session("s", s)
	other := h.session("other", s)
	h.converge(r)
	h.converge(other)
	start := func(session, script string) *exec.Cmd {
		ns, err := h.kernel.Room().Open(session)
		must(t, err)
		defer ns.Close()
		in, out, err := os.Pipe()
		must(t, err)
		t.Cleanup(func() { in.Close(); out.Close() })
		cmd := &exec.Cmd{Path: "/bin/sh", Args: []string{"sh", "-c", script}, Dir: "/", Stdin: in, Stdout: out, Stderr: out}
		must(t, enter.Start(ns, cmd))
		return cmd
	}
	stubborn := start("s", "trap '' TERM; while read x; do :; done")
	bystander := start("other", "read x")
	ended := make(chan error, 1)
	go func() { ended <- stubborn.Wait() }()
	h.to(object.SessionOwner("s"), nil)
	if err := <-ended; err == nil {
		t.Error("it ended by itself")
	}
	if err := bystander.Process.Signal(unix.Signal(0)); err != nil {
		t.Errorf("a process of another session: %v", err)
	}
	_ = bystander.Process.Kill() // ends the test's own
	_ = bystander.Wait()
	h.to(object.SessionOwner("other"), nil)
}

func TestSecondControllerIsKeptAway(t *testing.T) {
	h := newHost(t)
	if k, err := kernel.Open(kernel.Config{Layout: h.layout}); !errors.Is(err, kernel.ErrInUse) {
		t.Errorf("opened %v, %v", k, err)
	}
}
