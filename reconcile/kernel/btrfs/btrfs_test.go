package btrfs_test

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"coppice.dev/reconcile/fault"
	"coppice.dev/reconcile/kernel/btrfs"
	"coppice.dev/reconcile/kernel/rmtree"
	"coppice.dev/reconcile/layout"
	"coppice.dev/reconcile/object"
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func run(t *testing.T, name string, args ...string) {
	t.Helper()
	if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s %s: %v: %s", name, strings.Join(args, " "), err, out)
	}
}

// world is a btrfs with a subvolume, and a session's home elsewhere.
func world(t *testing.T) (btrfs.Driver, object.Object, string) {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("needs root")
	}
	dir := t.TempDir()
	disk := dir + "/disk"
	must(t, os.Mkdir(disk, 0o755))
	must(t, os.WriteFile(dir+"/image", nil, 0o600))
	must(t, os.Truncate(dir+"/image", 128<<20))
	run(t, "mkfs.btrfs", "-q", dir+"/image")
	run(t, "mount", "-o", "loop", dir+"/image", disk)
	t.Cleanup(func() { run(t, "umount", disk) })
	run(t, "btrfs", "-q", "subvolume", "create", disk+"/root")
	must(t, os.WriteFile(disk+"/root/hello", nil, 0o644))
	d := btrfs.Driver{Layout: layout.Layout{State: dir + "/state", Run: dir + "/run"}, Remove: rmtree.Remove}
	must(t, os.MkdirAll(d.Layout.Home("s"), 0o755))
	return d, object.Object{
		ID: object.ID{Owner: object.SessionOwner("s"), Address: object.At(object.GroupDevice, "snapshot")},
		Spec: object.Snapshot{
			Subvolume: disk + "/root", Path: disk + "/.coppice-snapshots/s.uid", Link: d.Layout.SnapshotLink("s"),
		},
	}, disk
}

func observe(t *testing.T, d btrfs.Driver, o object.Object) []object.Observed {
	t.Helper()
	seen, err := d.Observe(t.Context(), o.Owner, []object.Object{o})
	must(t, err)
	return seen
}

func gone(t *testing.T, path string) {
	t.Helper()
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%s is still there: %v", path, err)
	}
}

func TestMadeAndUnmade(t *testing.T) {
	d, o, disk := world(t)
	spec := o.Spec.(object.Snapshot)
	must(t, d.Create(t.Context(), o, nil))
	if _, err := os.Stat(spec.Path + "/hello"); err != nil {
		t.Error(err)
	}
	seen := observe(t, d, o)
	if len(seen) != 1 || seen[0].Damage != "" || seen[0].Print != object.PrintOf(spec) {
		t.Fatalf("seen %+v", seen)
	}
	must(t, d.Destroy(t.Context(), seen[0]))
	must(t, d.Destroy(t.Context(), seen[0]))
	gone(t, spec.Path)
	gone(t, spec.Link)
	gone(t, disk+"/.coppice-snapshots")
	if _, err := os.Stat(disk + "/root/hello"); err != nil {
		t.Errorf("the subvolume itself: %v", err)
	}
}

// Subvolumes made inside a session, read-only ones and ones in others, go with it.
func TestNestedSubvolumes(t *testing.T) {
	d, o, _ := world(t)
	at := o.Spec.(object.Snapshot).Path
	must(t, d.Create(t.Context(), o, nil))
	run(t, "btrfs", "-q", "subvolume", "create", at+"/a")
	must(t, os.MkdirAll(at+"/a/deep/er", 0o755))
	run(t, "btrfs", "-q", "subvolume", "create", at+"/a/deep/er/b")
	must(t, os.WriteFile(at+"/a/deep/er/b/file", nil, 0o644))
	run(t, "btrfs", "-q", "subvolume", "snapshot", "-r", at+"/a/deep/er/b", at+"/readonly")
	run(t, "btrfs", "property", "set", at+"/a", "ro", "true")
	must(t, d.Destroy(t.Context(), observe(t, d, o)[0]))
	gone(t, at)
}

