package manifests

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// run runs a program in a folder, and returns what it says.
func run(t *testing.T, dir string, words ...string) string {
	t.Helper()
	cmd := exec.Command(words[0], words[1:]...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_NOSYSTEM=1",
		"GIT_AUTHOR_NAME=a", "GIT_AUTHOR_EMAIL=a@localhost", "GIT_COMMITTER_NAME=a", "GIT_COMMITTER_EMAIL=a@localhost", "HOME="+t.TempDir())
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", strings.Join(words, " "), err, out)
	}
	return strings.TrimSpace(string(out))
}

// repository is a local repository of Git with manifests.
type repository struct {
	t   *testing.T
	dir string
}

func newRepository(t *testing.T) *repository {
	t.Helper()
	if _, err := exec.LookPath("git"); err != nil {
		t.Skip("needs git")
	}
	r := &repository{t, t.TempDir()}
	r.git("init", "--quiet", "--initial-branch", "main")
	return r
}

func (r *repository) git(words ...string) string {
	r.t.Helper()
	return run(r.t, r.dir, append([]string{"git", "-c", "gc.auto=0"}, words...)...)
}

// commit makes the manifests of a commit those of the sessions, in the folder "farm",
// and returns its name.
func (r *repository) commit(sessions ...string) string {
	r.t.Helper()
	must(r.t, os.RemoveAll(r.dir+"/farm"))
	must(r.t, os.MkdirAll(r.dir+"/farm", 0o755))
	write(r.t, r.dir+"/farm/README", "something is always there")
	for _, name := range sessions {
		write(r.t, r.dir+"/farm/"+name+".yaml", session(name, 1))
	}
	r.git("add", "--all")
	r.git("commit", "--quiet", "--allow-empty", "--message", "sessions: "+strings.Join(sessions, " "))
	return r.git("rev-parse", "HEAD")
}

// gitSync plays git-sync step by step: it fetches, checks a commit out into a work tree
// of its own, makes a link beside the one that is followed, renames it over that, and
// removes the work tree from before.
type gitSync struct {
	t    *testing.T
	root string
	last string
}

func newGitSync(t *testing.T, from *repository) *gitSync {
	t.Helper()
	g := &gitSync{t: t, root: t.TempDir() + "/root"}
	run(t, "/", "git", "clone", "--quiet", "--bare", from.dir, g.root+"/.git")
	return g
}

func (g *gitSync) sync(commit string) {
	g.t.Helper()
	git := func(words ...string) { run(g.t, g.root, append([]string{"git", "-C", g.root}, words...)...) }
	tree := ".worktrees/" + commit
	git("fetch", "--quiet", "origin", "+refs/heads/*:refs/heads/*")
	git("worktree", "add", "--quiet", "--no-checkout", "--detach", tree, commit)
	run(g.t, g.root+"/"+tree, "git", "reset", "--quiet", "--hard", commit)
	must(g.t, os.Symlink(tree, g.root+"/tmp-link"))
	must(g.t, os.Rename(g.root+"/tmp-link", g.root+"/current"))
	if g.last != "" {
		must(g.t, os.RemoveAll(g.root+"/.worktrees/"+g.last))
		git("worktree", "prune")
	}
	g.last = commit
}

// TestGitSync follows what git-sync makes of a repository: no session that is in the
// old commit and in the new one is ever missing, and none goes that should not.
func TestGitSync(t *testing.T) {
	repo := newRepository(t)
	commit := repo.commit("a", "b")
	g := newGitSync(t, repo)
	g.sync(commit)
	w := followAll(t, Folder{Path: g.root + "/current/farm"})
	w.has("a b")
	first := commit
	for i := range 5 {
		added := fmt.Sprintf("n%d", i)
		commit = repo.commit("a", added)
		g.sync(commit)
		w.until("the next commit is seen", func(s Set) bool {
			if !slices.Contains(s.Names("Session"), "a") || problems(s) != "" {
				t.Fatalf("sessions %q, problems %q on the way", names(s), problems(s))
			}
			return names(s) == "a "+added
		})
		sum, _ := w.last.Summary(g.root + "/current/farm")
		if sum.Revision != commit {
			t.Errorf("the folder is at %s, want %s", sum.Revision, commit)
		}
		if got := w.last.Entries.At(Key{"Session", added}).Revision; got != commit {
			t.Errorf("%s came with %s, want %s", added, got, commit)
		}
		if got := w.last.Entries.At(Key{"Session", "a"}).Revision; got != first {
			t.Errorf("a, which is as it was, came with %s, want %s", got, first)
		}
	}
	// A commit without the folder: it is not there, and all stays.
	must(t, os.RemoveAll(repo.dir+"/farm"))
	write(t, repo.dir+"/README", "nothing")
	repo.git("add", "--all")
	repo.git("commit", "--quiet", "--message", "gone")
	g.sync(repo.git("rev-parse", "HEAD"))
	w.until("the folder is missing", func(s Set) bool { return problems(s) != "" })
	if names(w.last) != "a n4" {
		t.Errorf("sessions %q", names(w.last))
	}
	// One whose folder has no manifests in it: it is another folder, and empty.
	g.sync(repo.commit())
	w.until("the folder is empty", func(s Set) bool { return strings.Contains(problems(s), "it is empty") })
	if names(w.last) != "a n4" {
		t.Errorf("sessions %q", names(w.last))
	}
	g.sync(repo.commit("z"))
	w.has("z")
}

