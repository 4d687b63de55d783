package e2e

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"

	"coppice.dev/status"
)

// begins starts coppice and leaves it running.
func (h *host) begins(args ...string) *exec.Cmd {
	h.t.Helper()
	cmd := exec.Command(bin+"/coppice", append([]string{"--run-dir", h.run}, args...)...)
	must(h.t, cmd.Start())
	h.t.Cleanup(func() { _ = cmd.Process.Kill() }) // it may have ended
	return cmd
}

// inside waits until that many are inside of a session, and returns them.
func (h *host) inside(name string, n int) []status.Lease {
	h.t.Helper()
	return h.is(name, fmt.Sprintf("used by %d", n), func(s status.Status) bool { return len(s.Leases) == n }).Leases
}

// code returns the exit code of a command that has ended.
func code(t *testing.T, err error) int {
	t.Helper()
	if failed, is := errors.AsType[*exec.ExitError](err); is {
		return failed.ExitCode()
	}
	must(t, err)
	return 0
}

// TestFilesAreHandedOn has a command read and write files, pipes and nothing.
func TestFilesAreHandedOn(t *testing.T) {
	h := newHost(t)
	h.start()
	h.write("a.yaml", session("s", directory(h.furnished("root"))))
	h.ready("s")
	must(t, os.WriteFile(h.base+"/in", bytes.Repeat([]byte("0123456789abcde\n"), 1<<16), 0o600))
	// Wherever they lie: what is open stays so inside.
	h.shell(bin + "/coppice --run-dir run exec s -- sh -c 'cat; echo oh >&2; exit 0' < in > out 2> err")
	h.shell("cmp in out; grep -qx oh err")
	h.shell("cat in | " + bin + "/coppice --run-dir run exec s -- cat | cmp - in")
	if got := h.shell("seq 100000 | " + bin + "/coppice --run-dir run exec s -- sh -c 'read x; echo $x' "); got != "1\n" {
		t.Errorf("a command that reads a part: %q", got)
	}
	if got := h.shell(bin + "/coppice --run-dir run exec s -- seq 1000000 | head -n 1"); got != "1\n" {
		t.Errorf("somebody who reads a part: %q", got)
	}
	h.remove("a.yaml")
	h.gone("s")
	h.nothingLeft()
}

// TestClientIsKilled: what it ran is told, and killed if it does not listen.
func TestClientIsKilled(t *testing.T) {
	h := newHost(t)
	h.start()
	h.write("a.yaml", session("s", directory(h.furnished("root")), "gracePeriod: 1s"))
	h.ready("s")
	polite := h.begins("exec", "s", "--", "sh", "-c", "trap 'touch /told; exit' HUP; touch /polite; while :; do sleep 0.05; done")
	stubborn := h.begins("exec", "s", "--", "sh", "-c", "trap '' HUP; setsid sleep 1000 & touch /stubborn; wait")
	h.inside("s", 2)
	h.until("both have begun", func() bool {
		_, code := h.try("exec", "s", "--", "sh", "-c", "test -e /polite && test -e /stubborn")
		return code == 0
	})
	for _, cmd := range []*exec.Cmd{polite, stubborn} {
		must(t, cmd.Process.Kill())
		_ = cmd.Wait() // it was killed
	}
	h.inside("s", 0)
	h.exec("s", "test -e /told")
	if out := h.do("ps"); !strings.Contains(out, "Nobody is inside") {
		t.Errorf("ps: %s", out)
	}
	h.remove("a.yaml")
	h.gone("s")
	h.nothingLeft()
}

