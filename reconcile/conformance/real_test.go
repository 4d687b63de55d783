package conformance_test

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"coppice.dev/reconcile"
	"coppice.dev/reconcile/conformance"
	"coppice.dev/reconcile/kernel"
	"coppice.dev/reconcile/kernel/enter"
	"coppice.dev/reconcile/kernel/mounttable"
	"coppice.dev/reconcile/kernel/quota"
	"coppice.dev/reconcile/layout"
	"coppice.dev/reconcile/object"
)

// onThisMachine returns a harness of the real kernel below a private prefix.
func onThisMachine(t *testing.T) conformance.Harness {
	if os.Getuid() != 0 {
		t.Skip("needs root")
	}
	base, err := filepath.EvalSymlinks(t.TempDir())
	must(t, err)
	h := conformance.Harness{
		Layout:    layout.Layout{State: base + "/state", Run: base + "/run"},
		Directory: base + "/root", Shared: base + "/shared", File: base + "/file",
	}
	must(t, os.MkdirAll(h.Directory+conformance.Place, 0o755))
	must(t, os.Mkdir(h.Shared, 0o755))
	must(t, os.WriteFile(h.File, []byte("copied"), 0o644))
	h.Archive = archive(t, base)
	h.Image = image(t, base)
	if strings.HasSuffix(t.Name(), "bases") {
		h.Disk = device(t, base)
	}
	if t.Name() == "TestReal/snapshots" {
		h.Snapshot = subvolume(t, base)
	}
	may, err := unix.PrctlRetInt(unix.PR_CAPBSET_READ, unix.CAP_SYS_RESOURCE, 0, 0, 0)
	must(t, err)
	h.Fixed = may == 0
	if t.Name() == "TestReal/counted_uppers" {
		h.NoQuota = counting(t, base, h.Layout.State)
	}
	hands := &hands{t: t, layout: h.Layout}
	h.Hand = hands

	var now *kernel.Kernel
	end := func() {
		if now != nil {
			must(t, now.Close())
		}
	}
	h.Start = func() reconcile.Kernel {
		end()
		now, err = kernel.Open(kernel.Config{Layout: h.Layout})
		must(t, err)
		return now
	}
	t.Cleanup(func() { nothingLeft(t, base) })
	t.Cleanup(func() {
		here, err := filepath.Glob(h.Directory + "/*")
		below, belowErr := filepath.Glob(h.Directory + conformance.Place + "/*")
		if len(here) != 1 || len(below) != 0 || err != nil || belowErr != nil {
			t.Errorf("the folder that sessions are grown from holds %v, %v: %v, %v", here, below, err, belowErr)
		}
	})
	t.Cleanup(func() {
		hands.Leave()
		end()
		if group := filepath.Dir(now.Group("s")); group != "." {
			_ = os.Remove(group) // the group of all sessions; empty
		}
	})
	return h
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func run(t *testing.T, command string, args ...string) {
	t.Helper()
	if out, err := exec.Command(command, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s %q: %v\n%s", command, args, err, out)
	}
}

func identity(t *testing.T, path string) object.FileIdentity {
	t.Helper()
	var st unix.Stat_t
	must(t, unix.Stat(path, &st))
	return object.FileIdentity{Device: st.Dev, Inode: st.Ino, Size: st.Size, ModTime: st.Mtim.Nano()}
}

// archive packs a root file system with next to nothing in it.
func archive(t *testing.T, base string) object.Tree {
	path := base + "/archive.tar"
	run(t, "tar", "-C", base, "-cf", path, "root", "file")
	return object.Tree{Archive: path, Contents: identity(t, path)}
}

// image makes a small image of an empty file system.
func image(t *testing.T, base string) object.Image {
	path := base + "/image"
	must(t, os.WriteFile(path, nil, 0o644))
	must(t, os.Truncate(path, 2<<20))
	run(t, "mkfs.ext4", "-q", "-F", path)
	return object.Image{File: path, FSType: "ext4", ReadOnly: true, Contents: identity(t, path)}
}

// device makes a block device with a file system on it.
func device(t *testing.T, base string) object.Disk {
	path := base + "/device.image"
	must(t, os.WriteFile(path, nil, 0o644))
	must(t, os.Truncate(path, 2<<20))
	run(t, "mkfs.ext4", "-q", "-F", path)
	out, err := exec.Command("losetup", "--find", "--show", "--read-only", path).Output()
	must(t, err)
	name := strings.TrimSpace(string(out))
	t.Cleanup(func() { run(t, "losetup", "--detach", name) })
	return object.Disk{Device: name, FSType: "ext4", ReadOnly: true}
}

// counting mounts a file system that counts projects where the state folder is to be,
// or says why it cannot.
func counting(t *testing.T, base, state string) string {
	path := base + "/counting.image"
	must(t, os.WriteFile(path, nil, 0o644))
	must(t, os.Truncate(path, 64<<20))
	run(t, "mkfs.ext4", "-q", "-O", "quota,project", path)
	must(t, os.Mkdir(state, 0o755))
	if out, err := exec.Command("mount", "-o", "loop,prjquota", path, state).CombinedOutput(); err != nil {
		line, _, _ := strings.Cut(string(out), "\n")
		return "this kernel counts no projects on ext4: " + line
	}
	t.Cleanup(func() { run(t, "umount", state) })
	return ""
}

// subvolume mounts a btrfs with a subvolume.
func subvolume(t *testing.T, base string) object.Snapshot {
	path, point := base+"/btrfs.image", base+"/btrfs"
	must(t, os.WriteFile(path, nil, 0o644))
	must(t, os.Truncate(path, 128<<20))
	run(t, "mkfs.btrfs", "-q", path)
	must(t, os.Mkdir(point, 0o755))
	run(t, "mount", "-o", "loop", path, point)
	t.Cleanup(func() { run(t, "umount", point) })
	run(t, "btrfs", "-q", "subvolume", "create", point+"/subvolume")
	return object.Snapshot{Subvolume: point + "/subvolume", Path: point + "/.coppice-snapshots/s.uid"}
}

// nothingLeft fails the test for what it left mounted, and takes it away so that
// others do not suffer.
func nothingLeft(t *testing.T, base string) {
	table, err := mounttable.Host()
	must(t, err)
	for _, e := range mounttable.Below(table, base) {
		if name := filepath.Base(e.Mountpoint); name == "btrfs" || name == "state" {
			continue // the test's own
		}
		t.Errorf("left mounted: %s", e.Mountpoint)
		_ = unix.Unmount(e.Mountpoint, unix.MNT_DETACH)
	}
}

// hands breaks things on the real machine.
type hands struct {
	t       *testing.T
	layout  layout.Layout
	started []*exec.Cmd
}

// refused reports whether the kernel said no; any other error ends the test.
func (h *hands) refused(err error) bool {
	h.t.Helper()
	if err == nil {
		return false
	}
	if !errors.Is(err, unix.EBUSY) && !errors.Is(err, unix.EINVAL) && !errors.Is(err, fs.ErrNotExist) {
		h.t.Fatal(err)
	}
	return true
}

// pin returns the path of a session's live pin, or "".
func (h *hands) pin(session string) string {
	paths, err := filepath.Glob(filepath.Join(h.layout.PinFolder(session), "*"))
	must(h.t, err)
	for _, path := range paths {
		var st unix.Statfs_t
		if unix.Statfs(path, &st) == nil && st.Type == unix.NSFS_MAGIC {
			return path
		}
	}
	return ""
}

func (h *hands) inside(session string, f func() error) {
	h.t.Helper()
	pin := h.pin(session)
	if pin == "" {
		return
	}
	namespace, err := os.Open(pin)
	must(h.t, err)
	defer namespace.Close()
	h.refused(enter.Do(namespace, func(enter.Thread) error { return f() }))
}

func (h *hands) DropPin(session string) {
	if pin := h.pin(session); pin != "" {
		h.refused(unix.Unmount(pin, 0))
	}
}

func (h *hands) Unmount(session, target string) {
	h.inside(session, func() error { return unix.Unmount(target, 0) })
}

func (h *hands) Mount(session, target string) {
	h.inside(session, func() error {
		if err := os.MkdirAll(target, 0o755); err != nil {
			return err
		}
		return unix.Mount("stranger", target, "tmpfs", 0, "size=64k")
	})
}

func (h *hands) Remount(session, target string, flags ...string) {
	attributes := map[string]uint64{"ro": unix.MOUNT_ATTR_RDONLY, "nosuid": unix.MOUNT_ATTR_NOSUID, "noexec": unix.MOUNT_ATTR_NOEXEC}
	change := unix.MountAttr{}
	for _, bit := range attributes {
		change.Attr_clr |= bit
	}
	for _, f := range flags {
		change.Attr_set |= attributes[f]
	}
	h.inside(session, func() error { return unix.MountSetattr(unix.AT_FDCWD, target, 0, &change) })
}

func (h *hands) UnmountView(session string) { h.refused(unix.Unmount(h.layout.View(session), 0)) }

func (h *hands) UnmountBase(key string) {
	h.refused(unix.Unmount(h.layout.BaseMount(key), 0))
	h.refused(unix.Unmount(h.layout.Disk(object.BaseOwner(key)), 0))
}

func (h *hands) UnmountStore(session string) { h.refused(unix.Unmount(h.layout.Store(session), 0)) }

func (h *hands) ChangeLimit(session string, size int64) {
	path := h.layout.Layer(session)
	if _, err := os.Lstat(path); err == nil {
		must(h.t, quota.New(h.layout, nil).Amend(h.t.Context(), object.Object{Spec: object.Quota{Path: path, Size: size}}))
	}
}

func (h *hands) TearRecord(session string) { h.refused(os.Truncate(h.layout.Record(session), 0)) }

func (h *hands) LoseJournal(session string) { must(h.t, os.RemoveAll(h.layout.Journal(session))) }

func (h *hands) StandInView(session string) {
	view := h.layout.View(session)
	if table, err := mounttable.Host(); err != nil || len(mounttable.Below(table, view)) == 0 {
		must(h.t, err)
		return
	}
	c := exec.Command("sleep", "infinity")
	c.Dir = view
	must(h.t, c.Start())
	h.started = append(h.started, c)
}

func (h *hands) Leave() {
	for _, c := range h.started {
		must(h.t, c.Process.Kill())
		_ = c.Wait() // it was killed
	}
	h.started = nil
}
