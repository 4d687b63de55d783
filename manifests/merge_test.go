package manifests

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const folder = "/m"

// session is a manifest of one session, with a ttl that tells versions apart.
func session(name string, hours int) string {
	return fmt.Sprintf("apiVersion: coppice.dev/v1alpha1\nkind: Session\nmetadata: {name: %s}\nspec: {chrootRef: {name: c}, ttl: %dh}\n", name, hours)
}

func seen(files ...string) pass {
	p := part{path: folder, place: place{1, 1, 1}, identity: "fs-1", stamp: 1}
	for i := 0; i < len(files); i += 2 {
		p.files = append(p.files, file{path: folder + "/" + files[i], data: []byte(files[i+1])})
	}
	return pass{Folder{Path: folder}, []part{p}}
}

func unavailable(why string) pass {
	return pass{Folder{Path: folder}, []part{{path: folder, unavailable: why}}}
}

// with returns a pass whose first folder is a little different.
func with(p pass, change func(*part)) pass {
	p.parts = slices.Clone(p.parts)
	change(&p.parts[0])
	return p
}

func elsewhere(p pass) pass {
	return with(p, func(p *part) { p.place.inode, p.identity = p.place.inode+1, "fs-2" })
}

func changed(p pass) pass { return with(p, func(p *part) { p.stamp++ }) }

func refused(name, why string) pass {
	return with(seen(), func(p *part) { p.files = append(p.files, file{path: folder + "/" + name, problem: why}) })
}

// text prints what a set says: a line an object, a line a troubled file or folder.
func text(s Set) []string {
	var out []string
	for _, k := range slices.SortedFunc(func(yield func(Key) bool) {
		for k := range s.Entries.All() {
			if !yield(k) {
				return
			}
		}
	}, func(a, b Key) int { return strings.Compare(a.String(), b.String()) }) {
		e := s.Entries.At(k)
		line := k.String()
		if e.Object == nil {
			line += " unknown"
		} else {
			line += " " + strings.TrimPrefix(e.Place.Manifest, folder+"/")
		}
		if e.Stale {
			line += " stale"
		}
		if len(e.Problems) > 0 {
			line += " !"
		}
		out = append(out, line)
	}
	for path := range s.Files {
		out = append(out, "file "+strings.TrimPrefix(path, folder+"/"))
	}
	if s.Folders[folder] != "" {
		out = append(out, "folder")
	}
	return out
}

