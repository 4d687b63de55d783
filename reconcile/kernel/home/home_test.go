package home_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"coppice.dev/reconcile/fault"
	"coppice.dev/reconcile/kernel/home"
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

func newDriver(t *testing.T) home.Driver {
	t.Helper()
	base, err := filepath.EvalSymlinks(t.TempDir())
	must(t, err)
	d := home.Driver{Layout: layout.Layout{State: base}, Trashed: func() {}}
	must(t, os.MkdirAll(d.Layout.Homes(), 0o700))
	return d
}

func homeOf(admitted string, objects ...object.Object) object.Object {
	return object.Object{
		ID:   object.ID{Owner: owner, Address: object.At(object.GroupHome, "home")},
		Spec: object.Home{Admitted: []byte(admitted), Objects: objects},
	}
}

// see returns the one home that is to be there.
func see(t *testing.T, d home.Driver) object.Observed {
	t.Helper()
	seen, err := d.Observe(t.Context(), owner, nil)
	must(t, err)
	if len(seen) != 1 {
		t.Fatalf("seen %+v, want one home", seen)
	}
	return seen[0]
}

func TestAHomeRemembers(t *testing.T) {
	d := newDriver(t)
	if seen, err := d.Observe(t.Context(), owner, nil); err != nil || len(seen) != 0 {
		t.Errorf("before: %v, %v", seen, err)
	}
	process := object.Object{ID: object.ID{Owner: owner, Address: object.At(object.GroupInside, "processes")}, Spec: object.Processes{Grace: 5}}
	for i, o := range []object.Object{homeOf(`{"a":"first"}`, process), homeOf(`"second"`)} {
		if i == 0 {
			must(t, d.Create(t.Context(), o, nil))
		} else {
			must(t, d.Amend(t.Context(), o))
		}
		want := object.Observed{ID: o.ID, Kind: object.KindHome, Print: object.PrintOf(o.Spec), Name: d.Layout.Home("s"), Spec: o.Spec}
		if diff := cmp.Diff(want, see(t, d)); diff != "" {
			t.Errorf("seen (-want +got):\n%s", diff)
		}
	}
	info, err := os.Stat(d.Layout.Home("s"))
	if err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	if err := d.Create(t.Context(), homeOf(`"third"`), nil); !errors.Is(err, os.ErrExist) {
		t.Errorf("made twice: %v", err)
	}
	if got := see(t, d).Spec.(object.Home); string(got.Admitted) != `"second"` {
		t.Errorf("made twice, and it remembers %s", got.Admitted)
	}
}

// A record that was lost must not look like damage: what is damaged is taken
// down, and with it goes what the user has written.
func TestALostRecordIsNoDamage(t *testing.T) {
	for name, wreck := range map[string]func(record string) error{
		"missing": os.Remove,
		"empty":   func(r string) error { return os.Truncate(r, 0) },
		"cut":     func(r string) error { return os.Truncate(r, 20) },
		"of a newer version": func(r string) error {
			return os.WriteFile(r, []byte(`{"objects":[{"owner":"session/s","address":"1-device/x","kind":"Nova","spec":{}}]}`), 0o600)
		},
		"zeros": func(r string) error { return os.WriteFile(r, make([]byte, 100), 0o600) },
	} {
		t.Run(name, func(t *testing.T) {
			d := newDriver(t)
			o := homeOf(`{"what it was": "admitted with"}`)
			must(t, d.Create(t.Context(), o, nil))
			must(t, wreck(d.Layout.Record("s")))
			seen := see(t, d)
			if seen.Damage != "" || seen.Spec != nil || seen.Print != (object.Print{}) || seen.Note == "" {
				t.Errorf("seen %+v, want no damage, no spec, no print and a note", seen)
			}
			must(t, d.Amend(t.Context(), o))
			if see(t, d).Print != object.PrintOf(o.Spec) {
				t.Error("written again, and not as wanted")
			}
		})
	}
}

// What cannot be looked at is not said to be absent.
func TestBlind(t *testing.T) {
	d := newDriver(t)
	must(t, os.WriteFile(d.Layout.Home("s"), nil, 0o600))
	if seen, err := d.Observe(t.Context(), owner, nil); err == nil {
		t.Errorf("a file in its place: seen %+v", seen)
	}
	must(t, os.Remove(d.Layout.Home("s")))
	must(t, d.Create(t.Context(), homeOf(`1`), nil))
	// A record that nobody can ever read again keeps no session from ending.
	must(t, os.Remove(d.Layout.Record("s")))
	must(t, os.Mkdir(d.Layout.Record("s"), 0o700))
	seen, err := d.Observe(t.Context(), owner, nil)
	if err != nil || len(seen) != 1 || seen[0].Note == "" || seen[0].Spec != nil {
		t.Errorf("a record that is a folder: seen %+v, %v", seen, err)
	}
	must(t, os.RemoveAll(d.Layout.Homes()))
	if owners, err := d.Owners(t.Context()); err == nil {
		t.Errorf("no folder of homes: owners %v", owners)
	}
}

