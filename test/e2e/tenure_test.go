package e2e

import (
	"errors"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"coppice.dev/status"
)

// errand starts coppice run with a script, in a session called run, and waits
// until it runs.
func (h *host) errand(root, script string, flags ...string) *exec.Cmd {
	h.t.Helper()
	args := append([]string{"--run-dir", h.run, "run", "--name", "run"}, flags...)
	cmd := exec.Command(bin+"/coppice", append(args, root, "--", "sh", "-c", "exec >/dev/null 2>&1; touch /begun; "+script)...)
	cmd.Stderr = os.Stderr
	must(h.t, cmd.Start())
	h.until("the command runs", func() bool {
		_, code := h.try("exec", "run", "--", "test", "-e", "/begun")
		return code == 0
	})
	return cmd
}

// forgotten waits until nothing of a session is left.
func (h *host) forgotten(name string) {
	h.t.Helper()
	h.until("session "+name+" is gone", func() bool {
		_, err := os.Stat(h.state + "/sessions/" + name)
		return errors.Is(err, os.ErrNotExist) && h.status(name).Phase == ""
	})
}

// TestRunIsKilled kills coppice run without a word: while the daemon is there,
// while it is not, and both together. Its session goes all the same.
func TestRunIsKilled(t *testing.T) {
	h := newHost(t)
	root := h.root("root")
	h.start()
	for name, kill := range map[string]func(*exec.Cmd){
		"with the daemon there": func(run *exec.Cmd) { must(t, run.Process.Kill()) },
		"without the daemon": func(run *exec.Cmd) {
			h.kill()
			must(t, run.Process.Kill())
			_ = run.Wait() // by that signal
			h.start()
		},
		"together with the daemon": func(run *exec.Cmd) {
			must(t, run.Process.Kill())
			h.kill()
			h.start()
		},
	} {
		t.Log(name)
		run := h.errand(root, "sleep 1000")
		kill(run)
		_ = run.Wait() // by that signal
		h.forgotten("run")
		if left, err := os.ReadDir(h.run + "/manifests"); err != nil || len(left) > 0 {
			t.Errorf("%s: manifests are left: %v, %v", name, left, err)
		}
	}
	h.nothingLeft()
}

// TestRetained keeps the session of a command that failed, or was killed.
func TestRetained(t *testing.T) {
	h := newHost(t)
	root := h.root("root")
	h.start()
	retained := func(why string) {
		t.Helper()
		h.is("run", "retained", func(s status.Status) bool {
			for _, e := range s.Events {
				if e.Reason == "Retained" && strings.Contains(e.Message, why) {
					return s.Phase == status.Ready
				}
			}
			return false
		})
		h.kill()
		h.start()
		if out := h.exec("run", "cat /mine"); out != "what I made\n" {
			t.Errorf("in the session: %q", out)
		}
		h.do("end", "run")
		h.forgotten("run")
	}
	// A command that fails.
	out, code := h.try("run", "--name", "run", "--retain-on-failure", root, "--", "sh", "-c", "echo what I made > /mine; exit 3")
	if code != 3 {
		t.Errorf("exit code %d\n%s", code, out)
	}
	tells(t, out, "kept session/run", "coppice shell run", "coppice end run")
	retained("exit code 3")
	// One that cannot be run.
	if out, code := h.try("run", "--name", "run", "--retain-on-failure", root, "--", "no-such-command"); code != 127 {
		t.Errorf("exit code %d\n%s", code, out)
	}
	h.exec("run", "echo what I made > /mine")
	retained("no-such-command")
	// A client that is killed, with the daemon there and without.
	run := h.errand(root, "echo what I made > /mine; sleep 1000", "--retain-on-failure")
	must(t, run.Process.Kill())
	_ = run.Wait() // by that signal
	retained("its client went away")
	run = h.errand(root, "echo what I made > /mine; sleep 1000", "--retain-on-failure")
	h.kill()
	must(t, run.Process.Kill())
	_ = run.Wait() // by that signal
	h.start()
	retained("its client went away")
	// One that goes well, and one that is ended by a signal to coppice.
	h.do("run", "--name", "run", "--retain-on-failure", root, "--", "sh", "-c", "exit 0")
	h.forgotten("run")
	run = h.errand(root, "sleep 1000", "--retain-on-failure")
	must(t, run.Process.Signal(syscall.SIGTERM))
	_ = run.Wait() // by that signal
	h.forgotten("run")
	h.nothingLeft()
}

// TestTimesOfBegunSessions has sessions that were begun go by themselves.
func TestTimesOfBegunSessions(t *testing.T) {
	h := newHost(t)
	root := h.root("root")
	h.start()
	h.do("begin", "--name", "short", "--ttl", "2s", root)
	h.do("begin", "--name", "idle", "--idle-timeout", "2s", root)
	h.do("begin", "--name", "busy", "--idle-timeout", "1s", root)
	inside := exec.Command(bin+"/coppice", "--run-dir", h.run, "exec", "busy", "--", "sleep", "1000")
	must(t, inside.Start())
	if out := h.do("describe", "session", "short"); !strings.Contains(out, "Expires:") {
		t.Errorf("when it expires is not told:\n%s", out)
	}
	h.until("it is told since when it is idle", func() bool {
		out, _ := h.try("describe", "session", "idle")
		return strings.Contains(out, "Idle:") || h.status("idle").Phase == ""
	})
	h.forgotten("short")
	h.forgotten("idle")
	if s := h.status("busy"); s.Phase != status.Ready {
		t.Errorf("the session that somebody is inside is %q", s.Phase)
	}
	must(t, inside.Process.Kill())
	_ = inside.Wait() // by that signal
	h.forgotten("busy")
	h.nothingLeft()
}

// TestEndedAtOnce ends sessions that nobody has heard of yet.
func TestEndedAtOnce(t *testing.T) {
	h := newHost(t)
	root := h.root("root")
	h.start()
	for range 20 {
		name := strings.TrimSpace(h.do("begin", "--wait=false", root))
		h.do("end", "--wait=false", name)
		h.forgotten(name)
	}
	h.nothingLeft()
}
