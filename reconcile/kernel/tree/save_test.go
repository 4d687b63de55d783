package tree_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"coppice.dev/reconcile/fault"
	"coppice.dev/reconcile/kernel/tree"
	"coppice.dev/reconcile/object"
)

// opened is a session that has an archive open.
type opened struct {
	t *testing.T
	tree.Driver
	archive string
	object.Object
}

func open(t *testing.T, archive string) *opened {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("needs root")
	}
	d := newDriver(t)
	must(t, os.MkdirAll(d.Layout.Home("s"), 0o700))
	o := wanted(t, d, archive)
	o.Owner = object.SessionOwner("s")
	spec := o.Spec.(object.Tree)
	spec.Path = d.Layout.Tree("s")
	o.Spec = spec
	must(t, d.Create(t.Context(), o, nil))
	return &opened{t, d, archive, o}
}

func (o *opened) save(n int) error {
	spec := o.Spec.(object.Tree)
	spec.Save = n
	o.Spec = spec
	return o.Amend(o.t.Context(), o.Object)
}

// saves is how often the tree was saved, as a look tells.
func (o *opened) saves() int {
	o.t.Helper()
	seen, err := o.Observe(o.t.Context(), o.Owner, []object.Object{o.Object})
	must(o.t, err)
	return seen[0].Spec.(object.Tree).Save
}

// holds unpacks the archive and compares it with the tree, to the last attribute.
func (o *opened) holds() {
	o.t.Helper()
	folder := o.t.TempDir()
	file := o.archive
	if strings.Contains(file, ".lz4") { // which tar does not know
		file = folder + ".tar"
		run(o.t, "lz4", "-dqf", o.archive, file)
	}
	run(o.t, "tar", "--extract", "--xattrs", "--xattrs-include=*", "--numeric-owner", "--same-permissions", "--file", file, "--directory", folder)
	list := func(path string) string {
		out, err := exec.Command("sh", "-ec", `cd "$0"; find . -printf '%p %y %m %U:%G %n %T@ %l\n' | sort
find . -type f -exec md5sum {} + | sort; find . -type f | sort | xargs getfattr -d -m - 2>/dev/null; getcap -r .`, path).CombinedOutput()
		if err != nil {
			o.t.Fatalf("list %s: %v\n%s", path, err, out)
		}
		return string(out)
	}
	if got, want := list(folder), list(o.Spec.(object.Tree).Path); got != want {
		o.t.Errorf("the archive holds\n%s\nwant\n%s", got, want)
	}
}

// alone wants nothing of ours beside the archive.
func (o *opened) alone() {
	o.t.Helper()
	if left, err := filepath.Glob(filepath.Dir(o.archive) + "/.*.coppice-*"); err != nil || len(left) > 0 {
		o.t.Errorf("left: %v, %v", left, err)
	}
}

func (o *opened) write(text string) {
	o.t.Helper()
	must(o.t, os.WriteFile(o.Spec.(object.Tree).Path+"/etc/new", []byte(text), 0o644))
}

func TestSaveKeepsAllAndCompressesAlike(t *testing.T) {
	plain := model(t)
	for _, how := range []string{"tar", "gz", "xz", "zst", "bz2", "lz4", "lz4-legacy"} {
		t.Run(how, func(t *testing.T) {
			archive := pack(t, plain, how)
			must(t, os.Chown(archive, 12, 34))
			must(t, os.Chmod(archive, 0o604))
			o := open(t, archive)
			before, err := os.ReadFile(archive)
			must(t, err)
			for n := 1; n <= 2; n++ { // the second is of what the first has made
				o.write(strings.Repeat("x", n))
				must(t, o.save(n))
				o.holds()
				o.alone()
				if got := o.saves(); got != n {
					t.Errorf("it was saved %d times, want %d", got, n)
				}
			}
			after, err := os.ReadFile(archive)
			must(t, err)
			if how != "tar" && string(before[:3]) != string(after[:3]) {
				t.Errorf("it begins with % x, want % x", after[:3], before[:3])
			}
			var st unix.Stat_t
			must(t, unix.Stat(archive, &st))
			if st.Uid != 12 || st.Gid != 34 || st.Mode&0o7777 != 0o604 {
				t.Errorf("it is %d:%d %o", st.Uid, st.Gid, st.Mode)
			}
			must(t, o.save(2)) // nothing is to be done
			must(t, o.Destroy(t.Context(), object.Observed{ID: o.ID, Spec: o.Spec}))
			o.alone()
		})
	}
}