func TestOwners(t *testing.T) {
	d := newDriver(t)
	must(t, d.Create(t.Context(), homeOf(`1`), nil))
	for _, name := range []string{"lost+found", ".hidden", "Upper", "other"} {
		must(t, os.Mkdir(filepath.Join(d.Layout.Homes(), name), 0o700))
	}
	must(t, os.WriteFile(filepath.Join(d.Layout.Homes(), "file"), nil, 0o600))
	owners, err := d.Owners(t.Context())
	if diff := cmp.Diff([]object.Owner{object.SessionOwner("other"), owner}, owners); err != nil || diff != "" {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
}

func TestGoingIsARename(t *testing.T) {
	d := newDriver(t)
	told := 0
	d.Trashed = func() { told++ }
	for n := range 2 { // the same name twice
		must(t, d.Create(t.Context(), homeOf(`1`), nil))
		must(t, os.WriteFile(d.Layout.Home("s")+"/data", nil, 0o600))
		must(t, d.Destroy(t.Context(), see(t, d)))
		if _, err := os.Lstat(d.Layout.Home("s")); err == nil {
			t.Error("it is still there")
		}
		kept, err := filepath.Glob(d.Layout.Trash() + "/s-*/data")
		if err != nil || len(kept) != n+1 || told != n+1 {
			t.Errorf("in the trash: %v, %v; told %d times", kept, err, told)
		}
	}
	must(t, d.Destroy(t.Context(), object.Observed{ID: homeOf(`1`).ID}))
	if told != 2 {
		t.Error("told of the absent")
	}
}

func TestNeverWithAMountBelow(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs root")
	}
	d := newDriver(t)
	must(t, d.Create(t.Context(), homeOf(`1`), nil))
	below := d.Layout.Home("s") + "/deep/down"
	must(t, os.MkdirAll(below, 0o700))
	must(t, unix.Mount("home-test", below, "tmpfs", 0, ""))
	t.Cleanup(func() { _ = unix.Unmount(below, unix.MNT_DETACH) })
	must(t, os.WriteFile(below+"/somebodys", nil, 0o600))
	err := d.Destroy(t.Context(), see(t, d))
	if fault.ReasonOf(err) != fault.Busy || !strings.Contains(err.Error(), below) {
		t.Errorf("error %v, want %s naming %s", err, fault.Busy, below)
	}
	if _, err := os.Stat(below + "/somebodys"); err != nil {
		t.Error(err)
	}
	must(t, unix.Unmount(below, 0))
	must(t, d.Destroy(t.Context(), see(t, d)))
}

func TestHomesOnAMountOfTheirOwn(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs root")
	}
	d := newDriver(t)
	must(t, unix.Mount("home-test", d.Layout.Homes(), "tmpfs", 0, ""))
	t.Cleanup(func() { _ = unix.Unmount(d.Layout.Homes(), unix.MNT_DETACH) })
	must(t, d.Create(t.Context(), homeOf(`1`), nil))
	if err := d.Destroy(t.Context(), see(t, d)); !errors.Is(err, unix.EXDEV) || !strings.Contains(err.Error(), "on one") {
		t.Errorf("error %v, want %v and what to do", err, unix.EXDEV)
	}
}

// What people put among the homes is not taken for one, unless there is a record.
func TestStrangers(t *testing.T) {
	d := newDriver(t)
	for name, row := range map[string]struct {
		holds []string
		home  bool
	}{
		"empty": {nil, true}, "record": {[]string{"record.json", "notes.txt"}, true}, "half": {[]string{"upper.new", "work", "tree.unpacking", "record.json.new"}, true},
		"data": {[]string{"notes.txt"}, false}, "both": {[]string{"upper", "notes.txt"}, false},
	} {
		must(t, os.MkdirAll(d.Layout.Home(name), 0o700))
		for _, part := range row.holds {
			must(t, os.WriteFile(filepath.Join(d.Layout.Home(name), part), nil, 0o600))
		}
		owners, err := d.Owners(t.Context())
		must(t, err)
		owner := object.SessionOwner(name)
		if slices.Contains(owners, owner) != row.home {
			t.Errorf("%s: owners %v", name, owners)
		}
		seen, err := d.Observe(t.Context(), owner, nil)
		if row.home != (err == nil && len(seen) == 1) || !row.home && fault.ReasonOf(err) != fault.TargetUnusable {
			t.Errorf("%s: seen %v, %v", name, seen, err)
		}
	}
}
