package e2e

import (
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"coppice.dev/status"
)

// unknown waits until it is not known how a session is, and returns why.
func (h *host) unknown(name string) string {
	h.t.Helper()
	s := h.is(name, "not known", func(s status.Status) bool {
		c := s.Condition(status.ConditionReady)
		return c != nil && c.Status == "Unknown"
	})
	return s.Condition(status.ConditionReady).Message
}

// TestFaultStateLost unmounts the state folder under the daemon, and later
// deletes it.
func TestFaultStateLost(t *testing.T) {
	h := newHost(t)
	root := h.root("root")
	h.tmpfs(h.state, "size=8m")
	h.start()
	h.write("good.yaml", session("good", directory(root)))
	h.write("host.yaml", session("memory", directory(root)+", union: {type: overlay, upper: {medium: Memory}}"))
	h.ready("good", "memory")
	h.exec("good", "echo mine > /mine")
	pin := h.status("good").Namespace
	// Another folder takes its place, as when a disk is unmounted.
	h.shell("mkdir -p other/trash/theirs other/sessions; mount --bind other state")
	tells(t, h.unknown("good"), h.state, "not the one", "mount or move it back", "restart coppiced")
	h.write("late.yaml", session("late", directory(root)))
	tells(t, h.unknown("late"), h.state, "not the one")
	h.until("the trash is looked at", func() bool { return h.status("late").NextRetry != nil })
	if left := h.shell("find state -mindepth 1 | sort"); left != "state/sessions\nstate/trash\nstate/trash/theirs\n" {
		t.Errorf("the other folder holds now:\n%s", left)
	}
	must(t, unix.Unmount(h.state, 0))
	h.ready("good", "memory", "late")
	if got := h.exec("good", "cat /mine"); got != "mine\n" || h.status("good").Namespace != pin {
		t.Errorf("it did not go on: %q", got)
	}
	// Deleted: what was written is lost, and nothing is made behind the user's back.
	h.shell("rm -rf state/*")
	tells(t, h.unknown("good"), "restart coppiced")
	h.remove("late.yaml")
	h.kill()
	h.start()
	h.gone("late")
	h.ready("good", "memory")
	h.works("good")
	if out, code := h.try("exec", "good", "--", "cat", "/mine"); code == 0 {
		t.Errorf("what was deleted is there: %s", out)
	}
	h.shell("rm m/*")
	h.gone("good", "memory")
	h.nothingLeft()
}

// TestFaultUnreadableState has something else in the place of what sessions'
// homes remember.
func TestFaultUnreadableState(t *testing.T) {
	h := newHost(t)
	root := h.root("root")
	must(t, os.WriteFile(h.base+"/undo", []byte("#!/bin/sh\necho undone >> "+h.base+"/undone\n"), 0o755))
	h.start()
	for _, name := range []string{"record", "gone", "journal", "home", "good"} {
		h.write(name+".yaml", session(name, directory(root), "profile: {hooks: [{name: h, phase: stop, command: ["+h.base+"/undo]}]}"))
	}
	h.ready("record", "gone", "journal", "home", "good")
	homes := h.state + "/sessions/"
	for _, name := range []string{"record", "gone"} {
		h.shell("rm " + homes + name + "/record.json; mkdir -p " + homes + name + "/record.json/x")
	}
	h.shell("mv " + homes + "journal/journal aside; echo > " + homes + "journal/journal")
	h.shell("mv " + homes + "home aside-home; echo > " + homes + "home")
	tells(t, h.because("record", "TargetUnusable"), homes+"record/record.json", "move it away")
	tells(t, h.unknown("home"), homes+"home", "no folder", "move it away")
	h.is("journal", "told of", func(s status.Status) bool { return s.Phase != status.Ready })
	if out := h.do("describe", "session", "journal"); !strings.Contains(out, "repair its file system; or remove "+homes+"journal/journal") {
		t.Errorf("describe:\n%s", out)
	}
	h.works("good")
	h.remove("gone.yaml")
	h.gone("gone")
	h.remove("journal.yaml")
	s := h.is("journal", "told of", func(s status.Status) bool { return s.Phase == status.Terminating && s.NextRetry != nil })
	tells(t, s.Condition(status.ConditionReady).Message, "repair its file system; or remove "+homes+"journal/journal")
	// In one act: with no journal at all the session would go without its hooks.
	must(t, unix.Renameat2(unix.AT_FDCWD, h.base+"/aside", unix.AT_FDCWD, homes+"journal/journal", unix.RENAME_EXCHANGE))
	h.gone("journal")
	h.shell("rm -r " + homes + "record/record.json")
	h.ready("record")
	h.shell("rm " + homes + "home; mv aside-home " + homes + "home")
	h.ready("home")
	h.shell("rm m/*")
	h.gone("record", "home", "good")
	if text, err := os.ReadFile(h.base + "/undone"); err != nil || strings.Count(string(text), "undone") < 4 {
		t.Errorf("stop hooks ran: %q, %v", text, err)
	}
	h.nothingLeft()
}

// TestFaultStatusFolder cannot write statuses: for a file in the folder's place,
// and for a folder that is read-only.
func TestFaultStatusFolder(t *testing.T) {
	patient(t)
	for name, fault := range map[string]struct{ breaks, heals string }{
		"file":      {"until mv -T run/status aside && (set -C; echo > run/status) 2>/dev/null; do rm -rf aside; done", "rm run/status"},
		"read-only": {"mount -t tmpfs none run/status; " + readOnly("run/status", "remount,ro"), "umount run/status"},
		// The folder of the kind is there already: removing what is not there fails too.
		"empty": {"mount -t tmpfs none run/status; mkdir -p run/status/session; " + readOnly("run/status", "remount,ro"), "umount run/status"},
		"kind":  {"mv run/status/session aside; echo > run/status/session", "rm run/status/session"},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHost(t)
			root := h.root("root")
			h.start()
			h.write("good.yaml", session("good", directory(root)))
			h.ready("good")
			h.shell(fault.breaks)
			stands := func(name string) {
				h.until("session "+name+" stands", func() bool { _, err := os.Stat(h.run + "/sessions/" + name + "/root/etc/motd"); return err == nil })
			}
			h.write("late.yaml", session("late", directory(root)))
			stands("late")
			h.until("it is told", func() bool { return h.logged("Statuses cannot be written") })
			h.kill()
			if out, err := h.command("--once").CombinedOutput(); err != nil || !strings.Contains(string(out), "session late") {
				t.Errorf("--once without statuses: %v\n%s", err, out)
			}
			log, err := os.OpenFile(h.log, os.O_APPEND|os.O_WRONLY, 0)
			must(t, err)
			h.daemon = h.command()
			h.daemon.Stderr = log
			must(t, h.daemon.Start())
			must(t, log.Close())
			h.write("new.yaml", session("new", directory(root)))
			stands("new")
			h.remove("late.yaml")
			h.until("session late is gone", func() bool { _, err := os.Stat(h.state + "/sessions/late"); return err != nil })
			h.shell(fault.heals)
			h.ready("good", "new")
			h.until("that is told too", func() bool { return h.logged("Statuses are written again") })
			h.works("good")
			h.gone("late")
			h.shell("rm m/*")
			h.gone("good", "new")
			h.nothingLeft()
		})
	}
}
