package manifests

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// at returns the checkout that a folder lies in.
func at(t *testing.T, path string) checkout {
	t.Helper()
	dir, err := os.Open(path)
	must(t, err)
	defer dir.Close()
	return checkoutAt(dir)
}

// TestRevision compares what is read of Git's files with what Git says.
func TestRevision(t *testing.T) {
	repo := newRepository(t)
	repo.commit("a")
	other := t.TempDir()
	for _, row := range []struct {
		name string
		make func() (folder string)
	}{
		{"a branch", func() string { return repo.dir + "/farm" }},
		{"a branch with a slash", func() string {
			repo.git("checkout", "--quiet", "-b", "team/a")
			repo.commit("a", "b")
			return repo.dir
		}},
		{"packed references", func() string {
			repo.git("pack-refs", "--all")
			return repo.dir + "/farm"
		}},
		{"a commit alone", func() string {
			repo.git("checkout", "--quiet", "--detach", "HEAD~1")
			return repo.dir + "/farm"
		}},
		{"a work tree", func() string {
			repo.git("worktree", "add", "--quiet", other+"/tree", "main")
			return other + "/tree/farm"
		}},
		{"a work tree of a commit", func() string {
			repo.git("worktree", "add", "--quiet", "--detach", other+"/detached", "HEAD")
			return other + "/detached"
		}},
		{"a folder of Git's elsewhere", func() string {
			run(t, "/", "git", "clone", "--quiet", "--separate-git-dir", other+"/git", repo.dir, other+"/clone")
			return other + "/clone/farm"
		}},
		{"a submodule", func() string {
			run(t, other, "git", "init", "--quiet", "super")
			run(t, other+"/super", "git", "-c", "protocol.file.allow=always", "submodule", "--quiet", "add", repo.dir, "sub")
			return other + "/super/sub/farm"
		}},
	} {
		t.Run(row.name, func(t *testing.T) {
			folder := row.make()
			want := run(t, folder, "git", "rev-parse", "HEAD")
			if got := at(t, folder); got.revision != want {
				t.Errorf("%q, want %q", got.revision, want)
			}
		})
	}
	if c := at(t, other); c.revision != "" || c.git != "" {
		t.Errorf("a folder in no checkout: %+v", c)
	}
}

// TestRevisionOfNothing has in place of Git's files what is none.
func TestRevisionOfNothing(t *testing.T) {
	const sha = "0123456789012345678901234567890123456789"
	for name, prepare := range map[string]func(git string){
		"no HEAD":                  func(string) {},
		"a branch without commits": func(git string) { write(t, git+"/HEAD", "ref: refs/heads/main\n") },
		"references in a table":    func(git string) { write(t, git+"/HEAD", "ref: refs/heads/.invalid\n") },
		"a path for a reference":   func(git string) { write(t, git+"/HEAD", "ref: refs/../../commit\n") },
		"another path":             func(git string) { write(t, git+"/HEAD", "ref: /etc/passwd\n") },
		"a reference to itself": func(git string) {
			write(t, git+"/HEAD", "ref: refs/x\n")
			must(t, os.Mkdir(git+"/refs", 0o755))
			write(t, git+"/refs/x", "ref: refs/x\n")
		},
		"half a commit": func(git string) { write(t, git+"/HEAD", sha[:20]+"\n") },
		"anything":      func(git string) { write(t, git+"/HEAD", "\x00\xff") },
		"nothing":       func(git string) { write(t, git+"/HEAD", "") },
		"a FIFO":        func(git string) { must(t, unix.Mkfifo(git+"/HEAD", 0o644)) },
		"a folder":      func(git string) { must(t, os.Mkdir(git+"/HEAD", 0o755)) },
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			write(t, filepath.Dir(dir)+"/commit", sha+"\n")
			must(t, os.Mkdir(dir+"/.git", 0o755))
			prepare(dir + "/.git")
			if c := at(t, dir); c.revision != "" {
				t.Errorf("%+v", c)
			}
		})
	}
	dir := t.TempDir()
	write(t, dir+"/.git", "gitdir: elsewhere\n")
	if c := at(t, dir); c != (checkout{}) {
		t.Errorf("a file that leads nowhere: %+v", c)
	}
}

func TestLocked(t *testing.T) {
	git := t.TempDir()
	if busy, problem := (checkout{}).locked(); busy || problem != "" {
		t.Error("no checkout is locked")
	}
	c := checkout{git: git}
	if busy, problem := c.locked(); busy || problem != "" {
		t.Error("it is locked without a lock")
	}
	lock := git + "/index.lock"
	write(t, lock, "")
	for age, wantBusy := range map[time.Duration]bool{0: true, -time.Second: true, 30 * time.Second: true, 2 * time.Minute: false, -2 * time.Minute: false} {
		when := time.Now().Add(-age)
		must(t, os.Chtimes(lock, when, when))
		if busy, problem := c.locked(); busy != wantBusy || (problem == "") != wantBusy {
			t.Errorf("locked for %s: busy %v, %q", age, busy, problem)
		}
	}
}
