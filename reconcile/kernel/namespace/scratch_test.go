package namespace

import (
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"coppice.dev/reconcile/object"
)

// The way of older kernels, on whatever kernel this is: an upper on a tmpfs that
// is attached for a moment.
func TestUpperOnScratch(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs root")
	}
	base := t.TempDir()
	scratch := base + "/scratch"
	for _, dir := range []string{base + "/lower", base + "/root", scratch + "/upper-left"} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	// A crash left one attached.
	if err := unix.Mount("left", scratch+"/upper-left", "tmpfs", 0, ""); err != nil {
		t.Fatal(err)
	}
	if err := clearScratch(scratch); err != nil {
		t.Fatal(err)
	}
	layers, err := openLayers([]object.Layer{{Path: base + "/lower"}})
	if err != nil {
		t.Fatal(err)
	}
	defer closeAll(layers)
	memory, err := memoryLayer(1<<20, layers[0], "label")
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(memory)
	mount, err := onScratch(scratch, memory, func(path string) (int, error) {
		return union(object.Namespace{Memory: true}, layers, "label", filepath.Join(path, "upper"), filepath.Join(path, "work"))
	})
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(mount)
	if err := unix.MoveMount(mount, "", unix.AT_FDCWD, base+"/root", unix.MOVE_MOUNT_F_EMPTY_PATH); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(base+"/root", unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	if err := os.WriteFile(base+"/root/written", nil, 0o644); err != nil {
		t.Error(err)
	}
	if left, err := os.ReadDir(scratch); err != nil || len(left) > 0 {
		t.Errorf("left on scratch: %v, %v", left, err)
	}
}
