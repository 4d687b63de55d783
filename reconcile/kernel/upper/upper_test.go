package upper_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"coppice.dev/reconcile/fault"
	"coppice.dev/reconcile/kernel/upper"
	"coppice.dev/reconcile/layout"
	"coppice.dev/reconcile/object"
)

var owner = object.SessionOwner("s")

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// home is a session's home with a model beside it.
type home struct {
	*testing.T
	driver upper.Driver
	model  string
	object object.Object
}

func newHome(t *testing.T) *home {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("needs root")
	}
	base, err := filepath.EvalSymlinks(t.TempDir())
	must(t, err)
	h := &home{T: t, driver: upper.Driver{Layout: layout.Layout{State: base + "/state"}}, model: base + "/model"}
	l := h.driver.Layout
	must(t, os.MkdirAll(l.Home("s"), 0o700))
	must(t, os.Mkdir(h.model, 0o700))
	h.object = object.Object{
		ID:   object.ID{Owner: owner, Address: object.At(object.GroupWrite, "upper")},
		Spec: object.Upper{Dir: l.Upper("s"), Work: l.Work("s"), Model: object.Layer{Path: h.model}},
	}
	return h
}

// spec changes what the upper is wanted to be.
func (h *home) spec(change func(*object.Upper)) {
	s := h.object.Spec.(object.Upper)
	change(&s)
	h.object.Spec = s
}

func (h *home) create() {
	h.Helper()
	must(h.T, h.driver.Create(h.Context(), h.object, nil))
}

// see returns the upper if it is there; the zero value if not.
func (h *home) see(known ...object.Object) object.Observed {
	h.Helper()
	seen, err := h.driver.Observe(h.Context(), owner, known)
	must(h.T, err)
	if len(seen) == 0 {
		return object.Observed{}
	}
	return seen[0]
}

func (h *home) exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

func TestLooksLikeItsModel(t *testing.T) {
	h := newHome(t)
	inner := h.model + "/in/root"
	must(t, os.MkdirAll(inner, 0o755))
	must(t, os.Chown(inner, 1234, 5678))
	must(t, unix.Chmod(inner, 0o3751))
	must(t, unix.Setxattr(inner, "user.note", []byte("kept"), 0))
	must(t, unix.Setxattr(inner, "trusted.overlay.opaque", []byte("y"), 0))
	// A link in the model leads inside of it, as hostile as it may be.
	must(t, os.Symlink("/in/root", h.model+"/link"))
	must(t, os.Symlink("../../../../../in/root", h.model+"/out"))
	for _, location := range []string{"/in/root", "link", "out"} {
		h.spec(func(u *object.Upper) { u.Model.Location = location })
		h.create()
		var st unix.Stat_t
		dir := h.driver.Layout.Upper("s")
		must(t, unix.Stat(dir, &st))
		if st.Uid != 1234 || st.Gid != 5678 || st.Mode&0o7777 != 0o3751 {
			t.Errorf("%s: owner %d:%d, mode %o", location, st.Uid, st.Gid, st.Mode)
		}
		value := make([]byte, 16)
		if n, err := unix.Getxattr(dir, "user.note", value); err != nil || string(value[:n]) != "kept" {
			t.Errorf("%s: extended attribute: %v", location, err)
		}
		if _, err := unix.Getxattr(dir, "trusted.overlay.opaque", value); !errors.Is(err, unix.ENODATA) {
			t.Errorf("%s: overlayfs's own attribute was copied: %v", location, err)
		}
		seen := h.see(h.object)
		if seen.Print != object.PrintOf(h.object.Spec) || seen.Damage != "" || seen.Name != dir {
			t.Errorf("%s: seen %+v", location, seen)
		}
		must(t, h.driver.Destroy(t.Context(), seen))
		if seen := h.see(h.object); seen.Kind != "" || h.exists(h.driver.Layout.Work("s")) {
			t.Errorf("%s: destroyed, and seen %+v", location, seen)
		}
	}
}

func TestModelThatIsNotThere(t *testing.T) {
	for _, layer := range []object.Layer{{Path: "/no/such"}, {Path: "/etc", Location: "/no/such"}, {Path: "/etc", Location: "passwd"}} {
		h := newHome(t)
		h.spec(func(u *object.Upper) { u.Model = layer })
		if err := h.driver.Create(t.Context(), h.object, nil); fault.ReasonOf(err) != fault.SourceMissing {
			t.Errorf("%+v: error %v, want %s", layer, err, fault.SourceMissing)
		}
		if seen := h.see(h.object); seen.Kind != "" {
			t.Errorf("%+v: seen %+v", layer, seen)
		}
	}
}

