package e2e

import (
	"errors"
	"os/exec"
	"syscall"
	"testing"
)

// TestRunIsInterrupted ends coppice run from outside: its session goes all the
// same, even if the command does not heed the signal.
func TestRunIsInterrupted(t *testing.T) {
	patient(t)
	h := newHost(t)
	root := h.root("root")
	h.start()
	for _, row := range []struct {
		script string
		signal syscall.Signal
		code   int
	}{
		{"sleep 100", syscall.SIGTERM, 128 + 15},
		{"sleep 100", syscall.SIGINT, 128 + 2},
		{"sleep 100", syscall.SIGHUP, 128 + 1},
		{"trap '' TERM; sleep 100; sleep 100", syscall.SIGTERM, 128 + 9},
	} {
		cmd := exec.Command(bin+"/coppice", "--run-dir", h.run, "run", "--name", "run", root, "--", "sh", "-c", "exec 2>/dev/null; touch /begun; "+row.script)
		must(t, cmd.Start())
		h.until("the command runs", func() bool {
			_, code := h.try("exec", "run", "--", "test", "-e", "/begun")
			return code == 0
		})
		must(t, cmd.Process.Signal(row.signal))
		failed, is := errors.AsType[*exec.ExitError](cmd.Wait())
		if !is || failed.ExitCode() != row.code {
			t.Errorf("%s, %s: %v, want exit code %d", row.script, row.signal, failed, row.code)
		}
		if _, code := h.try("get", "session", "run"); code == 0 {
			t.Errorf("%s, %s: the session is still there", row.script, row.signal)
		}
	}
	h.nothingLeft()
}
