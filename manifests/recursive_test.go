package manifests

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

// tree is a pass over a folder that is watched with those in it: a line for each of
// them, with its number and the sessions that it has a manifest of. What follows a "!"
// is why it cannot be looked at; "busy" is for one that somebody changes.
func tree(lines ...string) pass {
	p := pass{folder: Folder{Path: folder, Recursive: true}}
	for _, line := range lines {
		line, why, _ := strings.Cut(line, "!")
		words := strings.Fields(line)
		at := part{path: filepath.Join(folder, words[0]), unavailable: why, place: place{inode: uint64(words[1][0])}, identity: words[1], stamp: 1}
		for _, word := range words[2:] {
			if word == "busy" {
				at.busy = true
				continue
			}
			at.files = append(at.files, file{path: at.path + "/" + word + ".yaml", data: []byte(session(word, 1))})
		}
		p.parts = append(p.parts, at)
	}
	return p
}

func TestMergeOfFoldersInFolders(t *testing.T) {
	all := tree(". 1 a", "x 2 b", "x/y 3 c", "z 4 d")
	for _, row := range []struct {
		name   string
		passes []pass
		want   []string
	}{
		{"all are read", []pass{all}, []string{"session/a a.yaml", "session/b x/b.yaml", "session/c x/y/c.yaml", "session/d z/d.yaml"}},
		{"one is removed", []pass{all, tree(". 1 a", "z 4 d")}, []string{"session/a a.yaml", "session/d z/d.yaml"}},
		{"one is emptied", []pass{all, tree(". 1 a", "x 2 b", "x/y 3", "z 4 d")}, []string{"session/a a.yaml", "session/b x/b.yaml", "session/d z/d.yaml"}},
		{"one cannot be read, and what is below neither", []pass{all, tree(". 1 a", "x 2 !no", "z 4 d")},
			[]string{"session/a a.yaml", "session/b x/b.yaml stale", "session/c x/y/c.yaml stale", "session/d z/d.yaml", "/m/x: no"}},
		{"and is back", []pass{all, tree(". 1 a", "x 2 !no", "z 4 d"), all}, []string{"session/a a.yaml", "session/b x/b.yaml", "session/c x/y/c.yaml", "session/d z/d.yaml"}},
		{"the uppermost cannot be read", []pass{all, tree(". 1 !no")},
			[]string{"session/a a.yaml stale", "session/b x/b.yaml stale", "session/c x/y/c.yaml stale", "session/d z/d.yaml stale", "/m: no"}},
		{"all is another, and empty", []pass{all, tree(". 5")},
			[]string{"session/a a.yaml stale", "session/b x/b.yaml stale", "session/c x/y/c.yaml stale", "session/d z/d.yaml stale", "/m: it is empty"}},
		{"all is another, with empty folders", []pass{all, tree(". 5", "x 6", "x/y 7")},
			[]string{"session/a a.yaml stale", "session/b x/b.yaml stale", "session/c x/y/c.yaml stale", "session/d z/d.yaml stale", "/m: it is empty"}},
		{"a folder with nothing but folders is another, and empty", []pass{tree(". 1", "x 2", "x/y 3 c"), tree(". 1", "x 5")},
			[]string{"session/c x/y/c.yaml stale", "/m/x: it is empty"}},
		{"and then somebody makes a change in it", []pass{tree(". 1", "x 2", "x/y 3 c"), tree(". 1", "x 5"), madeInSecond(tree(". 1", "x 5"))}, nil},
		{"one is another, with something in a folder", []pass{all, tree(". 1 a", "x 5", "x/y 6 b", "z 4 d")},
			[]string{"session/a a.yaml", "session/b x/y/b.yaml", "session/d z/d.yaml"}},
		{"a session moves to another folder", []pass{all, tree(". 1 a", "x 2", "x/y 3 c", "z 4 d b")},
			[]string{"session/a a.yaml", "session/b z/b.yaml", "session/c x/y/c.yaml", "session/d z/d.yaml"}},
		{"somebody changes all", []pass{all, tree(". 1 busy")},
			[]string{"session/a a.yaml", "session/b x/b.yaml", "session/c x/y/c.yaml", "session/d z/d.yaml"}},
		{"somebody changes one", []pass{all, tree(". 1", "x 2 busy", "z 4 d")},
			[]string{"session/b x/b.yaml", "session/c x/y/c.yaml", "session/d z/d.yaml"}},
		{"and is done", []pass{all, tree(". 1", "x 2 busy", "z 4 d"), tree(". 1", "x 2", "z 4 d")}, []string{"session/d z/d.yaml"}},
		{"somebody changes it from the start", []pass{tree(". 1 a", "x 2 busy")}, []string{"session/a a.yaml", "session/nowhere?"}},
		{"one is never seen", []pass{tree(". 1 a", "x 2 !no")}, []string{"session/a a.yaml", "/m/x: no", "session/nowhere?"}},
	} {
		t.Run(row.name, func(t *testing.T) {
			var s Set
			for _, p := range row.passes {
				s = merge(s, []pass{p})
			}
			got := text(s)
			for _, path := range slices.Sorted(keysOf(s.Folders)) {
				if problem := s.Folders[path]; problem != "" {
					why, _, _ := strings.Cut(problem, ",")
					got = append(got, path+": "+why)
				}
			}
			got = slices.DeleteFunc(got, func(line string) bool { return line == "folder" })
			if s.MayHold(Key{"Session", "nowhere"}) {
				got = append(got, "session/nowhere?")
			}
			if diff := cmp.Diff(row.want, got); diff != "" {
				t.Errorf("set (-want +got):\n%s", diff)
			}
			if again := merge(s, []pass{row.passes[len(row.passes)-1]}); len(Diff(s, again)) != 0 {
				t.Errorf("the same look changes %v", Diff(s, again))
			}
		})
	}
}