// TestDaemonRestartsUnderACommand: neither the command nor who waits for it
// notices, and the next daemon knows of it.
func TestDaemonRestartsUnderACommand(t *testing.T) {
	h := newHost(t)
	h.start()
	h.write("a.yaml", session("s", directory(h.furnished("root"))))
	h.ready("s")
	r, w, err := os.Pipe()
	must(t, err)
	defer r.Close()
	cmd := exec.Command(bin+"/coppice", "--run-dir", h.run, "exec", "s", "--", "sh", "-c", "until test -e /go; do sleep 0.05; done; echo done; exit 5")
	cmd.Stdout = w
	must(t, cmd.Start())
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	w.Close()
	before := h.inside("s", 1)[0]
	for range 2 {
		h.kill()
		h.start()
		h.ready("s")
		after := h.inside("s", 1)[0]
		if after.ID != before.ID || after.ID == "" || after.PID != before.PID || !after.Since.Equal(&before.Since) {
			t.Errorf("the next daemon knows of %+v, before it was %+v", after, before)
		}
	}
	if out := h.do("ps", "s"); !strings.Contains(out, "root") || !strings.Contains(out, "until test -e /go") {
		t.Errorf("ps:\n%s", out)
	}
	h.exec("s", "touch /go")
	text := make([]byte, 100)
	n, err := r.Read(text)
	must(t, err)
	if got := code(t, cmd.Wait()); got != 5 || string(text[:n]) != "done\n" {
		t.Errorf("it ended with %d and said %q", got, text[:n])
	}
	h.inside("s", 0)
	h.remove("a.yaml")
	h.gone("s")
	h.nothingLeft()
}

// TestEndWaitsForThoseInside, and says for whom.
func TestEndWaitsForThoseInside(t *testing.T) {
	h := newHost(t)
	h.start()
	h.write("a.yaml", session("s", directory(h.furnished("root")), "deletionPolicy: Wait"))
	h.ready("s")
	cmd := h.begins("exec", "s", "--", "sh", "-c", "until test -e /go; do sleep 0.05; done; exit 6")
	h.inside("s", 1)
	view := h.run + "/sessions/s/root"
	h.remove("a.yaml")
	h.is("s", "waiting", func(s status.Status) bool {
		c := s.Condition(status.ConditionReady)
		return s.Phase == status.Terminating && c != nil && strings.Contains(c.Message, "of user 0")
	})
	if out := h.do("describe", "session", "s"); !strings.Contains(out, "until test -e /go") {
		t.Errorf("it is not said who is inside:\n%s", out)
	}
	if out, code := h.try("exec", "s", "--", "true"); code != 125 || !strings.Contains(out, "taken down") {
		t.Errorf("somebody new is let in: %d, %s", code, out)
	}
	must(t, os.WriteFile(view+"/go", nil, 0o644))
	if got := code(t, cmd.Wait()); got != 6 {
		t.Errorf("who was waited for ended with %d", got)
	}
	h.gone("s")
	h.nothingLeft()
}

// TestManyCommands at the same time, each with files of its own.
func TestManyCommands(t *testing.T) {
	h := newHost(t)
	h.start()
	h.write("a.yaml", session("s", directory(h.furnished("root"))))
	h.ready("s")
	many := 100 * runtime.NumCPU() // of which all are answered within a client's patience
	var all sync.WaitGroup
	for i := range many {
		all.Go(func() {
			cmd := exec.Command(bin+"/coppice", "--run-dir", h.run, "exec", "s", "--", "sh", "-c", fmt.Sprintf("cat; exit %d", i%100))
			text := fmt.Sprintf("this is %d\n", i)
			cmd.Stdin = strings.NewReader(text)
			var said strings.Builder
			cmd.Stderr = &said
			out, err := cmd.Output()
			if failed, is := errors.AsType[*exec.ExitError](err); is && failed.ExitCode() != i%100 || !is && (err != nil || i%100 != 0) || string(out) != text {
				t.Errorf("command %d: %v, %q, %s", i, err, out, &said)
			}
		})
	}
	all.Wait()
	h.inside("s", 0)
	h.remove("a.yaml")
	h.gone("s")
	h.nothingLeft()
}

