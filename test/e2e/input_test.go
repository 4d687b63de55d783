package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"coppice.dev/status"
)

// crowd begins sessions that are quick to make, each in a file of its own below
// the folder.
func (h *host) crowd(folder string, n int) (names []string) {
	h.t.Helper()
	root := h.root("crowd")
	for i := range n {
		name := fmt.Sprintf("s%02d", i)
		names = append(names, name)
		text := session(name, directory(root)+", union: {upper: {medium: Memory}}", "expose: None", "profile: {mounts: []}")
		must(h.t, os.WriteFile(filepath.Join(folder, name+".yaml"), []byte(text), 0o644))
	}
	h.ready(names...)
	return names
}

// rooms returns the numbers of the sessions' namespaces: what is torn down and
// made again has another.
func (h *host) rooms(names []string) string {
	h.t.Helper()
	var all []string
	for _, name := range names {
		pins, err := filepath.Glob(h.run + "/ns/" + name + ".*")
		must(h.t, err)
		for _, pin := range pins {
			var st unix.Stat_t
			must(h.t, unix.Stat(pin, &st))
			all = append(all, fmt.Sprintf("%s %d", name, st.Ino))
		}
	}
	return strings.Join(all, "\n")
}

func isHeld(s status.Status) bool {
	c := s.Condition(status.ConditionUpToDate)
	return c != nil && c.Reason == status.ReasonDeletionHeld
}

// keptAs wants that all sessions stay as they were, and that a look at all of
// them has been taken since.
func (h *host) keptAs(rooms string, names []string, what string) {
	h.t.Helper()
	h.ready(names...)
	if now := h.rooms(names); now != rooms {
		h.t.Errorf("%s: sessions were touched:\n%s\nwere\n%s", what, now, rooms)
	}
}

// TestManifestsThatVanish takes a folder's manifests away in every way but one
// after the other.
func TestManifestsThatVanish(t *testing.T) {
	h := newHost(t)
	h.guarded = true
	h.start()
	names := h.crowd(h.manifests, 14)
	before := h.rooms(names)
	h.shell("mkdir aside; mv m/*.yaml aside/")
	for _, name := range names {
		h.is(name, "held", isHeld)
	}
	h.keptAs(before, names, "an emptied folder")
	if out, code := h.try("prune"); code != 1 || !strings.Contains(out, "s13") || !strings.Contains(out, "14 sessions are kept") || !strings.Contains(out, "coppice prune --confirm") {
		t.Errorf("prune: %d\n%s", code, out)
	}
	if out := h.do("get", "sessions"); !strings.Contains(out, "14 sessions are kept") || !strings.Contains(out, "coppice prune") {
		t.Errorf("get says nothing of it:\n%s", out)
	}
	if out := h.do("get", "manifests"); !strings.Contains(out, h.manifests) {
		t.Errorf("get manifests says nothing of the folder:\n%s", out)
	}
	if out := h.do("describe", "session", "s03"); !strings.Contains(out, "coppice prune --confirm") {
		t.Errorf("describe:\n%s", out)
	}
	// A daemon that starts anew finds the same, whether it was killed or not.
	h.kill()
	h.start()
	h.is("s00", "held", isHeld)
	h.keptAs(before, names, "a restart")
	// The files come back.
	h.shell("mv aside/*.yaml m/")
	for _, name := range names {
		h.is(name, "wanted again", func(s status.Status) bool { return !isHeld(s) })
	}
	h.keptAs(before, names, "files that are back")
	if out, code := h.try("prune"); code != 0 || !strings.Contains(out, "No session is kept") {
		t.Errorf("prune: %d\n%s", code, out)
	}
	// Others are not in the way of one that is deleted in so many words, nor is
	// it of them.
	h.shell("mv m/*.yaml aside/")
	h.is("s00", "held", isHeld)
	h.do("delete", "session", "s00")
	if _, code := h.try("get", "session", "s00"); code == 0 {
		t.Error("it was deleted in so many words, and is still there")
	}
	h.is("s01", "held", isHeld)
	if out := h.do("prune", "--confirm"); !strings.Contains(out, "session/s13 pruned") {
		t.Errorf("prune --confirm:\n%s", out)
	}
	h.nothingLeft()
}

