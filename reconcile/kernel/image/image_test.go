package image_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"coppice.dev/reconcile/fault"
	"coppice.dev/reconcile/kernel/image"
	"coppice.dev/reconcile/layout"
	"coppice.dev/reconcile/object"
)

const controller = "0badc0de"

func newDriver(t *testing.T) image.Driver {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("needs root")
	}
	dir := t.TempDir()
	d := image.Driver{Layout: layout.Layout{State: dir + "/state", Run: dir + "/run"}, Controller: controller}
	t.Cleanup(func() { // whatever a failed test leaves mounted
		entries, _ := os.ReadDir(d.Layout.BaseMounts())
		for _, e := range entries {
			var err error
			for err == nil {
				err = unix.Unmount(d.Layout.BaseMount(e.Name()), unix.MNT_DETACH)
			}
		}
	})
	return d
}

func run(t *testing.T, name string, args ...string) {
	t.Helper()
	if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s %s: %v: %s", name, strings.Join(args, " "), err, out)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// disk makes an image of the type with the file "hello" in it.
func disk(t *testing.T, fsType string) string {
	t.Helper()
	dir := t.TempDir()
	file, root := filepath.Join(dir, "image"), filepath.Join(dir, "root")
	must(t, os.MkdirAll(root+"/mnt", 0o755))
	must(t, os.WriteFile(root+"/hello", []byte(fsType), 0o644))
	sized := func(size int64) {
		must(t, os.WriteFile(file, nil, 0o644))
		must(t, os.Truncate(file, size))
	}
	switch fsType {
	case "ext4":
		sized(16 << 20)
		run(t, "mkfs.ext4", "-q", "-d", root, file)
	case "xfs":
		sized(320 << 20)
		proto := dir + "/proto"
		must(t, os.WriteFile(proto, []byte("/\n0 0\nd--755 0 0\nhello ---644 0 0 "+root+"/hello\n$\n"), 0o644))
		run(t, "mkfs.xfs", "-q", "-p", proto, file)
	case "btrfs":
		sized(128 << 20)
		run(t, "mkfs.btrfs", "-q", "--rootdir", root, file)
	case "squashfs":
		run(t, "mksquashfs", root, file, "-quiet", "-no-progress")
	case "erofs":
		run(t, "mkfs.erofs", file, root)
	}
	return file
}

func identity(t *testing.T, file string) object.FileIdentity {
	t.Helper()
	var st unix.Stat_t
	must(t, unix.Stat(file, &st))
	return object.FileIdentity{Device: st.Dev, Inode: st.Ino, Size: st.Size, ModTime: st.Mtim.Nano()}
}

func wanted(t *testing.T, d image.Driver, key, file, fsType string, change ...func(*object.Image)) object.Object {
	t.Helper()
	spec := object.Image{File: file, FSType: fsType, ReadOnly: true, Contents: identity(t, file), Path: d.Layout.BaseMount(key)}
	for _, c := range change {
		c(&spec)
	}
	if !spec.ReadOnly {
		spec.Contents.Size, spec.Contents.ModTime = 0, 0
	}
	return object.Object{ID: object.ID{Owner: object.BaseOwner(key), Address: object.At(object.GroupDevice, "image")}, Spec: spec}
}

func writable(i *object.Image) { i.ReadOnly = false }

func observe(t *testing.T, d image.Driver, key string) []object.Observed {
	t.Helper()
	seen, err := d.Observe(t.Context(), object.BaseOwner(key), nil)
	must(t, err)
	return seen
}

// devices returns how many loop devices hold the file.
func devices(t *testing.T, file string) int {
	t.Helper()
	var st unix.Stat_t
	must(t, unix.Stat(file, &st))
	nodes, err := filepath.Glob("/sys/block/loop*/loop/backing_file")
	must(t, err)
	count := 0
	for _, n := range nodes {
		dev, err := os.OpenFile("/dev/"+strings.Split(n, "/")[3], os.O_RDONLY, 0)
		if err != nil {
			continue
		}
		if info, err := unix.IoctlLoopGetStatus64(int(dev.Fd())); err == nil && info.Inode == st.Ino && info.Device == st.Dev {
			count++
		}
		dev.Close()
	}
	return count
}

func TestEveryFileSystem(t *testing.T) {
	for _, fsType := range []string{"ext4", "xfs", "btrfs", "squashfs", "erofs"} {
		t.Run(fsType, func(t *testing.T) {
			d := newDriver(t)
			file := disk(t, fsType)
			o := wanted(t, d, "aaaaaaaaaaaa", file, fsType)
			must(t, d.Create(t.Context(), o, nil))
			if text, err := os.ReadFile(d.Layout.BaseMount("aaaaaaaaaaaa") + "/hello"); err != nil || string(text) != fsType {
				t.Errorf("read %q: %v", text, err)
			}
			if err := os.WriteFile(d.Layout.BaseMount("aaaaaaaaaaaa")+"/x", nil, 0o644); !errors.Is(err, unix.EROFS) {
				t.Errorf("a read-only image was written to: %v", err)
			}
			seen := observe(t, d, "aaaaaaaaaaaa")
			if len(seen) != 1 || seen[0].Damage != "" || seen[0].Print != object.PrintOf(o.Spec) {
				t.Fatalf("seen %+v", seen)
			}
			must(t, os.Remove(file)) // a deleted file must not matter
			must(t, d.Destroy(t.Context(), seen[0]))
			if seen := observe(t, d, "aaaaaaaaaaaa"); len(seen) != 0 {
				t.Errorf("left %+v", seen)
			}
			must(t, d.Destroy(t.Context(), seen[0])) // of the absent
		})
	}
}

func TestCopiesOfOneImage(t *testing.T) {
	for _, fsType := range []string{"ext4", "xfs", "btrfs"} {
		t.Run(fsType, func(t *testing.T) {
			d := newDriver(t)
			file := disk(t, fsType)
			twin := file + ".twin"
			run(t, "cp", "--sparse=always", file, twin)
			a, b := wanted(t, d, "aaaaaaaaaaaa", file, fsType), wanted(t, d, "bbbbbbbbbbbb", twin, fsType)
			must(t, d.Create(t.Context(), a, nil))
			if err := d.Create(t.Context(), b, nil); fsType == "btrfs" && fault.ReasonOf(err) == fault.SourceHeld && strings.Contains(err.Error(), "btrfstune -u") {
				t.Logf("a kernel before 6.7: %v", err)
				must(t, d.Destroy(t.Context(), observe(t, d, "aaaaaaaaaaaa")[0]))
				return
			} else if err != nil {
				t.Fatal(err)
			}
			for _, key := range []string{"aaaaaaaaaaaa", "bbbbbbbbbbbb"} {
				seen := observe(t, d, key)
				if len(seen) != 1 || seen[0].Damage != "" {
					t.Fatalf("seen %+v", seen)
				}
				must(t, d.Destroy(t.Context(), seen[0]))
			}
		})
	}
}

func TestOthersRaceForDevices(t *testing.T) {
	d := newDriver(t)
	file := disk(t, "squashfs")
	var group sync.WaitGroup
	failed := make([]error, 8)
	for i := range failed {
		o := wanted(t, d, fmt.Sprintf("%012x", i), file, "squashfs")
		group.Go(func() {
			for range 4 {
				if failed[i] = d.Create(t.Context(), o, nil); failed[i] != nil {
					return
				}
				if failed[i] = d.Destroy(t.Context(), object.Observed{ID: o.ID, Kind: object.KindImage}); failed[i] != nil {
					return
				}
			}
		})
	}
	group.Wait()
	must(t, errors.Join(failed...))
	if n := devices(t, file); n != 0 {
		t.Errorf("%d devices left", n)
	}
}

// A session that is mounted from a writable image keeps its file system when the
// base's own mount is taken away. A second device on the same file would be a
// second file system on the same blocks: each would overwrite the other's.
func TestWritableImageIsNeverAttachedTwice(t *testing.T) {
	d := newDriver(t)
	file := disk(t, "ext4")
	o := wanted(t, d, "aaaaaaaaaaaa", file, "ext4", writable)
	must(t, d.Create(t.Context(), o, nil))
	kept, err := unix.OpenTree(unix.AT_FDCWD, d.Layout.BaseMount("aaaaaaaaaaaa"), unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC)
	must(t, err)
	// What a session's namespace does.
	must(t, unix.Unmount(d.Layout.BaseMount("aaaaaaaaaaaa"), 0))
	for _, s := range observe(t, d, "aaaaaaaaaaaa") {
		if s.Damage == "" {
			t.Fatalf("an image without its mount looks whole: %+v", s)
		}
		_ = d.Destroy(t.Context(), s)
	}
	must(t, d.Create(t.Context(), o, nil))
	if n := devices(t, file); n != 1 {
		t.Errorf("a writable image is attached to %d devices", n)
	}
	seen := observe(t, d, "aaaaaaaaaaaa")
	if len(seen) != 1 || seen[0].Damage != "" {
		t.Errorf("not mended: %+v", seen)
	}
	must(t, unix.Close(kept))
	must(t, d.Destroy(t.Context(), seen[0]))
	if n := devices(t, file); n != 0 {
		t.Errorf("%d devices left", n)
	}
}

func TestImageThatSomebodyElseWritesTo(t *testing.T) {
	d := newDriver(t)
	file := disk(t, "ext4")
	must(t, os.Mkdir(d.Layout.State, 0o755))
	run(t, "mount", "-o", "loop", file, d.Layout.State)
	defer run(t, "umount", d.Layout.State)
	err := d.Create(t.Context(), wanted(t, d, "aaaaaaaaaaaa", file, "ext4", writable), nil)
	if fault.ReasonOf(err) != fault.SourceHeld {
		t.Errorf("mounted a second time for writing: %v", err)
	}
}

func TestForeignMountIsNeverTakenAway(t *testing.T) {
	d := newDriver(t)
	file := disk(t, "squashfs")
	o := wanted(t, d, "aaaaaaaaaaaa", file, "squashfs")
	must(t, d.Create(t.Context(), o, nil))
	seen := observe(t, d, "aaaaaaaaaaaa")
	path := d.Layout.BaseMount("aaaaaaaaaaaa")
	must(t, unix.Mount("somebody", path, "tmpfs", 0, ""))
	must(t, os.WriteFile(path+"/precious", nil, 0o644))
	err := d.Destroy(t.Context(), seen[0])
	if _, statErr := os.Stat(path + "/precious"); statErr != nil {
		t.Errorf("took somebody's mount away (destroy: %v)", err)
	}
}

func TestLookAlikesSurvive(t *testing.T) {
	d := newDriver(t)
	other := d
	other.Controller = "12345678"
	other.Layout.Run = t.TempDir()
	file := disk(t, "squashfs")
	o := wanted(t, other, "aaaaaaaaaaaa", file, "squashfs")
	must(t, other.Create(t.Context(), o, nil))
	defer func() { must(t, other.Destroy(t.Context(), object.Observed{ID: o.ID})) }()
	owners, err := d.Owners(t.Context())
	must(t, err)
	if len(owners) != 0 {
		t.Errorf("took for ours: %v", owners)
	}
	if seen := observe(t, d, "aaaaaaaaaaaa"); len(seen) != 0 {
		t.Errorf("took for ours: %+v", seen)
	}
}

func TestBusy(t *testing.T) {
	d := newDriver(t)
	o := wanted(t, d, "aaaaaaaaaaaa", disk(t, "squashfs"), "squashfs")
	must(t, d.Create(t.Context(), o, nil))
	cmd := exec.Command("sleep", "60")
	cmd.Dir = o.Spec.(object.Image).Path
	must(t, cmd.Start())
	err := d.Destroy(t.Context(), observe(t, d, "aaaaaaaaaaaa")[0])
	if f, is := errors.AsType[*fault.Fault](err); !is || f.Reason != fault.Busy || len(f.Holders) == 0 || f.Holders[0].PID != cmd.Process.Pid {
		t.Errorf("error %v", err)
	}
	must(t, cmd.Process.Kill())
	_ = cmd.Wait()
	must(t, d.Destroy(t.Context(), observe(t, d, "aaaaaaaaaaaa")[0]))
}

func TestWords(t *testing.T) {
	squash := func(t *testing.T) string { return disk(t, "squashfs") }
	for _, row := range []struct {
		name   string
		file   func(t *testing.T) string
		fsType string
		change func(*object.Image)
		reason fault.Reason
		words  string
	}{
		{"missing", squash, "squashfs", func(i *object.Image) { i.File += ".no" }, fault.SourceMissing, "put the image there"},
		{"changed since", squash, "squashfs", func(i *object.Image) { i.Contents.ModTime++ }, fault.SourceUnusable, "another file"},
		{"another file system", squash, "ext4", func(*object.Image) {}, fault.WrongFileSystem, "it holds squashfs"},
		{"unknown option", squash, "squashfs", func(i *object.Image) { i.Options = []string{"nonsense"} }, fault.WrongFileSystem, "nonsense"},
		{"no such file system", squash, "coppicefs", func(*object.Image) {}, fault.KernelTooOld, "modprobe coppicefs"},
		{"dirty journal", dirty, "ext4", func(*object.Image) {}, fault.WrongFileSystem, "noload"},
	} {
		t.Run(row.name, func(t *testing.T) {
			d := newDriver(t)
			file := row.file(t)
			err := d.Create(t.Context(), wanted(t, d, "aaaaaaaaaaaa", file, row.fsType, row.change), nil)
			if fault.ReasonOf(err) != row.reason || !strings.Contains(err.Error(), row.words) {
				t.Errorf("reason %s, error %v", fault.ReasonOf(err), err)
			}
			if _, err := os.Stat(d.Layout.BaseMount("aaaaaaaaaaaa")); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("left a mount point: %v", err)
			}
			if n := devices(t, file); n != 0 {
				t.Errorf("left %d devices", n)
			}
		})
	}
}

// dirty returns a copy of an image that was taken while it was mounted.
func dirty(t *testing.T) string {
	file := disk(t, "ext4")
	at := t.TempDir()
	run(t, "mount", "-o", "loop", file, at)
	must(t, os.WriteFile(at+"/new", []byte("x"), 0o644))
	unix.Sync()
	run(t, "cp", file, file+".copy")
	run(t, "umount", at)
	return file + ".copy"
}

func TestPlainOptions(t *testing.T) {
	for _, option := range []string{"noatime", "relatime", "strictatime", "nodev", "nosuid", "noexec", "nosymfollow", "defaults", "rw", "ro", "lazytime", "errors=continue"} {
		t.Run(option, func(t *testing.T) {
			d := newDriver(t)
			o := wanted(t, d, "aaaaaaaaaaaa", disk(t, "ext4"), "ext4", func(i *object.Image) { i.Options = []string{option} })
			must(t, d.Create(t.Context(), o, nil))
			must(t, d.Destroy(t.Context(), object.Observed{ID: o.ID}))
		})
	}
}