// TestGitSyncInAFolder watches the folder that git-sync works in, with all in it.
func TestGitSyncInAFolder(t *testing.T) {
	repo := newRepository(t)
	commit := repo.commit("a")
	g := newGitSync(t, repo)
	g.sync(commit)
	w := followAll(t, Folder{Path: g.root, Recursive: true})
	w.has("a")
	commit = repo.commit("a", "b")
	g.sync(commit)
	w.until("the next commit is seen", func(s Set) bool {
		if !slices.Contains(s.Names("Session"), "a") {
			t.Fatalf("sessions %q on the way", names(s))
		}
		return names(s) == "a b"
	})
	if sum, _ := w.last.Summary(g.root); sum.Revision != commit {
		t.Errorf("it is at %q, want %s", sum.Revision, commit)
	}
}

// TestPull has a checkout itself watched. While Git changes it, files are removed and
// written one by one; what is seen meanwhile is no wish.
func TestPull(t *testing.T) {
	repo := newRepository(t)
	var all []string
	for i := range 50 {
		all = append(all, fmt.Sprintf("s%02d", i))
	}
	repo.commit(all...)
	clone := t.TempDir() + "/clone"
	run(t, "/", "git", "clone", "--quiet", repo.dir, clone)
	w := followAll(t, Folder{Path: clone, Recursive: true})
	w.has(strings.Join(all, " "))
	// A slow disk, as it were: Git waits in the middle of its work.
	lock := clone + "/.git/index.lock"
	write(t, lock, "")
	must(t, os.Rename(clone+"/farm", clone+"/.aside"))
	w.until("something is heard", func(s Set) bool { return s.unheard() })
	if names(w.last) != strings.Join(all, " ") || problems(w.last) != "" {
		t.Errorf("in the middle: sessions %q, problems %q", names(w.last), problems(w.last))
	}
	must(t, os.Rename(clone+"/.aside", clone+"/farm"))
	must(t, os.Remove(lock))
	w.until("Git is done", func(s Set) bool { return !s.unheard() })
	// Itself.
	next := repo.commit(append([]string{"new"}, all[:10]...)...)
	run(t, clone, "git", "pull", "--quiet", "--ff-only")
	w.until("all is pulled", func(s Set) bool {
		if !slices.Contains(s.Names("Session"), "s05") || problems(s) != "" {
			t.Fatalf("sessions %q, problems %q on the way", names(s), problems(s))
		}
		sum, _ := s.Summary(clone)
		return names(s) == "new "+strings.Join(all[:10], " ") && sum.Revision == next
	})
	// A lock that a crash has left is told of, and nothing goes for it.
	write(t, lock, "")
	old := time.Now().Add(-time.Hour)
	must(t, os.Chtimes(lock, old, old))
	must(t, os.RemoveAll(clone+"/farm"))
	w.until("the lock is told of", func(s Set) bool { return strings.Contains(problems(s), "remove "+lock) })
	if !slices.Contains(w.last.Names("Session"), "s05") {
		t.Errorf("sessions %q", names(w.last))
	}
}