// A folder that the manifest names for snapshots is the user's.
func TestTheUsersFolderStays(t *testing.T) {
	d, o, disk := world(t)
	must(t, os.Mkdir(disk+"/mine", 0o750))
	spec := o.Spec.(object.Snapshot)
	spec.Path = disk + "/mine/s.uid"
	o.Spec = spec
	must(t, d.Create(t.Context(), o, nil))
	must(t, d.Destroy(t.Context(), observe(t, d, o)[0]))
	if _, err := os.Stat(disk + "/mine"); err != nil {
		t.Errorf("took the user's folder away: %v", err)
	}
}

// A crash after the folder of snapshots went and before the link did.
func TestCrashBeforeTheLinkGoes(t *testing.T) {
	d, o, disk := world(t)
	spec := o.Spec.(object.Snapshot)
	must(t, d.Create(t.Context(), o, nil))
	must(t, d.Destroy(t.Context(), observe(t, d, o)[0]))
	must(t, os.Symlink(spec.Path, spec.Link)) // what the crash left
	gone(t, disk+"/.coppice-snapshots")
	seen, err := d.Observe(t.Context(), o.Owner, []object.Object{o})
	if err != nil {
		t.Fatalf("blind for good: %v", err)
	}
	for _, s := range seen {
		must(t, d.Destroy(t.Context(), s))
	}
	must(t, d.Create(t.Context(), o, nil))
	must(t, d.Destroy(t.Context(), observe(t, d, o)[0]))
}

// The link was not on disk yet when the power went; the home's record was.
func TestFoundWithoutTheLink(t *testing.T) {
	d, o, _ := world(t)
	spec := o.Spec.(object.Snapshot)
	must(t, d.Create(t.Context(), o, nil))
	must(t, os.Remove(spec.Link))
	seen := observe(t, d, o)
	if len(seen) != 1 {
		t.Fatalf("a snapshot that the home remembers is not seen: %+v", seen)
	}
	must(t, d.Destroy(t.Context(), seen[0]))
	gone(t, spec.Path)
}

func TestMountInsideStays(t *testing.T) {
	d, o, _ := world(t)
	at := o.Spec.(object.Snapshot).Path
	must(t, d.Create(t.Context(), o, nil))
	must(t, os.Mkdir(at+"/mnt", 0o755))
	must(t, unix.Mount("t", at+"/mnt", "tmpfs", 0, ""))
	t.Cleanup(func() { _ = unix.Unmount(at+"/mnt", unix.MNT_DETACH) })
	if err := d.Destroy(t.Context(), observe(t, d, o)[0]); fault.ReasonOf(err) != fault.Busy {
		t.Errorf("error %v", err)
	}
	must(t, unix.Unmount(at+"/mnt", 0))
	must(t, d.Destroy(t.Context(), observe(t, d, o)[0]))
	gone(t, at)
}

// Where the file system of a snapshot is not mounted, nothing is known of it.
func TestNotMountedIsBlindness(t *testing.T) {
	d, o, _ := world(t)
	spec := o.Spec.(object.Snapshot)
	must(t, os.Symlink(filepath.Dir(spec.Link)+"/elsewhere/.coppice-snapshots/s.uid", spec.Link))
	if seen, err := d.Observe(t.Context(), o.Owner, nil); err == nil {
		t.Errorf("seen %+v", seen)
	}
}

func TestWords(t *testing.T) {
	for name, row := range map[string]struct {
		change func(*object.Snapshot, string)
		reason fault.Reason
	}{
		"missing":          {func(s *object.Snapshot, _ string) { s.Subvolume += "no" }, fault.SourceMissing},
		"a folder":         {func(s *object.Snapshot, disk string) { os.Mkdir(disk+"/f", 0o755); s.Subvolume = disk + "/f" }, fault.WrongFileSystem},
		"elsewhere":        {func(s *object.Snapshot, _ string) { s.Subvolume = filepath.Dir(s.Link) }, fault.WrongFileSystem},
		"to another place": {func(s *object.Snapshot, _ string) { s.Path = filepath.Dir(s.Link) + "/x/s.uid" }, fault.WrongFileSystem},
	} {
		t.Run(name, func(t *testing.T) {
			d, o, disk := world(t)
			spec := o.Spec.(object.Snapshot)
			row.change(&spec, disk)
			o.Spec = spec
			if err := d.Create(t.Context(), o, nil); fault.ReasonOf(err) != row.reason {
				t.Errorf("error %v", err)
			}
			for _, s := range observe(t, d, o) { // the next round clears away
				must(t, d.Destroy(t.Context(), s))
			}
		})
	}
}
