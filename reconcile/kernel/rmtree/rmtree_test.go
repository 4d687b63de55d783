package rmtree_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"coppice.dev/reconcile/fault"
	"coppice.dev/reconcile/kernel/rmtree"
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func write(t *testing.T, path string) {
	t.Helper()
	must(t, os.MkdirAll(filepath.Dir(path), 0o755))
	must(t, os.WriteFile(path, []byte("x"), 0o644))
}

func gone(t *testing.T, path string) {
	t.Helper()
	if _, err := os.Lstat(path); !os.IsNotExist(err) {
		t.Errorf("%s is still there: %v", path, err)
	}
}

func TestRemove(t *testing.T) {
	base := t.TempDir()
	victim := filepath.Join(base, "victim/file")
	write(t, victim)
	tree := filepath.Join(base, "tree")
	write(t, tree+"/a/b/c")
	must(t, os.Symlink(filepath.Dir(victim), tree+"/link"))
	must(t, os.Symlink("/", tree+"/a/root"))
	must(t, unix.Mkfifo(tree+"/fifo", 0o644))
	must(t, os.Mkdir(tree+"/closed", 0))
	for i := range 600 { // more than is read at once
		write(t, filepath.Join(tree, "many", strings.Repeat("n", i%100+1)+string(rune('a'+i/100))))
	}
	for range 2 { // of the absent: no error
		must(t, rmtree.Remove(t.Context(), base, "tree"))
	}
	gone(t, tree)
	if _, err := os.Stat(victim); err != nil {
		t.Errorf("followed a link: %v", err)
	}
}

func TestDeepTree(t *testing.T) {
	base := t.TempDir()
	folder, err := os.Open(base)
	must(t, err)
	for range 5000 { // far beyond PATH_MAX
		must(t, unix.Mkdirat(int(folder.Fd()), "d", 0o755))
		fd, err := unix.Openat(int(folder.Fd()), "d", unix.O_RDONLY|unix.O_CLOEXEC, 0)
		must(t, err)
		folder.Close()
		folder = os.NewFile(uintptr(fd), "d")
	}
	folder.Close()
	must(t, rmtree.Remove(t.Context(), base, "d"))
	gone(t, base+"/d")
}

func TestMountsAreNeverCrossed(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs root")
	}
	base := t.TempDir()
	victim := filepath.Join(base, "home/precious")
	write(t, victim)
	for _, at := range []string{"tree", "tree/a/mnt"} {
		point := filepath.Join(base, at)
		must(t, os.MkdirAll(point, 0o755))
		write(t, base+"/tree/other")
		must(t, unix.Mount(filepath.Dir(victim), point, "", unix.MS_BIND, ""))
		unmount := func() { _ = unix.Unmount(point, unix.MNT_DETACH) } // twice at the end
		t.Cleanup(unmount)
		err := rmtree.Remove(t.Context(), base, "tree")
		if fault.ReasonOf(err) != fault.Busy || !strings.Contains(err.Error(), "umount "+point) {
			t.Errorf("mount at %s: error %v", at, err)
		}
		if _, err := os.Stat(victim); err != nil {
			t.Fatalf("crossed the mount at %s: %v", at, err)
		}
		unmount()
		must(t, rmtree.Remove(t.Context(), base, "tree"))
		gone(t, base+"/tree")
	}
}

func TestMarkedFiles(t *testing.T) {
	base := t.TempDir()
	write(t, base+"/tree/dir/file")
	for _, mark := range [][]string{{"+i", base + "/tree/dir/file"}, {"+a", base + "/tree/dir"}} {
		if out, err := exec.Command("chattr", mark...).CombinedOutput(); err != nil {
			t.Fatalf("chattr: %v: %s", err, out)
		}
	}
	must(t, rmtree.Remove(t.Context(), base, "tree"))
	gone(t, base+"/tree")
}

func TestEmptyGoesOn(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs root")
	}
	trash := t.TempDir()
	write(t, trash+"/a/x")
	write(t, trash+"/c/x")
	must(t, os.MkdirAll(trash+"/b/mnt", 0o755))
	must(t, unix.Mount("t", trash+"/b/mnt", "tmpfs", 0, ""))
	t.Cleanup(func() { must(t, unix.Unmount(trash+"/b/mnt", 0)) })
	if err := rmtree.Empty(t.Context(), trash); err == nil || !strings.Contains(err.Error(), "/b/mnt") {
		t.Errorf("error %v", err)
	}
	gone(t, trash+"/a")
	gone(t, trash+"/c")
	must(t, rmtree.Empty(t.Context(), trash+"/none"))
}