// TestSaveLosesNothingOfOthers has somebody put another archive there meanwhile.
func TestSaveLosesNothingOfOthers(t *testing.T) {
	archive := pack(t, model(t), "gz")
	o := open(t, archive)
	o.write("mine")
	must(t, os.WriteFile(archive+".theirs", []byte("theirs"), 0o644))
	must(t, os.Rename(archive+".theirs", archive))
	err := o.save(1)
	if fault.ReasonOf(err) != fault.SourceUnusable {
		t.Errorf("error %v, want that it was changed", err)
	}
	if text, err := os.ReadFile(archive); err != nil || string(text) != "theirs" {
		t.Errorf("their archive: %q, %v", text, err)
	}
	if o.saves() != 0 {
		t.Error("it is said to be saved")
	}
	o.alone()
}

// TestSaveThatWasInterrupted begins from what a crash leaves behind at each point.
func TestSaveThatWasInterrupted(t *testing.T) {
	archive := pack(t, model(t), "gz")
	for _, row := range []struct {
		name     string
		crash    func(o *opened, note map[string]any, draft string)
		theirs   bool // what is in the place after a save, and after the end, is somebody else's
		atTheEnd int  // how often it was saved when the session ends without another try
	}{
		{name: "packed in part", crash: func(o *opened, note map[string]any, draft string) {
			must(o.t, os.Rename(o.archive, o.archive+".new"))
			must(o.t, os.Rename(draft, o.archive))
			must(o.t, os.WriteFile(draft, []byte("part"), 0o600))
			note["save"], note["next"] = 0, 0
		}},
		{name: "packed, not in place", crash: func(o *opened, note map[string]any, draft string) {
			must(o.t, unix.Renameat2(unix.AT_FDCWD, draft, unix.AT_FDCWD, o.archive, unix.RENAME_EXCHANGE))
			note["save"], note["next"], note["packed"] = 0, 1, note["archive"]
		}},
		{name: "in place, not noted", atTheEnd: 1, crash: func(_ *opened, note map[string]any, _ string) {
			note["save"], note["next"], note["packed"] = 0, 1, note["archive"]
		}},
		{name: "in the place of somebody else's", theirs: true, crash: func(o *opened, note map[string]any, draft string) {
			must(o.t, os.WriteFile(draft, []byte("theirs"), 0o644))
			note["save"], note["next"], note["packed"] = 0, 1, note["archive"]
		}},
	} {
		for _, again := range []bool{true, false} {
			t.Run(row.name, func(t *testing.T) {
				copied := t.TempDir() + "/a.tar.gz"
				run(t, "cp", archive, copied)
				o := open(t, copied)
				expected := o.Spec.(object.Tree).Contents
				// The old archive keeps a second name, to be put where a crash leaves it.
				old := filepath.Dir(copied) + "/old"
				must(t, os.Link(copied, old))
				o.write("mine")
				must(t, o.save(1))
				var note map[string]any
				text, err := os.ReadFile(o.Layout.Saved("s"))
				must(t, err)
				numbers := json.NewDecoder(bytes.NewReader(text))
				numbers.UseNumber() // times are longer than a float
				must(t, numbers.Decode(&note))
				draft := note["draft"].(string)
				must(t, os.Rename(old, draft))
				note["expected"] = expected
				row.crash(o, note, draft)
				text, err = json.Marshal(note)
				must(t, err)
				must(t, os.WriteFile(o.Layout.Saved("s"), text, 0o600))
				if again {
					err := o.save(1)
					if row.theirs != (fault.ReasonOf(err) == fault.SourceUnusable) || !row.theirs && err != nil {
						t.Fatalf("saved again: %v", err)
					}
				} else {
					must(t, o.Destroy(t.Context(), object.Observed{ID: o.ID}))
				}
				o.alone()
				held, err := exec.Command("tar", "--extract", "--to-stdout", "--file", copied, "./etc/new").Output()
				switch {
				case row.theirs:
					if text, err := os.ReadFile(copied); err != nil || string(text) != "theirs" {
						t.Errorf("their archive: %.20q, %v", text, err)
					}
				case again || row.atTheEnd == 1:
					if err != nil || string(held) != "mine" {
						t.Errorf("the archive holds %q, %v", held, err)
					}
				case err == nil:
					t.Errorf("it was saved, though nobody waited for that: %q", held)
				}
			})
		}
	}
}

// TestSaveThatFails leaves the archive as it was, and nothing beside it.
func TestSaveThatFails(t *testing.T) {
	o := open(t, pack(t, model(t), "xz"))
	before, err := os.ReadFile(o.archive)
	must(t, err)
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errors.New("enough"))
	spec := o.Spec.(object.Tree)
	spec.Save = 1
	if err := o.Amend(ctx, object.Object{ID: o.ID, Spec: spec}); err == nil {
		t.Error("it did not fail")
	}
	must(t, os.RemoveAll(spec.Path))
	if err := o.save(1); err == nil {
		t.Error("it did not fail without a tree")
	}
	after, err := os.ReadFile(o.archive)
	must(t, err)
	if string(after) != string(before) {
		t.Error("the archive has changed")
	}
	o.alone()
}
