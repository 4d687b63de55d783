package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"coppice.dev/status"
)

// gitScript begins scripts that use Git as if nobody had configured it.
const gitScript = `export GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_NOSYSTEM=1
export GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@localhost GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@localhost
`

// commit makes what is in a folder of the repository a commit, and returns its name.
func (h *host) commit() string {
	h.t.Helper()
	return strings.TrimSpace(h.shell(gitScript + `cd repo; git add --all; git commit --quiet --message next; git rev-parse HEAD`))
}

// sync does with a commit what git-sync does: a work tree of its own, a link made
// beside the one that is followed and renamed over it, and the old tree removed.
func (h *host) sync(commit string) {
	h.t.Helper()
	h.shell(gitScript + fmt.Sprintf(`cd synced; old=$(readlink current || true)
		git fetch --quiet origin main; git worktree add --quiet --detach .worktrees/%[1]s %[1]s
		ln -s .worktrees/%[1]s tmp-link; mv -T tmp-link current
		[ -z "$old" ] || { rm -r "$old"; git worktree prune; }`, commit))
}

// folder waits until the status of a watched folder is as wanted.
func (h *host) folder(path, what string, ok func(status.File) bool) {
	h.t.Helper()
	h.until(path+" is "+what, func() bool {
		f, err := status.Read(h.run+"/status", "Folder", path)
		return err == nil && ok(f)
	})
}

func readyFolder(f status.File) bool { return f.Status.Phase == status.Ready }

// TestGitSyncedHost has a repository synced into the watched folder: sessions come
// and go with commits, and nothing goes for a sync that went wrong.
func TestGitSyncedHost(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	root := h.root("root")
	if _, err := exec.LookPath("git"); err != nil {
		t.Skip("there is no git here")
	}
	h.shell(gitScript + `git init --quiet --initial-branch main repo; mkdir -p repo/sessions/team; git init --quiet --bare synced/.git; git -C synced remote add origin "$PWD/repo"`)
	put := func(file, name string, more ...string) {
		must(t, os.WriteFile(h.base+"/repo/sessions/"+file, []byte(session(name, directory(root), more...)), 0o644))
	}
	put("a.yaml", "a")
	put("team/b.yaml", "b")
	first := h.commit()
	h.sync(first)
	folder := h.base + "/synced/current/sessions"
	h.manifests = folder
	h.startAs(h.command("--recursive"))
	h.ready("a", "b")
	inside := h.status("a").Namespace
	h.folder(folder, "at the first commit", func(f status.File) bool { return readyFolder(f) && f.Status.Folder.Revision == first })
	if out := h.do("get", "folders", "-o", "wide"); !strings.Contains(out, first) {
		t.Errorf("the commit is not told:\n%s", out)
	}
	put("team/c.yaml", "c")
	must(t, os.Remove(h.base+"/repo/sessions/team/b.yaml"))
	second := h.commit()
	h.sync(second)
	h.ready("c")
	h.gone("b")
	if s := h.status("a"); s.Namespace != inside || s.Source.Revision != first {
		t.Errorf("session a was touched: %s at %s, before %s at %s", s.Namespace, s.Source.Revision, inside, first)
	}
	if s := h.status("c"); s.Source.Revision != second {
		t.Errorf("session c came with %q, want %s", s.Source.Revision, second)
	}
	// A commit with a mistake: what it breaks stays as it was, the rest is taken.
	put("a.yaml", "a", "tll: 1h")
	put("d.yaml", "d")
	h.sync(h.commit())
	h.ready("d")
	h.folder(folder, "told to be wrong", func(f status.File) bool {
		c := f.Status.Condition(status.ConditionReady)
		return c != nil && c.Reason == "InvalidManifest" && strings.Contains(c.Message, "a.yaml")
	})
	h.exec("a", "cat /etc/motd")
	// The link leads nowhere, then to a tree without anything.
	h.shell("ln -s .worktrees/nowhere synced/tmp-link; mv -T synced/tmp-link synced/current")
	h.folder(folder, "told to be missing", func(f status.File) bool { return f.Status.Phase == status.Failed })
	h.shell("mkdir -p synced/.worktrees/empty/sessions; ln -s .worktrees/empty synced/tmp-link; mv -T synced/tmp-link synced/current")
	h.folder(folder, "told to be empty", func(f status.File) bool {
		c := f.Status.Condition(status.ConditionReady)
		return c != nil && strings.Contains(c.Message, "it is empty")
	})
	for _, name := range []string{"a", "c", "d"} {
		h.exec(name, "cat /etc/motd")
	}
	put("a.yaml", "a")
	third := h.commit()
	h.sync(third)
	h.folder(folder, "at the third commit", func(f status.File) bool { return readyFolder(f) && f.Status.Folder.Revision == third })
	for _, name := range []string{"a", "c", "d"} {
		h.exec(name, "cat /etc/motd")
	}
	h.shell("rm synced/current/sessions/*.yaml synced/current/sessions/team/*")
	h.gone("a", "c", "d")
	h.nothingLeft()
}