func keysOf(m map[string]string) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}

// madeInSecond is a pass in whose second folder something was made and removed.
func madeInSecond(p pass) pass {
	p.parts = slices.Clone(p.parts)
	p.parts[1].stamp++
	return p
}

// recursive is a source of one folder with those in it.
func recursive(path string) *Source {
	return &Source{Folders: []Folder{{Path: path, Recursive: true}}}
}

func TestFoldersInFolders(t *testing.T) {
	base := t.TempDir()
	m := base + "/m"
	for _, path := range []string{"m/x/y", "m/.git", "m/z.yaml", "m/.hidden", "out"} {
		must(t, os.MkdirAll(filepath.Join(base, path), 0o755))
	}
	for path, name := range map[string]string{
		"m/a": "a", "m/x/b": "b", "m/x/y/c": "c", "m/.git/d": "d", "m/z.yaml/e": "e", "m/.hidden/f": "f", "out/g": "g",
	} {
		write(t, base+"/"+path+".yaml", session(name, 1))
	}
	must(t, os.Symlink("../out", m+"/outside"))
	must(t, os.Symlink("nowhere", m+"/dangling"))
	must(t, os.Symlink("..", m+"/x/circle"))
	must(t, os.Symlink("x", m+"/again"))
	must(t, os.Symlink("../.hidden", m+"/x/led"))
	s := recursive(m)
	if set := s.Refresh(); names(set) != "a b c e f" || problems(set) != "" {
		t.Errorf("sessions %q, problems %q", names(set), problems(set))
	}
	if at := s.Current().Entries.At(Key{"Session", "f"}).Place.Manifest; at != m+"/x/led/f.yaml" {
		t.Errorf("f is at %s", at)
	}
	must(t, os.Chmod(m+"/x", 0o777))
	set := s.Refresh()
	if names(set) != "a b c e f" || !strings.Contains(problems(set), "chmod go-w "+m+"/x") || !set.Entries.At(Key{"Session", "c"}).Stale {
		t.Errorf("sessions %q, problems %q", names(set), problems(set))
	}
	must(t, os.Chmod(m+"/x", 0o755))
	must(t, os.Remove(m+"/x/led"))
	must(t, os.RemoveAll(m+"/x/y"))
	if set := s.Refresh(); names(set) != "a b e" || problems(set) != "" {
		t.Errorf("sessions %q, problems %q", names(set), problems(set))
	}
	if set := (&Source{Folders: []Folder{{Path: m}}}).Refresh(); names(set) != "a" || !strings.Contains(problems(set), "no regular file") {
		t.Errorf("not recursive: sessions %q, problems %q", names(set), problems(set))
	}
}

