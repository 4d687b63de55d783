package e2e

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"coppice.dev/status"
)

// TestAnArchiveIsOpened writes into an archive, and has it replaced when that is
// what is meant, and left as it is when not.
func TestAnArchiveIsOpened(t *testing.T) {
	h := newHost(t)
	h.open()
	h.root("root")
	h.shell("tar -C root -c . | zstd -q > root.tar.zst; chmod 640 root.tar.zst; ln -s root.tar.zst link")
	archive := h.base + "/root.tar.zst"
	h.start()
	h.write("p.yaml", full)
	h.write("c.yaml", golden("deb", "file: {path: "+h.base+"/link}"))
	h.until("there is the chroot", func() bool { _, code := h.try("get", "chroot", "deb"); return code == 0 })
	holds := func(want string) {
		t.Helper()
		if got := h.do("run", "deb", "--", "sh", "-c", "cat /etc/new 2>/dev/null; cat /etc/marker 2>/dev/null; true"); got != want {
			t.Errorf("it holds %q, want %q", got, want)
		}
		if left := h.shell("ls -A | grep coppice- || true"); left != "" {
			t.Errorf("left beside it: %s", left)
		}
	}
	same := func(what string, do func()) {
		t.Helper()
		before := h.shell("stat -Lc '%i %s %y %a' link; md5sum root.tar.zst")
		do()
		if after := h.shell("stat -Lc '%i %s %y %a' link; md5sum root.tar.zst"); after != before {
			t.Errorf("%s: the archive was %sand is %s", what, before, after)
		}
	}
	h.do("begin", "--name", "user", "deb") // which stands on a copy
	h.do("run", "--source", "deb", "--", "sh", "-c", "echo one > /etc/new")
	holds("one\n")
	if got := h.shell("stat -Lc %a link; test -L link; head -c 4 root.tar.zst | od -An -tx1"); got != "640\n 28 b5 2f fd\n" {
		t.Errorf("its mode and first bytes: %q", got)
	}
	if got := h.exec("user", "cat /etc/new || true"); strings.Contains(got, "one") {
		t.Errorf("who began before sees %q", got)
	}
	h.do("end", "user")
	same("a command that fails", func() {
		if out, code := h.try("run", "--source", "deb", "--", "sh", "-c", "echo two > /etc/new; exit 3"); code != 3 || !strings.Contains(out, "is as it was") {
			t.Errorf("exit code %d: %s", code, out)
		}
	})
	same("a client that is killed", func() {
		cmd := exec.Command(bin+"/coppice", "--run-dir", h.run, "run", "--name", "killed", "--source", "deb", "--", "sh", "-c", "echo two > /etc/new; sleep 100")
		must(t, cmd.Start())
		h.is("killed", "in use", func(s status.Status) bool { return len(s.Leases) > 0 })
		must(t, cmd.Process.Kill())
		_ = cmd.Wait()
		h.gone("killed")
	})
	same("a session that ends without a word", func() {
		h.do("begin", "--name", "fix", "--source", "deb")
		h.exec("fix", "echo two > /etc/new")
		if out, code := h.try("end", "fix"); code != 1 || !strings.Contains(out, "coppice save fix") || !strings.Contains(out, "--discard") {
			t.Errorf("exit code %d: %s", code, out)
		}
		if out, code := h.try("run", "--no-wait", "--source", "deb", "--", "sh", "-c", ":"); code != 125 || !strings.Contains(out, "session fix") {
			t.Errorf("two have it open: exit code %d: %s", code, out)
		}
		h.do("end", "--discard", "fix")
	})
	holds("one\n")

	// Saved while it lasts, over a daemon that is killed, and more than once.
	h.do("begin", "--name", "fix", "--source", "deb")
	for _, text := range []string{"three", "four"} {
		h.exec("fix", "echo "+text+" > /etc/new")
		h.do("save", "fix")
		h.kill()
		h.start()
		h.ready("fix")
	}
	// Not while somebody is inside.
	inside := exec.Command(bin+"/coppice", "--run-dir", h.run, "exec", "fix", "--", "cat")
	input, err := inside.StdinPipe()
	must(t, err)
	must(t, inside.Start())
	h.is("fix", "in use", func(s status.Status) bool { return len(s.Leases) > 0 })
	h.exec("fix", "echo five > /etc/new")
	saving := exec.Command(bin+"/coppice", "--run-dir", h.run, "save", "fix")
	must(t, saving.Start())
	h.is("fix", "waiting for those inside", func(s status.Status) bool {
		c := s.Condition(status.ConditionReconciling)
		return c != nil && strings.Contains(c.Message, "is saved when those inside have left") && s.Saved == 2
	})
	must(t, input.Close())
	must(t, inside.Wait())
	must(t, saving.Wait())
	h.do("end", "fix")
	holds("five\n")

	// What somebody else put there is not lost.
	h.do("begin", "--name", "fix", "--source", "deb")
	h.shell("mkdir theirs; tar -C theirs -x --zstd -f root.tar.zst; echo theirs > theirs/etc/marker; tar -C theirs -c . | zstd -q > new; mv new root.tar.zst")
	h.exec("fix", "echo six > /etc/new")
	same("an archive of somebody else's", func() {
		if out, code := h.try("save", "fix"); code != 1 || !strings.Contains(out, "somebody changed it") {
			t.Errorf("exit code %d: %s", code, out)
		}
		h.do("end", "--discard", "fix")
	})
	holds("five\ntheirs\n")

	// Who may.
	if out, code := h.as(daemon, "run", "--source", "-u", "root", "deb", "--", "sh", "-c", "echo seven > /etc/new"); code != 0 {
		t.Errorf("exit code %d: %s", code, out)
	}
	holds("seven\ntheirs\n")
	h.do("begin", "--name", "fix", "--source", "deb")
	if out, code := h.as(daemon, "save", "fix"); code != 1 || !strings.Contains(out, "belongs to root") {
		t.Errorf("exit code %d: %s", code, out)
	}
	h.do("end", "--discard", "fix")
	if _, err := os.Stat(archive); err != nil {
		t.Error(err)
	}
	h.shell("rm m/*")
	h.nothingLeft()
}
