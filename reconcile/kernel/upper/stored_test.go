package upper_test

import (
	"os"
	"testing"

	"golang.org/x/sys/unix"

	"coppice.dev/reconcile/object"
)

// stored is a home whose upper lies in a store, which is a tmpfs here.
func stored(t *testing.T) (h *home, mount, unmount func()) {
	t.Helper()
	h = newHome(t)
	h.driver.Layout.Run = h.driver.Layout.State + "/run"
	l := h.driver.Layout
	h.spec(func(u *object.Upper) { u.Dir, u.Work = l.StoredUpper("s"), l.StoredWork("s") })
	must(t, os.WriteFile(l.StoreImage("s"), nil, 0o600))
	must(t, os.MkdirAll(l.Store("s"), 0o700))
	mount = func() { must(t, unix.Mount("upper-test", l.Store("s"), "tmpfs", 0, "")) }
	unmount = func() { must(t, unix.Unmount(l.Store("s"), unix.MNT_DETACH)) }
	t.Cleanup(func() { _ = unix.Unmount(l.Store("s"), unix.MNT_DETACH) })
	return h, mount, unmount
}

func TestInAStore(t *testing.T) {
	h, mount, unmount := stored(t)
	l := h.driver.Layout
	if seen := h.see(h.object); seen.Kind != "" {
		t.Errorf("nothing was made, and seen is %+v", seen)
	}
	if err := h.driver.Create(t.Context(), h.object, nil); err == nil || h.exists(l.StoredUpper("s")) {
		t.Errorf("made where the store is to be mounted: %v", err)
	}
	mount()
	h.create()
	written := l.StoredUpper("s") + "/written"
	must(t, os.WriteFile(written, nil, 0o600))
	whole := object.PrintOf(h.object.Spec)
	if seen := h.see(); seen.Print != whole || seen.Name != l.StoredUpper("s") {
		t.Errorf("mounted, and seen is %+v", seen)
	}
	// What is behind a mount that is not there is neither gone nor damaged.
	must(t, unix.Mount("upper-test", l.Store("s"), "tmpfs", 0, "")) // keeps the first alive
	unmount()
	unmount()
	if seen := h.see(); seen.Print != whole || seen.Damage != "" || seen.Note == "" {
		t.Errorf("unmounted, and seen is %+v", seen)
	}
	must(t, h.driver.Destroy(t.Context(), h.see()))
	if seen := h.see(h.object); seen.Kind != "" {
		t.Errorf("destroyed, and seen is %+v", seen)
	}
}

// What is taken away in a store stays in it until there is time to remove it.
func TestTakenAwayInAStore(t *testing.T) {
	h, mount, _ := stored(t)
	l := h.driver.Layout
	mount()
	for range 2 {
		h.create()
		must(t, os.MkdirAll(l.StoredUpper("s")+"/deep/er", 0o700))
		must(t, os.Mkdir(l.StoredWork("s")+"/work", 0o000))
		must(t, h.driver.Destroy(t.Context(), h.see()))
		if seen := h.see(h.object); seen.Kind != "" || h.exists(l.StoredWork("s")) {
			t.Errorf("destroyed, and seen is %+v", seen)
		}
	}
	h.create()
	left, err := os.ReadDir(l.Store("s"))
	if err != nil || len(left) != 2 {
		t.Errorf("in the store are %v, %v; want the upper and its work folder alone", left, err)
	}
}

// In a folder with a quota, what is taken away stays in that until there is time.
func TestInAFolderWithAQuota(t *testing.T) {
	h := newHome(t)
	l := h.driver.Layout
	h.spec(func(u *object.Upper) { u.Dir, u.Work = l.LayerUpper("s"), l.LayerWork("s") })
	if err := h.driver.Create(t.Context(), h.object, nil); err == nil || h.exists(l.Layer("s")) {
		t.Errorf("made without the folder: %v", err)
	}
	// A crash left it half made.
	must(t, os.MkdirAll(l.LayerUpper("s")+".new", 0o700))
	must(t, os.MkdirAll(l.LayerWork("s")+"/work", 0o700))
	for range 2 {
		h.create()
		if seen := h.see(); seen.Print != object.PrintOf(h.object.Spec) || seen.Name != l.LayerUpper("s") || h.exists(l.Layer("s")+"/gone") {
			t.Errorf("seen %+v", seen)
		}
		must(t, os.MkdirAll(l.LayerUpper("s")+"/deep/er", 0o700))
		must(t, h.driver.Destroy(t.Context(), h.see()))
		if seen := h.see(h.object); seen.Kind != "" || h.exists(l.LayerWork("s")) || h.exists(l.Trash()) {
			t.Errorf("destroyed, and seen is %+v", seen)
		}
	}
	h.create()
	left, err := os.ReadDir(l.Layer("s"))
	if err != nil || len(left) != 2 {
		t.Errorf("in the folder are %v, %v; want the upper and its work folder alone", left, err)
	}
}