// TestRsync has a folder synced by rsync, which writes each file under a hidden name
// and renames it.
func TestRsync(t *testing.T) {
	if _, err := exec.LookPath("rsync"); err != nil {
		t.Skip("needs rsync")
	}
	from, to := t.TempDir(), t.TempDir()
	for i := range 300 {
		write(t, fmt.Sprintf("%s/s%03d.yaml", from, i), session(fmt.Sprintf("s%03d", i), 1))
	}
	w := follow(t, to)
	w.has("")
	run(t, "/", "rsync", "--recursive", "--times", "--delete", from+"/", to+"/")
	w.until("all is there", func(s Set) bool {
		if problems(s) != "" {
			t.Fatalf("problems %q", problems(s))
		}
		return s.Entries.Len() == 300
	})
	for i := range 100 {
		must(t, os.Remove(fmt.Sprintf("%s/s%03d.yaml", from, i)))
		write(t, fmt.Sprintf("%s/s%03d.yaml", from, i+200), session(fmt.Sprintf("s%03d", i+200), 2))
	}
	run(t, "/", "rsync", "--recursive", "--times", "--checksum", "--delete", from+"/", to+"/")
	w.until("it is as there", func(s Set) bool {
		for i := 100; i < 300; i++ {
			if _, is := s.Entries.Get(Key{"Session", fmt.Sprintf("s%03d", i)}); !is {
				t.Fatalf("s%03d vanished on the way", i)
			}
		}
		return s.Entries.Len() == 200 && problems(s) == ""
	})
}

// TestEditors has a manifest changed by editors as they do it.
func TestEditors(t *testing.T) {
	scripts := map[string][]string{
		"vim, by renaming": {"vim.tiny", "-es", "-u", "NONE", "-c", "set backup writebackup backupcopy=no swapfile", "-c", "%s/ttl: 1h/ttl: 2h/", "-c", "wq", "a.yaml"},
		"vim, in place":    {"vim.tiny", "-es", "-u", "NONE", "-c", "set backup writebackup backupcopy=yes swapfile", "-c", "%s/ttl: 1h/ttl: 2h/", "-c", "wq", "a.yaml"},
		"sed":              {"sed", "-i.bak", "s/ttl: 1h/ttl: 2h/", "a.yaml"},
		"Emacs": {"sh", "-ec", `ln -s user@host.1:2 .#a.yaml; cp a.yaml '#a.yaml#'; mv a.yaml a.yaml~
			sed 's/ttl: 1h/ttl: 2h/' a.yaml~ > a.yaml; rm '#a.yaml#' .#a.yaml`},
		"patch": {"sh", "-ec", `cp a.yaml a.yaml.orig; sed 's/ttl: 1h/ttl: 2h/' a.yaml > a.yaml.new; mv a.yaml.new a.yaml; touch a.yaml.rej`},
		"dpkg":  {"sh", "-ec", `sed 's/ttl: 1h/ttl: 2h/' a.yaml > a.yaml.dpkg-new; ln a.yaml a.yaml.dpkg-old; mv a.yaml.dpkg-new a.yaml`},
	}
	for name, words := range scripts {
		t.Run(name, func(t *testing.T) {
			if _, err := exec.LookPath(words[0]); err != nil {
				t.Skip("needs " + words[0])
			}
			dir := t.TempDir()
			write(t, dir+"/a.yaml", session("a", 1))
			w := follow(t, dir)
			w.has("a")
			before := w.last.Entries.At(Key{"Session", "a"}).Hash
			run(t, dir, words...)
			w.until("the change is seen", func(s Set) bool {
				if names(s) != "a" {
					t.Fatalf("sessions %q on the way", names(s))
				}
				return s.Entries.At(Key{"Session", "a"}).Hash != before && problems(s) == ""
			})
		})
	}
}

