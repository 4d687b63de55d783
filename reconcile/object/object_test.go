package object_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"coppice.dev/reconcile/object"
)

// one of each kind, with every field that matters set.
var specimens = []object.Spec{
	object.Home{Admitted: json.RawMessage(`{"a":1}`)},
	object.Image{File: "/i", FSType: "ext4", Offset: 512, Options: []string{"noatime"}, Path: "/m"},
	object.Snapshot{Subvolume: "/s", Path: "/p", Link: "/l"},
	object.Tree{Archive: "/a", Path: "/p", Contents: object.FileIdentity{Inode: 7}},
	object.Upper{Dir: "/u", Work: "/w", Model: object.Layer{Path: "/m"}, Volatile: true},
	object.Namespace{Type: object.RootOverlay, Layers: []object.Layer{{Path: "/l"}}, Upper: "/u"},
	object.Mount{Type: "tmpfs", Target: "/tmp", Flags: []string{"ro"}, Size: 4096},
	object.Processes{Grace: time.Second},
	object.View{Path: "/v", Tree: true},
	object.File{Source: "/etc/hosts", Target: "/etc/hosts"},
	object.Hook{Name: "h", Command: []string{"true"}, Undo: []string{"false"}, Timeout: time.Second},
}

func TestObjectsSurviveTheirJSONForm(t *testing.T) {
	for _, s := range specimens {
		o := object.Object{ID: object.ID{Owner: object.SessionOwner("s"), Address: object.At(object.GroupTask, "x")}, Spec: s}
		text, err := json.Marshal(o)
		if err != nil {
			t.Fatal(err)
		}
		var again object.Object
		if err := json.Unmarshal(text, &again); err != nil {
			t.Fatalf("%s: %v", s.Kind(), err)
		}
		if diff := cmp.Diff(o, again); diff != "" {
			t.Errorf("%s (-before +after):\n%s", s.Kind(), diff)
		}
		if object.PrintOf(again.Spec) != object.PrintOf(s) {
			t.Errorf("%s: another print after its JSON form", s.Kind())
		}
	}
}

func TestObjectOfUnknownKindIsRefused(t *testing.T) {
	var o object.Object
	if err := json.Unmarshal([]byte(`{"owner":"session/s","address":"4-root/x","kind":"Portal","spec":{}}`), &o); err == nil {
		t.Error("read without an error")
	}
}

func TestPrintTellsWhatCanBeAmended(t *testing.T) {
	mount := object.Mount{Type: "tmpfs", Target: "/tmp"}
	larger, other := mount, mount
	larger.Size = 4096
	other.Type = "shm"
	print := object.PrintOf(mount)
	if p := object.PrintOf(larger); p.Identity != print.Identity || p.Whole == print.Whole {
		t.Errorf("a size must change the whole and not the identity: %v, %v", print, p)
	}
	if p := object.PrintOf(other); p.Identity == print.Identity {
		t.Errorf("a type must change the identity: %v, %v", print, p)
	}
	if object.PrintOf(object.View{Path: "/x"}) == object.PrintOf(object.Upper{}) {
		t.Error("two kinds with one print")
	}
}

func TestAddressesGiveTheOrderOfMaking(t *testing.T) {
	want := []object.Address{
		"0-home/home", "1-device/image", "2-layer/tree", "3-write/upper", "4-root/namespace",
		"5-mounts/dev", "5-mounts/dev/pts", "5-mounts/proc", "6-inside/processes", "7-view/root", "8-task/1-file/etc/hosts",
	}
	got := []object.Address{
		object.At(object.GroupTask, "1-file/etc/hosts"), object.At(object.GroupMounts, "/dev/pts"), object.At(object.GroupMounts, "/proc"),
		object.At(object.GroupView, "root"), object.At(object.GroupHome, "home"), object.At(object.GroupMounts, "/dev"),
		object.At(object.GroupLayer, "tree"), object.At(object.GroupInside, "processes"), object.At(object.GroupRoot, "namespace"),
		object.At(object.GroupWrite, "upper"), object.At(object.GroupDevice, "image"),
	}
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("order (-want +got):\n%s", diff)
	}
	for i, a := range want {
		if a.Group() < 0 || i > 0 && a.Group() < want[i-1].Group() {
			t.Errorf("group of %s is %d", a, a.Group())
		}
	}
	if object.Address("x/y").Group() != -1 {
		t.Error("an address of no group has one")
	}
	if !want[6].Below(want[5]) || want[5].Below(want[6]) || object.Address("5-mounts/devices").Below(want[5]) {
		t.Error("below is not by path")
	}
}

func TestLabel(t *testing.T) {
	long := object.Label{Controller: "0123abcd", Owner: object.SessionOwner(strings.Repeat("n", 63)), Print: object.PrintOf(object.Mount{})}
	base := object.Label{Controller: "0123abcd", Owner: object.BaseOwner("0123456789ab"), Print: object.PrintOf(object.Image{})}
	for _, l := range []object.Label{long, base} {
		again, err := object.ParseLabel(l.String())
		if err != nil || again != l {
			t.Errorf("label %s read as %v, %v", l, again, err)
		}
	}
	if n := len(base.String()); n > 63 {
		t.Errorf("a base's label has %d bytes; lo_file_name holds 63", n)
	}
	if n := len(long.String()); n > 255 {
		t.Errorf("a session's label has %d bytes; a mount's source holds 255", n)
	}
	for _, foreign := range []string{"", "coppice", "coppice/", "overlay", "/srv/a.img", "coppice/x", "coppice//session/s#", "coppice/x/session/s", "coppice/x/house/s#", "coppice/x/session/#", "Coppice/x/session/s#"} {
		if l, err := object.ParseLabel(foreign); err == nil {
			t.Errorf("%q was taken for the label %v", foreign, l)
		}
	}
}

func FuzzParseLabel(f *testing.F) {
	f.Add("coppice/0123abcd/session/s#0123456789ab.0123456789ab")
	f.Add("coppice/x/base/k#")
	f.Fuzz(func(t *testing.T, text string) {
		l, err := object.ParseLabel(text)
		if err != nil {
			return
		}
		again, err := object.ParseLabel(l.String())
		if err != nil || again != l {
			t.Errorf("%q read as %v, which reads as %v, %v", text, l, again, err)
		}
	})
}
