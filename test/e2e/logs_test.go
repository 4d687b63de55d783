package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
)

const journald = "/lib/systemd/systemd-journald"

// journal is a journald of systemd's own in a mount namespace of its own, so that this
// machine's hears nothing. Whoever is to log to it is started there.
type journal struct {
	h      *host
	daemon *exec.Cmd
	folder string
}

func newJournal(h *host) *journal {
	h.t.Helper()
	for _, needed := range []string{journald, "/etc/machine-id", "/run/log"} {
		if _, err := os.Stat(needed); err != nil {
			h.t.Skipf("there is no journal to log to: %v", err)
		}
	}
	j := &journal{h: h, folder: h.base + "/log.d/journal"}
	must(h.t, os.MkdirAll(j.folder, 0o755))
	must(h.t, os.Mkdir(h.base+"/journald", 0o755))
	must(h.t, os.MkdirAll("/run/systemd/journal", 0o755)) // where there is no systemd; it is empty
	j.daemon = exec.Command("unshare", "--mount", "--propagation", "private", "sh", "-ec",
		"mount --bind "+h.base+"/log.d /run/log; mount --bind "+h.base+"/journald /run/systemd/journal; exec "+journald)
	j.daemon.Stderr = os.Stderr
	must(h.t, j.daemon.Start())
	h.t.Cleanup(func() {
		_ = j.daemon.Process.Kill()
		_ = j.daemon.Wait() // by that
	})
	h.until("journald listens", func() bool {
		_, err := os.Stat(h.base + "/journald/socket")
		return err == nil
	})
	return j
}

// inside has a command run where the journal is.
func (j *journal) inside(args ...string) *exec.Cmd {
	return exec.Command("nsenter", append([]string{fmt.Sprintf("--mount=/proc/%d/ns/mnt", j.daemon.Process.Pid)}, args...)...)
}

// TestLogs reads what a controller has logged about a session, and what its hooks said.
func TestLogs(t *testing.T) {
	h := newHost(t)
	j := newJournal(h)
	daemon := h.command("--log-format", "journal")
	h.startAs(j.inside(daemon.Args...))
	must(t, os.WriteFile(h.base+"/hook", []byte("#!/bin/sh\necho hello from the hook\necho \"what is $COPPICE_PHASE?\" >&2\nprintf 'no end'\n"), 0o755))
	hooks := "profile: {hooks: [{name: warm, command: [" + h.base + "/hook]}]}"
	root := directory(h.root("root"))
	h.write("a.yaml", session("a", root, hooks))
	h.write("b.yaml", session("b", root))
	h.ready("a", "b")
	logs := func(args ...string) string {
		out, code := h.try(append([]string{"logs", "-D", j.folder}, args...)...)
		if code != 0 {
			t.Errorf("logs %v: exit code %d\n%s", args, code, out)
		}
		return out
	}
	h.until("all of it is in the journal", func() bool { return strings.Contains(logs("a"), "objects in") })
	out := logs("a")
	last := 0
	for _, part := range []string{"from a chroot of its own", "warm| hello from the hook\n", "warm| what is setup?\n", "warm| no end\n", "objects in"} {
		if at := strings.Index(out, part); at < last {
			t.Errorf("not in its place: %q in\n%s", part, out)
		} else {
			last = at
		}
	}
	if strings.Contains(out, "{") || strings.Count(logs("a", "--tail", "2"), "\n") != 2 || logs("a", "--since", "1h") != out {
		t.Errorf("logs:\n%s", out)
	}
	if both := logs("a", "b"); !strings.Contains(both, "  b: from a chroot of its own") || !strings.Contains(both, "  a: warm| hello") {
		t.Errorf("of both:\n%s", both)
	}
	var said []string
	for line := range strings.Lines(logs("a", "-o", "json")) {
		var e struct{ Session, Hook, Level, Message, Reason string }
		must(t, json.Unmarshal([]byte(line), &e))
		if e.Session != "a" || e.Level != "info" {
			t.Errorf("%s", line)
		}
		if said = append(said, e.Reason); e.Hook != "" {
			said = append(said, e.Message)
		}
	}
	if got := strings.Join(said, ","); !strings.Contains(got, "Admitted,") || !strings.Contains(got, "hello from the hook") {
		t.Errorf("as JSON: %s", got)
	}
	// What others write is not taken for it.
	forged := j.inside("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "logger", "--journald")
	forged.Stdin = strings.NewReader("MESSAGE=forged\nCOPPICE_TEXT=forged\nCOPPICE_SESSION=a\nCOPPICE_RUN_DIR=" + h.run + "\n")
	if out, err := forged.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	h.until("it is in the journal", func() bool {
		out, err := exec.Command("journalctl", "--directory="+j.folder, "COPPICE_SESSION=a", "_UID=65534", "--output=cat").Output()
		return err == nil && bytes.Contains(out, []byte("forged"))
	})
	if strings.Contains(logs("a"), "forged") {
		t.Error("anybody may write what coppice logs prints")
	}
	// What goes on is followed, and what is gone is still known.
	p := h.sits(24, 120, nil, "logs", "-f", "a", "-D", j.folder)
	p.sees("objects in")
	h.remove("a.yaml")
	h.gone("a")
	// On a busy machine journalctl may not hear of the last entry before there is one more.
	h.until("its end is shown", func() bool {
		more := j.inside("logger", "--journald")
		more.Stdin = strings.NewReader("MESSAGE=more\n")
		return more.Run() == nil && strings.Contains(p.all(), "nothing is left of it")
	})
	p.types("\x03")
	if code := p.leaves(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	if out := logs("a"); !strings.Contains(out, "nothing is left of it") {
		t.Errorf("when it is gone:\n%s", out)
	}
	h.remove("b.yaml")
	h.gone("b")
}

// TestLogsElsewhere asks for a log that is in no journal.
func TestLogsElsewhere(t *testing.T) {
	h := newHost(t)
	h.start()
	out, code := h.try("logs", "a")
	if code != 1 || !strings.Contains(out, "does not log to systemd's journal here") || !strings.Contains(out, "its log is "+h.log) {
		t.Errorf("exit code %d: %s", code, out)
	}
}
