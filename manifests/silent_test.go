package manifests

import (
	"os"
	"os/exec"
	"testing"

	"golang.org/x/sys/unix"
)

// TestASilentFileSystem watches a folder on a file system of FUSE whose files change
// behind the kernel's back, as those of NFS do.
func TestASilentFileSystem(t *testing.T) {
	if _, err := exec.LookPath("bindfs"); err != nil || os.Getuid() != 0 {
		t.Skip("needs bindfs and root")
	}
	from, at := t.TempDir(), t.TempDir()
	write(t, from+"/a.yaml", session("a", 1))
	run(t, "/", "bindfs", from, at)
	t.Cleanup(func() {
		if err := unix.Unmount(at, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	w := follow(t, at)
	w.has("a")
	if sum, _ := w.last.Summary(at); !sum.Polled {
		t.Error("it is not said to be polled")
	}
	write(t, from+"/b.yaml", session("b", 1))
	w.has("a b")
	must(t, os.Remove(from+"/a.yaml"))
	w.has("b")
}

func TestSilentFileSystems(t *testing.T) {
	for number, want := range map[int64]bool{
		unix.NFS_SUPER_MAGIC: true, unix.FUSE_SUPER_MAGIC: true, unix.SMB2_SUPER_MAGIC: true,
		unix.EXT4_SUPER_MAGIC: false, unix.TMPFS_MAGIC: false, unix.OVERLAYFS_SUPER_MAGIC: false, unix.BTRFS_SUPER_MAGIC: false,
	} {
		if got := isSilent(number); got != want {
			t.Errorf("%#x: %v, want %v", number, got, want)
		}
	}
}