// A crash at any point of the making leaves nothing that counts, and the next
// attempt is not kept from anything.
func TestHalfMade(t *testing.T) {
	h := newHome(t)
	l := h.driver.Layout
	for _, path := range []string{l.Work("s") + "/work/deep", l.Upper("s") + ".new/deep"} {
		must(t, os.MkdirAll(path, 0o700))
	}
	must(t, os.WriteFile(l.Upper("s")+".boot.new", []byte("{"), 0o600))
	if seen := h.see(h.object); seen.Kind != "" {
		t.Errorf("seen %+v before it was whole", seen)
	}
	h.create()
	for _, folder := range []string{l.Work("s"), l.Upper("s")} {
		if left, err := os.ReadDir(folder); err != nil || len(left) > 0 {
			t.Errorf("in %s: %v, %v", folder, left, err)
		}
	}
	if h.exists(l.Upper("s") + ".new") {
		t.Error("the unfinished one is still there")
	}
}

func TestMadeTwiceLosesNothing(t *testing.T) {
	h := newHome(t)
	h.create()
	written, inUse := h.driver.Layout.Upper("s")+"/written", h.driver.Layout.Work("s")+"/work"
	must(t, os.WriteFile(written, nil, 0o600))
	must(t, os.Mkdir(inUse, 0o700))
	if err := h.driver.Create(t.Context(), h.object, nil); !errors.Is(err, os.ErrExist) {
		t.Errorf("error %v", err)
	}
	if !h.exists(written) || !h.exists(inUse) {
		t.Error("something was taken away")
	}
	// Without its work folder it is repaired, never replaced.
	must(t, os.RemoveAll(h.driver.Layout.Work("s")))
	seen := h.see(h.object)
	if want := object.PrintOf(h.object.Spec); seen.Damage != "" || seen.Print.Identity != want.Identity || seen.Print == want {
		t.Errorf("seen %+v, want it to be amended", seen)
	}
	for range 2 {
		must(t, h.driver.Amend(t.Context(), h.object))
	}
	if seen := h.see(h.object); seen.Print != object.PrintOf(h.object.Spec) || !h.exists(written) {
		t.Errorf("amended, and seen %+v", seen)
	}
}

// What it was made with is its own to tell, whatever is wanted by now.
func TestItKnowsWhatItWasMadeWith(t *testing.T) {
	h := newHome(t)
	h.create()
	was := h.object
	h.spec(func(u *object.Upper) { u.Model.Path = "/elsewhere" })
	for _, known := range [][]object.Object{nil, {h.object}, {h.object, was}} {
		if seen := h.see(known...); seen.Print != object.PrintOf(was.Spec) {
			t.Errorf("knowing %v: seen %+v", known, seen)
		}
	}
	// Its note can be lost in a power cut.
	for _, text := range []string{"", "{", "null"} {
		must(t, os.WriteFile(h.driver.Layout.Upper("s")+".boot", []byte(text), 0o600))
		if seen := h.see(was); seen.Print != object.PrintOf(was.Spec) || seen.Damage != "" {
			t.Errorf("note %q: seen %+v", text, seen)
		}
		if seen := h.see(); seen.Kind == "" || seen.Print != (object.Print{}) {
			t.Errorf("note %q and nothing known: seen %+v", text, seen)
		}
	}
}

func TestVolatile(t *testing.T) {
	h := newHome(t)
	h.spec(func(u *object.Upper) { u.Volatile = true })
	h.create()
	if seen := h.see(h.object); seen.Damage != "" {
		t.Errorf("in the same boot: %s", seen.Damage)
	}
	for _, note := range []string{"", `{"boot":"another"}`} {
		must(t, os.WriteFile(h.driver.Layout.Upper("s")+".boot", []byte(note), 0o600))
		if seen := h.see(h.object); seen.Damage == "" {
			t.Errorf("note %q: it passes for whole", note)
		}
	}
	lasting := h.object
	h.spec(func(u *object.Upper) { u.Volatile = false })
	if seen := h.see(h.object, lasting); seen.Damage != "" {
		t.Errorf("one that is no longer volatile: %s", seen.Damage)
	}
}

func TestDestroy(t *testing.T) {
	h := newHome(t)
	must(t, h.driver.Destroy(t.Context(), object.Observed{ID: h.object.ID}))
	h.create()
	below := h.driver.Layout.Upper("s") + "/below"
	must(t, os.Mkdir(below, 0o700))
	must(t, unix.Mount("upper-test", below, "tmpfs", 0, ""))
	t.Cleanup(func() { _ = unix.Unmount(below, unix.MNT_DETACH) })
	if err := h.driver.Destroy(t.Context(), h.see()); fault.ReasonOf(err) != fault.Busy {
		t.Errorf("error %v, want %s", err, fault.Busy)
	}
	if seen := h.see(h.object); seen.Damage != "" || seen.Print != object.PrintOf(h.object.Spec) {
		t.Errorf("refused, and seen %+v", seen)
	}
	must(t, unix.Unmount(below, 0))
	must(t, h.driver.Destroy(t.Context(), h.see()))
	left, err := os.ReadDir(h.driver.Layout.Home("s"))
	if err != nil || len(left) > 0 {
		t.Errorf("left: %v, %v", left, err)
	}
}
