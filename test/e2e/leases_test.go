package e2e

import (
	"bufio"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"coppice.dev/status"
)

// visitor is a command inside a session, and the client that waits for it.
type visitor struct {
	t   *testing.T
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Reader
}

// visit starts a shell's script inside a session, and waits until it says "ready".
func (h *host) visit(session, script string) *visitor {
	h.t.Helper()
	cmd := exec.Command(bin+"/coppice", "--run-dir", h.run, "exec", session, "--", "sh", "-c", "echo ready; "+script)
	in, err := cmd.StdinPipe()
	must(h.t, err)
	out, err := cmd.StdoutPipe()
	must(h.t, err)
	must(h.t, cmd.Start())
	v := &visitor{h.t, cmd, in, bufio.NewReader(out)}
	h.t.Cleanup(func() { _ = cmd.Process.Kill() }) // mostly it has ended
	if line := v.line(); line != "ready" {
		h.t.Fatalf("the command in %s says %q", session, line)
	}
	return v
}

func (v *visitor) line() string {
	line, err := v.out.ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		v.t.Error(err)
	}
	return strings.TrimSuffix(line, "\n")
}

// code waits for the end, and returns the client's exit code.
func (v *visitor) code() int {
	v.t.Helper()
	ended := make(chan error, 1)
	go func() { ended <- v.cmd.Wait() }()
	select {
	case err := <-ended:
		if _, is := errors.AsType[*exec.ExitError](err); err != nil && !is {
			v.t.Fatal(err)
		}
	case <-time.After(moment):
		v.t.Fatal("the client has not ended")
	}
	return v.cmd.ProcessState.ExitCode()
}

func inside(n int) func(status.Status) bool {
	return func(s status.Status) bool { return len(s.Leases) == n }
}

// A daemon that is killed takes no command with it, and finds those that run when
// it is started again.
func TestCommandsOutliveTheDaemon(t *testing.T) {
	h := newHost(t)
	h.start()
	h.write("s.yaml", session("s", directory(h.root("root"))))
	h.ready("s")
	v := h.visit("s", "read x; exit 7")
	before := h.is("s", "visited", inside(1)).Leases[0]
	if before.ID == "" || before.User != "root" || !strings.HasPrefix(before.Command, "sh -c echo ready") {
		t.Errorf("inside: %+v", before)
	}
	h.kill()
	h.start()
	h.ready("s")
	if after := h.is("s", "visited", inside(1)).Leases[0]; after != before {
		t.Errorf("before the daemon was killed %+v, and after %+v", before, after)
	}
	h.kill()
	_, err := io.WriteString(v.in, "\n")
	must(t, err)
	if code := v.code(); code != 7 {
		t.Errorf("exit code %d", code)
	}
	h.start()
	h.is("s", "left", inside(0))
	h.remove("s.yaml")
	h.gone("s")
	h.nothingLeft()
}

// Two sessions of one image, a command in each: who ends one leaves the other
// alone. Those who are ended hear of it.
func TestEndOfOneOfTwo(t *testing.T) {
	h := newHost(t)
	h.root("root")
	h.shell("mksquashfs root root.sqfs -quiet -no-progress")
	h.start()
	image := "source: {loopback: {path: " + h.base + "/root.sqfs}}"
	h.write("a.yaml", session("a", image, "gracePeriod: 200ms"))
	h.write("b.yaml", session("b", image))
	h.ready("a", "b")
	a := h.visit("a", "trap '' TERM; sleep 1000 & while :; do sleep 1; done")
	b := h.visit("b", "sleep 1000 & read x; kill $!; exit 3")
	h.is("a", "visited", inside(1))
	h.is("b", "visited", inside(1))
	h.remove("a.yaml")
	h.gone("a")
	if code := a.code(); code != 128+int(syscall.SIGKILL) {
		t.Errorf("the command in a: exit code %d", code)
	}
	if s := h.is("b", "visited", inside(1)); s.Phase != status.Ready {
		t.Errorf("b is %s", s.Phase)
	}
	_, err := io.WriteString(b.in, "\n")
	must(t, err)
	if code := b.code(); code != 3 {
		t.Errorf("the command in b: exit code %d", code)
	}
	h.is("b", "left", inside(0))
	h.remove("b.yaml")
	h.gone("b")
	h.nothingLeft()
}

// A client that is killed takes its command with it, and all that it has started.
func TestKilledClient(t *testing.T) {
	h := newHost(t)
	h.start()
	h.write("s.yaml", session("s", directory(h.root("root")), "gracePeriod: 200ms"))
	h.ready("s")
	v := h.visit("s", "trap '' HUP; sleep 1000 & sleep 1001")
	h.is("s", "visited", inside(1))
	must(t, v.cmd.Process.Kill())
	h.is("s", "left", inside(0))
	h.remove("s.yaml")
	h.gone("s")
	h.nothingLeft()
}

func TestConfined(t *testing.T) {
	h := newHost(t)
	h.start()
	h.write("s.yaml", session("s", directory(h.root("root")),
		"isolation: {network: true, pid: true, ipc: true, noNewPrivileges: true}",
		"limits: {pids: 30, rlimits: {nofile: {soft: 64}, core: {soft: 0}}}"))
	h.ready("s")
	for script, want := range map[string]string{
		"ulimit -n; ulimit -c":      "64\n0\n",
		"echo $$; cat /proc/1/comm": "2\ncoppiced: init\n",
		"cat /proc/net/dev":         " lo:",
		"cat /proc/self/status":     "NoNewPrivs:\t1\n",
		"while read l; do case $l in Max*open*) echo $l;; esac; done < /proc/self/limits": "Max open files 64 64 files",
	} {
		if got := h.exec("s", script); !strings.Contains(got, want) {
			t.Errorf("%s: %q, want %q in it", script, got, want)
		}
	}
	if net := h.exec("s", "cat /proc/net/dev"); strings.Count(net, ":") != 1 {
		t.Errorf("the network: %q", net)
	}
	bound := !slices.ContainsFunc(h.status("s").Objects, func(o status.Object) bool { return strings.Contains(o.Note, "not enforced") })
	if out, code := h.try("exec", "s", "--", "sh", "-c", "i=0; while test $i -lt 60; do sleep 1 & i=$((i+1)); done; wait"); bound && code == 0 {
		t.Errorf("60 processes where 30 are allowed: %s", out)
	}
	h.remove("s.yaml")
	h.gone("s")
	h.nothingLeft()
}
