package layout_test

import (
	"path/filepath"
	"strings"
	"testing"

	"coppice.dev/reconcile/layout"
	"coppice.dev/reconcile/object"
)

func TestPinNames(t *testing.T) {
	l := layout.Layout{State: "/state", Run: "/run"}
	print := object.PrintOf(object.Namespace{})
	name := strings.Repeat("n", 63)
	pin := l.Pin(name, print, "0011")
	if filepath.Dir(pin) != l.PinFolder(name) || filepath.Dir(l.PinFolder(name)) != l.Pins() {
		t.Errorf("pin %s is not in a folder below %s", pin, l.Pins())
	}
	gotPrint, instance, ok := layout.ParsePin(filepath.Base(pin))
	if !ok || gotPrint != print || instance != "0011" {
		t.Errorf("pin %s read as %v, %s, %t", pin, gotPrint, instance, ok)
	}
	for _, foreign := range []string{"", "build", "x.y.z", "build." + print.String() + ".1", print.String(), print.String() + ".", print.String() + ".1.2"} {
		if _, _, ok := layout.ParsePin(foreign); ok {
			t.Errorf("%q was taken for a pin", foreign)
		}
	}
}

func TestDiskNames(t *testing.T) {
	l := layout.Layout{State: "/state", Run: "/run"}
	for _, o := range []object.Owner{object.SessionOwner("a-b"), object.SessionOwner("note"), object.BaseOwner("0123456789ab")} {
		for _, path := range []string{l.Disk(o), l.DiskNote(o)} {
			if got, ok := layout.ParseDisk(filepath.Base(path)); !ok || got != o || filepath.Dir(path) != l.Disks() {
				t.Errorf("%s read as %v, %t", path, got, ok)
			}
		}
	}
	for _, foreign := range []string{"", "mine", "session", "session.", ".a", "base.mine", "session.a.b", "other.a", "note.note.session.a", "note"} {
		if o, ok := layout.ParseDisk(foreign); ok {
			t.Errorf("%q was taken for that of %s", foreign, o)
		}
	}
}

func TestIsBase(t *testing.T) {
	for name, want := range map[string]bool{
		"0123456789ab": true, "": false, "0123456789abc": false, "0123456789AB": false, "lost+found": false, "lost+found12": false,
	} {
		if layout.IsBase(name) != want {
			t.Errorf("%q: %t", name, !want)
		}
	}
}