// A link to a folder that leads to an empty one, or nowhere, is not a wish to delete.
func TestLinkToAFolderInAFolder(t *testing.T) {
	m := t.TempDir()
	for _, path := range []string{"/.trees/1", "/.trees/2", "/.trees/empty"} {
		must(t, os.MkdirAll(m+path, 0o755))
	}
	write(t, m+"/.trees/1/a.yaml", session("a", 1))
	write(t, m+"/.trees/2/b.yaml", session("b", 1))
	flip := func(to string) {
		must(t, os.Symlink(".trees/"+to, m+"/.next"))
		must(t, os.Rename(m+"/.next", m+"/current"))
	}
	s := recursive(m)
	for _, step := range []struct{ to, sessions, problem string }{
		{"1", "a", ""}, {"2", "b", ""}, {"empty", "b", "it is empty"}, {"nowhere", "b", "cannot be opened"}, {"1", "a", ""},
	} {
		flip(step.to)
		set := s.Refresh()
		if names(set) != step.sessions || !strings.Contains(problems(set), step.problem) || step.problem == "" && problems(set) != "" {
			t.Errorf("%s: sessions %q, problems %q", step.to, names(set), problems(set))
		}
	}
	must(t, os.Remove(m+"/current"))
	if set := s.Refresh(); names(set) != "" || problems(set) != "" {
		t.Errorf("without the link: sessions %q, problems %q", names(set), problems(set))
	}
}

// What is mounted in a folder is not read with it: when it is unmounted, nothing is
// to seem removed.
func TestMountInAFolder(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs root")
	}
	m := t.TempDir()
	must(t, os.Mkdir(m+"/x", 0o755))
	write(t, m+"/x/a.yaml", session("a", 1))
	s := recursive(m)
	if set := s.Refresh(); names(set) != "a" {
		t.Fatalf("sessions %q", names(set))
	}
	must(t, unix.Mount("x", m+"/x", "tmpfs", 0, "mode=755"))
	t.Cleanup(func() { _ = unix.Unmount(m+"/x", unix.MNT_DETACH) }) // gone, if all went well
	write(t, m+"/x/b.yaml", session("b", 1))
	if set := s.Refresh(); names(set) != "a" || !strings.Contains(problems(set), "a --manifest-dir of its own") {
		t.Errorf("mounted over: sessions %q, problems %q", names(set), problems(set))
	}
	must(t, unix.Unmount(m+"/x", 0))
	if set := s.Refresh(); names(set) != "a" || problems(set) != "" {
		t.Errorf("unmounted: sessions %q, problems %q", names(set), problems(set))
	}
}

// A folder with folders that is empty after a restart is not the one that held them.
func TestFoldersInFoldersAfterARestart(t *testing.T) {
	base := t.TempDir()
	m, memory := base+"/m", base+"/memory"
	must(t, os.MkdirAll(m+"/x", 0o755))
	write(t, m+"/x/a.yaml", session("a", 1))
	folder := Folder{Path: m, Recursive: true}
	start(t, memory, folder).Refresh()
	must(t, os.Rename(m, base+"/aside"))
	must(t, os.MkdirAll(m+"/x", 0o755))
	if set := start(t, memory, folder).Refresh(); set.Complete() || !strings.Contains(problems(set), "it is empty") {
		t.Errorf("problems %q", problems(set))
	}
	must(t, os.RemoveAll(m))
	must(t, os.Rename(base+"/aside", m))
	must(t, os.Remove(m+"/x/a.yaml"))
	if set := start(t, memory, folder).Refresh(); !set.Complete() || problems(set) != "" {
		t.Errorf("problems %q", problems(set))
	}
}

func TestNewFoldersAreHeard(t *testing.T) {
	m := t.TempDir()
	w := followAll(t, Folder{Path: m, Recursive: true})
	w.has("")
	must(t, os.MkdirAll(m+"/x/y/z", 0o755))
	write(t, m+"/x/y/z/a.yaml", session("a", 1))
	w.has("a")
	write(t, m+"/x/b.yaml", session("b", 1))
	w.has("a b")
	must(t, os.Rename(m+"/x/y", m+"/other"))
	w.until("a is elsewhere", func(s Set) bool {
		if names(s) != "a b" {
			t.Fatalf("sessions %q on the way", names(s))
		}
		return s.Entries.At(Key{"Session", "a"}).Place.Manifest == m+"/other/z/a.yaml"
	})
	write(t, m+"/other/z/c.yaml", session("c", 1))
	w.has("a b c")
	must(t, os.RemoveAll(m+"/other"))
	w.has("b")
}