// TestTwoSessionsOfOneImage: ending one leaves alone who builds in the other.
func TestTwoSessionsOfOneImage(t *testing.T) {
	h := newHost(t)
	h.furnished("root")
	h.shell("truncate -s 32M root.ext4; mkfs.ext4 -q -d root root.ext4")
	h.start()
	h.write("c.yaml", "apiVersion: coppice.dev/v1alpha1\nkind: Chroot\nmetadata: {name: image}\nspec: {source: {loopback: {path: "+h.base+"/root.ext4}}}\n")
	h.until("there is the chroot", func() bool { _, code := h.try("get", "chroot", "image"); return code == 0 })
	first, second := strings.TrimSpace(h.do("begin", "image")), strings.TrimSpace(h.do("begin", "--name", "second", "image"))
	if second != "second" || !strings.HasPrefix(first, "image-") {
		t.Errorf("begun: %q and %q", first, second)
	}
	build := h.begins("exec", second, "--", "sh", "-c", "until test -e /go; do echo x >> /log; sleep 0.01; done; exit 0")
	other := h.begins("exec", first, "--", "sleep", "1000")
	h.inside(first, 1)
	pid := h.inside(second, 1)[0].PID
	if out := h.do("end", first); out != "session/"+first+" ended\n" {
		t.Errorf("end: %s", out)
	}
	if got := code(t, other.Wait()); got != 128+15 && got != 128+9 {
		t.Errorf("who was in the session that ended: %d", got)
	}
	if now := h.inside(second, 1)[0].PID; now != pid {
		t.Errorf("who was in the other: process %d, then %d", pid, now)
	}
	h.exec(second, "touch /go")
	if got := code(t, build.Wait()); got != 0 {
		t.Errorf("the build ended with %d", got)
	}
	if n := h.loops(); n != 1 {
		t.Errorf("%d loop devices", n)
	}
	h.do("end", second)
	h.remove("c.yaml")
	h.nothingLeft()
}

// TestCopy copies in and out, with tar and without.
func TestCopy(t *testing.T) {
	h := newHost(t)
	h.start()
	h.write("a.yaml", session("full", directory(h.furnished("root", "tar"))))
	h.write("b.yaml", session("bare", directory(h.furnished("second"))))
	h.ready("full", "bare")
	h.shell("mkdir -p src/sub; echo one > src/one; echo two > src/sub/two; chmod 750 src/sub/two; ln -s one src/link")
	h.do("cp", h.base+"/src", "full:/tmp")
	h.exec("full", "test -x /tmp/src/sub/two && test \"$(readlink /tmp/src/link)\" = one")
	h.do("cp", "full:/tmp/src", h.base+"/back")
	h.shell("diff -r src back; test -x back/sub/two; test -L back/link")
	for _, name := range []string{"full", "bare"} {
		h.do("cp", h.base+"/src/one", name+":/tmp/two")
		h.do("cp", name+":/tmp/two", h.base+"/"+name)
		h.shell("cmp src/one " + name)
	}
	if out, code := h.try("cp", h.base+"/src", "bare:/tmp"); code != 1 || !strings.Contains(out, "no tar inside") {
		t.Errorf("a folder without tar: %d, %s", code, out)
	}
	// A link inside leads a copy nowhere else.
	h.exec("full", "mkdir /tmp/evil; ln -s "+h.base+" /tmp/evil/out; echo evil > /tmp/evil/file")
	h.do("cp", "full:/tmp/evil/.", h.base+"/got")
	if left, err := filepath.Glob(h.base + "/file"); err != nil || len(left) > 0 {
		t.Errorf("written: %v, %v", left, err)
	}
	h.shell("rm m/*")
	h.gone("full", "bare")
	h.nothingLeft()
}

// TestShellOfAChroot ends its session with it.
func TestShellOfAChroot(t *testing.T) {
	h := newHost(t)
	h.start()
	h.write("c.yaml", "apiVersion: coppice.dev/v1alpha1\nkind: Chroot\nmetadata: {name: small}\nspec: {source: {directory: {path: "+h.furnished("root")+"}}}\n")
	h.until("there is the chroot", func() bool { _, code := h.try("get", "chroot", "small"); return code == 0 })
	p := h.sits(24, 80, nil, "shell", "small")
	p.sees("# ")
	p.types("echo $0 in $COPPICE_CHROOT; exit 4\r")
	p.sees("-sh in small")
	if code := p.leaves(); code != 4 {
		t.Errorf("exit code %d", code)
	}
	if out := h.do("get", "sessions"); !strings.Contains(out, "No sessions") {
		t.Errorf("left:\n%s", out)
	}
	h.nothingLeft()
}