func TestMerge(t *testing.T) {
	both := seen("a.yaml", session("a", 1), "b.yaml", session("b", 1))
	for _, row := range []struct {
		name   string
		passes []pass
		want   []string
		// holds says whether a session that is nowhere to be seen may be there.
		holds bool
	}{
		{"what is written", []pass{both}, []string{"session/a a.yaml", "session/b b.yaml"}, false},
		{"one is removed", []pass{both, seen("a.yaml", session("a", 1))}, []string{"session/a a.yaml"}, false},
		{"all are removed", []pass{both, seen()}, nil, false},
		{"the folder is gone", []pass{both, unavailable("gone")}, []string{"session/a a.yaml stale", "session/b b.yaml stale", "folder"}, false},
		{"and comes back", []pass{both, unavailable("gone"), seen("a.yaml", session("a", 1))}, []string{"session/a a.yaml"}, false},
		{"it is another one, and empty", []pass{both, elsewhere(seen())}, []string{"session/a a.yaml stale", "session/b b.yaml stale", "folder"}, false},
		{"it is another one, and empty, and stays so", []pass{both, elsewhere(seen()), elsewhere(seen()), elsewhere(seen())}, []string{"session/a a.yaml stale", "session/b b.yaml stale", "folder"}, false},
		{"it is another one, and empty, goes, and is back", []pass{both, elsewhere(seen()), unavailable("gone"), elsewhere(seen())}, []string{"session/a a.yaml stale", "session/b b.yaml stale", "folder"}, false},
		{"it is another one, and empty, and somebody makes a change in it", []pass{both, elsewhere(seen()), changed(elsewhere(seen()))}, nil, false},
		{"it is another one, and empty, and then the first again", []pass{both, elsewhere(seen()), both}, []string{"session/a a.yaml", "session/b b.yaml"}, false},
		{"it is another one, with the same in it", []pass{both, elsewhere(both)}, []string{"session/a a.yaml", "session/b b.yaml"}, false},
		{"it is another one, with less in it", []pass{both, elsewhere(seen("b.yaml", session("b", 1)))}, []string{"session/b b.yaml"}, false},
		{"it was never seen", []pass{unavailable("gone")}, []string{"folder"}, true},
		{"a file is emptied", []pass{both, seen("a.yaml", "", "b.yaml", session("b", 1))}, []string{"session/a a.yaml stale !", "session/b b.yaml", "file a.yaml"}, false},
		{"a file that was empty from the start", []pass{seen("a.yaml", "\n", "b.yaml", session("b", 1))}, []string{"session/b b.yaml", "file a.yaml"}, true},
		{"and is still", []pass{seen("a.yaml", ""), seen("a.yaml", "")}, []string{"file a.yaml"}, true},
		{"and is written", []pass{seen("a.yaml", ""), seen("a.yaml", session("a", 1))}, []string{"session/a a.yaml"}, false},
		{"and is removed", []pass{seen("a.yaml", ""), seen()}, nil, false},
		{"a file that says nothing", []pass{seen("a.yaml", "# not yet\n")}, nil, false},
		{"a file is cut in half", []pass{both, seen("a.yaml", session("a", 1)[:60], "b.yaml", session("b", 1))}, []string{"session/a a.yaml stale !", "session/b b.yaml", "file a.yaml"}, false},
		{"a file is being written", []pass{both, refused("a.yaml", "it is being written")}, []string{"session/a a.yaml stale !", "file a.yaml"}, false},
		{"a file that was never good", []pass{seen("a.yaml", "kind: [")}, []string{"file a.yaml"}, true},
		{"a file with a mistake, whose name can be told", []pass{seen("a.yaml", strings.ReplaceAll(session("a", 1), "ttl", "tll"))}, []string{"session/a unknown stale !", "file a.yaml"}, false},
		{"a mistake in what was good", []pass{both, seen("a.yaml", strings.ReplaceAll(session("a", 1), "ttl", "tll"), "b.yaml", session("b", 1))}, []string{"session/a a.yaml stale !", "session/b b.yaml", "file a.yaml"}, false},
		{"one of two documents has a mistake", []pass{
			seen("a.yaml", session("a", 1)+"---\n"+session("b", 1)),
			seen("a.yaml", session("a", 2)+"---\n"+strings.ReplaceAll(session("b", 1), "ttl", "tll")),
		}, []string{"session/a a.yaml", "session/b a.yaml stale !", "file a.yaml"}, false},
		{"one of two documents goes, the other has a mistake: perhaps the file is cut short", []pass{
			seen("a.yaml", session("a", 1)+"---\n"+session("b", 1)),
			seen("a.yaml", strings.ReplaceAll(session("b", 1), "ttl", "tll")),
		}, []string{"session/a a.yaml stale !", "session/b a.yaml stale !", "file a.yaml"}, false},
		{"nobody knows which one a broken file has lost", []pass{
			seen("a.yaml", session("a", 1)+"---\n"+session("b", 1)),
			seen("a.yaml", session("a", 2)+"---\nkind: ["),
		}, []string{"session/a a.yaml", "session/b a.yaml stale !", "file a.yaml"}, false},
		{"moved to another file", []pass{both, seen("c.yaml", session("a", 1), "b.yaml", session("b", 1))}, []string{"session/a c.yaml", "session/b b.yaml"}, false},
		{"moved out of a file that is broken now", []pass{both, seen("a.yaml", "kind: [", "c.yaml", session("a", 2))}, []string{"session/a c.yaml", "file a.yaml"}, false},
		{"written twice from the start", []pass{seen("a.yaml", session("a", 1), "b.yaml", session("a", 2))}, []string{"session/a unknown stale !"}, false},
		{"written twice, and good before", []pass{seen("a.yaml", session("a", 1)), seen("a.yaml", session("a", 1), "b.yaml", session("a", 2))}, []string{"session/a a.yaml stale !"}, false},
		{"and once again", []pass{
			seen("a.yaml", session("a", 1)), seen("a.yaml", session("a", 1), "b.yaml", session("a", 2)), seen("b.yaml", session("a", 2)),
		}, []string{"session/a b.yaml"}, false},
	} {
		t.Run(row.name, func(t *testing.T) {
			var s Set
			for _, p := range row.passes {
				s = merge(s, []pass{p})
			}
			if diff := cmp.Diff(row.want, text(s)); diff != "" {
				t.Errorf("set (-want +got):\n%s", diff)
			}
			if got := s.MayHold(Key{"Session", "nowhere"}); got != row.holds {
				t.Errorf("may hold a session that is nowhere: %t, want %t", got, row.holds)
			}
			// A look that finds the same changes nothing.
			again := merge(s, []pass{row.passes[len(row.passes)-1]})
			if row.name != "it is another one, and empty" {
				if changed := Diff(s, again); len(changed) != 0 {
					t.Errorf("the same look changes %v", changed)
				}
			}
		})
	}
}

// What was good before is what the object still says, to the letter.
func TestLastGoodIsKept(t *testing.T) {
	first := merge(Set{}, []pass{seen("a.yaml", session("a", 1))})
	broken := merge(first, []pass{seen("a.yaml", strings.ReplaceAll(session("a", 2), "ttl", "tll"))})
	key := Key{"Session", "a"}
	if first.Entries.At(key).Hash != broken.Entries.At(key).Hash || broken.Entries.At(key).Object == nil {
		t.Errorf("before %+v, after %+v", first.Entries.At(key), broken.Entries.At(key))
	}
	if changed := Diff(first, broken); !slices.Equal(changed, []Key{key}) {
		t.Errorf("changed: %v", changed)
	}
	mended := merge(broken, []pass{seen("a.yaml", session("a", 2))})
	if e := mended.Entries.At(key); e.Hash == first.Entries.At(key).Hash || e.Stale || len(e.Problems) > 0 {
		t.Errorf("mended: %+v", e)
	}
}

func TestAliasesThatCollide(t *testing.T) {
	chroot := func(name, alias string) string {
		return fmt.Sprintf("apiVersion: coppice.dev/v1alpha1\nkind: Chroot\nmetadata: {name: %s}\nspec: {aliases: [%s], source: {directory: {path: /a}}}\n", name, alias)
	}
	s := merge(Set{}, []pass{seen("a.yaml", chroot("a", "x"), "b.yaml", chroot("b", "x"), "c.yaml", chroot("c", "a"), "d.yaml", chroot("d", "y"))})
	for name, want := range map[string]bool{"a": true, "b": true, "c": true, "d": false} {
		if got := len(s.Entries.At(Key{"Chroot", name}).Problems) > 0; got != want {
			t.Errorf("chroot %s has problems: %t, want %t: %v", name, got, want, s.Entries.At(Key{"Chroot", name}).Problems)
		}
	}
}