// TestAnEditorThatTakesItsTime puts the file aside, and writes it anew a little later,
// as Emacs and vim do; then somebody takes it away for good.
func TestAnEditorThatTakesItsTime(t *testing.T) {
	for _, backup := range []string{"a.yaml~", "#a.yaml#", "a.yaml.orig"} {
		t.Run(backup, func(t *testing.T) {
			dir := t.TempDir()
			write(t, dir+"/a.yaml", session("a", 1))
			s := &Source{Folders: []Folder{{Path: dir}}}
			s.Refresh()
			must(t, os.Rename(dir+"/a.yaml", dir+"/"+backup))
			if set := s.Refresh(); names(set) != "a" || problems(set) != "" || !set.unheard() {
				t.Errorf("in the middle: sessions %q, problems %q", names(set), problems(set))
			}
			write(t, dir+"/a.yaml", session("a", 2))
			if set := s.Refresh(); names(set) != "a" || set.unheard() {
				t.Errorf("written: sessions %q", names(set))
			}
		})
	}
	dir := t.TempDir()
	write(t, dir+"/a.yaml", session("a", 1))
	w := follow(t, dir)
	w.has("a")
	must(t, os.Rename(dir+"/a.yaml", dir+"/a.yaml.disabled"))
	w.has("")
	write(t, dir+"/b.yaml", session("b", 1))
	write(t, dir+"/cb.yaml", session("cb", 1))
	w.has("b cb")
	must(t, os.Remove(dir+"/b.yaml")) // another that ends like it is no backup
	w.until("b is gone", func(s Set) bool { return names(s) == "cb" && !s.unheard() })
}

// TestASlowWriter has a file written in two parts, of which the first alone would say
// that the second's session is to go.
func TestASlowWriter(t *testing.T) {
	dir := t.TempDir()
	write(t, dir+"/all.yaml", session("a", 1)+"---\n"+session("b", 1))
	w := follow(t, dir)
	w.has("a b")
	file, err := os.OpenFile(dir+"/all.yaml", os.O_WRONLY|os.O_TRUNC, 0)
	must(t, err)
	_, err = file.WriteString(session("a", 2))
	must(t, err)
	w.until("the writer is seen", func(s Set) bool { return problems(s) != "" })
	if names(w.last) != "a b" {
		t.Errorf("sessions %q while it is written", names(w.last))
	}
	_, err = file.WriteString("---\n" + session("b", 2) + "---\n" + session("c", 1))
	must(t, errors.Join(err, file.Close()))
	w.has("a b c")
}

// TestNothingIsLostOnTheWay moves a manifest between two watched folders while they
// are looked at.
func TestNothingIsLostOnTheWay(t *testing.T) {
	a, b := t.TempDir(), t.TempDir()
	for i := range 100 { // so that a look takes some time
		write(t, fmt.Sprintf("%s/a%d.yaml", a, i), session(fmt.Sprintf("a%d", i), 1))
		write(t, fmt.Sprintf("%s/b%d.yaml", b, i), session(fmt.Sprintf("b%d", i), 1))
	}
	write(t, a+"/moved.yaml", session("moved", 1))
	s := &Source{Folders: []Folder{{Path: a}, {Path: b}}}
	s.Refresh()
	from, to := a, b
	for i := range 300 {
		var moved sync.WaitGroup
		moved.Go(func() {
			time.Sleep(time.Duration(i*10) * time.Microsecond) // at another moment of the look each time
			must(t, os.Rename(filepath.Join(from, "moved.yaml"), filepath.Join(to, "moved.yaml")))
		})
		set := s.Refresh()
		moved.Wait()
		if _, is := set.Entries.Get(Key{"Session", "moved"}); !is {
			t.Fatalf("move %d: it is lost", i)
		}
		from, to = to, from
	}
}

// TestManyFilesInOneFlip: what a sync tool writes in one go is looked at together.
func TestManyFilesInOneFlip(t *testing.T) {
	root := t.TempDir()
	const many = 1000
	for _, tree := range []string{"1", "2"} {
		must(t, os.MkdirAll(root+"/.trees/"+tree, 0o755))
		for i := range many {
			name := fmt.Sprintf("s%s-%d", tree, i)
			write(t, root+"/.trees/"+tree+"/"+name+".yaml", session(name, 1))
		}
	}
	flip := func(to string) {
		must(t, os.Symlink(".trees/"+to, root+"/next"))
		must(t, os.Rename(root+"/next", root+"/current"))
	}
	flip("1")
	looks := 0
	s := &Source{Folders: []Folder{{Path: root + "/current"}}, Resync: time.Hour}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	s.OnChange = func(set Set, _ []Key) {
		looks++
		switch _, is := set.Entries.Get(Key{"Session", "s2-0"}); {
		case set.Entries.Len() != many:
			t.Errorf("look %d: %d sessions", looks, set.Entries.Len())
		case looks == 1:
			flip("2")
		case is:
			cancel()
		}
	}
	s.Run(ctx)
	if looks > 4 {
		t.Errorf("%d looks for one flip", looks)
	}
}