// TestFolderThatIsNotItself has another folder, or none, where the folder of
// manifests was.
func TestFolderThatIsNotItself(t *testing.T) {
	h := newHost(t)
	h.guarded = true
	disk := h.base + "/disk"
	must(t, os.Mkdir(disk, 0o755))
	must(t, unix.Mount("coppice-test", disk, "tmpfs", 0, "size=1m"))
	must(t, os.Mkdir(disk+"/m", 0o755))
	must(t, os.Remove(h.manifests))
	must(t, os.Symlink("disk/m", h.manifests))
	h.start()
	names := h.crowd(h.manifests, 4)
	before := h.rooms(names)
	missed := func(what string) {
		t.Helper()
		h.until(what+" is told", func() bool {
			out, _ := h.try("get", "manifests")
			return strings.Contains(out, h.manifests)
		})
		h.keptAs(before, names, what)
	}
	fine := func() {
		t.Helper()
		h.until("all is well again", func() bool {
			out, _ := h.try("get", "manifests")
			return !strings.Contains(out, h.manifests)
		})
	}
	for _, row := range []struct{ name, break_, mend string }{
		{"a dangling link", "mv disk/m disk/aside", "mv disk/aside disk/m"},
		{"a circle of links", "ln -sfn m m", "ln -sfn disk/m m"},
		{"a file in its place", "rm m; echo no >m", "rm m; ln -s disk/m m"},
		{"nothing", "rm m", "ln -s disk/m m"},
		{"an unmounted disk", "umount -l disk", ""},
	} {
		if row.mend == "" {
			// What is behind the mount is an empty folder, and stays away.
			h.shell(row.break_ + "; mkdir disk/m")
			missed(row.name + " with an empty folder behind")
			h.kill()
			h.start()
			missed(row.name + ", and a restart")
			continue
		}
		h.shell(row.break_)
		missed(row.name)
		h.shell(row.mend)
		fine()
	}
}

// TestASyncThatLosesFiles swaps the folder as git-sync does, for a commit in
// which most of it is missing.
func TestASyncThatLosesFiles(t *testing.T) {
	h := newHost(t)
	h.guarded = true
	must(t, os.Remove(h.manifests))
	h.shell("mkdir -p repo/.worktrees/one; ln -s .worktrees/one repo/current; ln -s repo/current m")
	h.start()
	names := h.crowd(h.manifests, 12)
	before := h.rooms(names)
	swap := func(commit string) {
		h.shell("ln -s .worktrees/" + commit + " repo/tmp-link; mv -T repo/tmp-link repo/current")
	}
	h.shell("mkdir repo/.worktrees/two; cp repo/.worktrees/one/s00.yaml repo/.worktrees/two/")
	swap("two")
	for _, name := range names[1:] {
		h.is(name, "held", isHeld)
	}
	h.keptAs(before, names, "a commit without most files")
	h.shell("mkdir repo/.worktrees/three; cp repo/.worktrees/one/* repo/.worktrees/three/; rm -r repo/.worktrees/two")
	swap("three")
	for _, name := range names {
		h.is(name, "wanted again", func(s status.Status) bool { return !isHeld(s) })
	}
	h.keptAs(before, names, "the files are back")
	// A commit that takes a few is a commit that takes a few.
	h.shell("mkdir repo/.worktrees/four; cp repo/.worktrees/one/s0[0-7].yaml repo/.worktrees/four/")
	swap("four")
	h.gone(names[8:]...)
	h.keptAs(h.rooms(names[:8]), names[:8], "the others")
	h.shell("rm repo/.worktrees/four/*")
	h.gone(names[:8]...)
	h.nothingLeft()
}
