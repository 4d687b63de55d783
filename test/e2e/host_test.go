// Package e2e holds tests that use the binaries as people do, on the real
// kernel, each below a folder of its own.
package e2e

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"coppice.dev/reconcile/kernel/mounttable"
	"coppice.dev/status"
	"coppice.dev/test/built"
)

// bin is the folder of the binaries under test.
var bin string

func TestMain(m *testing.M) { os.Exit(build(m)) }

func build(m *testing.M) int {
	dir, err := os.MkdirTemp("", "coppice-e2e-")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	if err := os.Chmod(dir, 0o755); err != nil { // others than root use them too
		panic(err)
	}
	if bin, err = built.Commands(dir); err != nil {
		panic(err)
	}
	return m.Run()
}

// host is a private prefix with a daemon on it.
type host struct {
	t                                *testing.T
	base, manifests, state, run, log string
	daemon                           *exec.Cmd
	// guarded is set to have a mass deletion be held back.
	guarded bool
	// given are mount points below the prefix that are the test's own.
	given []string
}

var moment = built.Moment(30 * time.Second) // the most that anything may take

// resync is how often the daemon looks at every session: often, since that is what
// most tests wait for, but not so often that an emulated processor does nothing else.
var resync = moment / 30

func newHost(t *testing.T) *host {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("needs root")
	}
	base, err := filepath.EvalSymlinks(t.TempDir())
	must(t, err)
	h := &host{t: t, base: base, manifests: base + "/m", state: base + "/state", run: base + "/run", log: base + "/log"}
	must(t, os.Mkdir(h.manifests, 0o755))
	t.Cleanup(h.clean)
	return h
}

// patient marks a test that spends its time waiting, for what no kernel decides.
func patient(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("takes long, and is the same with every kernel")
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// clean ends the daemon and takes away what a failed test left.
func (h *host) clean() {
	h.kill()
	if h.t.Failed() {
		text, _ := os.ReadFile(h.log) // as far as there is one
		h.t.Logf("the daemon's log:\n%s", text)
	}
	if id, err := os.ReadFile(h.state + "/id"); err == nil && h.t.Failed() {
		groups, err := filepath.Glob("/sys/fs/cgroup/*/coppice-" + strings.TrimSpace(string(id)))
		must(h.t, err)
		for _, group := range groups {
			_ = os.WriteFile(group+"/cgroup.kill", []byte("1"), 0) // those in it may have gone; version 1 has no such file
		}
		for _, group := range groups {
			h.until("the cgroup is gone", func() bool { return removeGroups(group) == nil })
		}
	}
	table, err := mounttable.Host()
	must(h.t, err)
	for _, e := range mounttable.Below(table, h.base) {
		_ = unix.Unmount(e.Mountpoint, unix.MNT_DETACH) // some go with others
	}
}

// command is the daemon's. Tests take many manifests away at once, and mean it.
func (h *host) command(args ...string) *exec.Cmd {
	if !h.guarded {
		args = append([]string{"--max-prune", "-1"}, args...)
	}
	// What a disk does that is full is looked at, too.
	args = append([]string{"--min-free-space", "0", "--min-free-inodes", "0"}, args...)
	return exec.Command(bin+"/coppiced", append([]string{"--manifest-dir", h.manifests, "--state-dir", h.state, "--run-dir", h.run, "--resync", resync.String()}, args...)...)
}

// start starts the daemon and waits until it works.
func (h *host) start() {
	h.t.Helper()
	h.startAs(h.command())
}

// startAs starts the daemon by another command.
func (h *host) startAs(daemon *exec.Cmd) {
	h.t.Helper()
	log, err := os.OpenFile(h.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	must(h.t, err)
	defer log.Close()
	h.daemon = daemon
	h.daemon.Stderr = log
	must(h.t, h.daemon.Start())
	// Statuses may be those of an earlier one.
	h.until("the daemon works", func() bool {
		out, code := h.try("get", "profiles")
		return code == 0 && !strings.Contains(out, "not running")
	})
}

func (h *host) kill() { h.end(syscall.SIGKILL) }

func (h *host) end(s syscall.Signal) {
	if h.daemon == nil {
		return
	}
	_ = h.daemon.Process.Signal(s) // it may have ended
	_ = h.daemon.Wait()            // by that signal
	h.daemon = nil
}

// try runs the command and returns what it said and its exit code.
func (h *host) try(args ...string) (string, int) {
	h.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*moment)
	defer cancel()
	cmd := exec.CommandContext(ctx, bin+"/coppice", append([]string{"--run-dir", h.run}, args...)...)
	out, err := cmd.CombinedOutput()
	if failed, is := errors.AsType[*exec.ExitError](err); is {
		return string(out), failed.ExitCode()
	}
	must(h.t, err)
	return string(out), 0
}

// do is try for what has to succeed.
func (h *host) do(args ...string) string {
	h.t.Helper()
	out, code := h.try(args...)
	if code != 0 {
		h.t.Fatalf("coppice %s: exit code %d\n%s", strings.Join(args, " "), code, out)
	}
	return out
}

func (h *host) until(what string, ok func() bool) {
	h.t.Helper()
	for deadline := time.Now().Add(moment); !ok(); {
		if time.Now().After(deadline) {
			h.t.Fatalf("waiting until %s: %s is over\n%s", what, moment, h.statuses())
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func (h *host) statuses() string {
	out, _ := h.try("get", "sessions")
	return out
}

// write puts a manifest into the watched folder.
func (h *host) write(name, text string) {
	h.t.Helper()
	must(h.t, os.WriteFile(filepath.Join(h.manifests, name), []byte(text), 0o644))
}

func (h *host) remove(name string) {
	h.t.Helper()
	must(h.t, os.Remove(filepath.Join(h.manifests, name)))
}

// session is a manifest with an inline chroot; more is further lines of its spec.
func session(name, chroot string, more ...string) string {
	lines := append([]string{
		"apiVersion: coppice.dev/v1alpha1", "kind: Session", "metadata: {name: " + name + "}", "spec:", "  chroot: {" + chroot + "}",
	}, more...)
	for i := 5; i < len(lines); i++ {
		lines[i] = "  " + lines[i]
	}
	return strings.Join(lines, "\n") + "\n"
}

func directory(path string) string { return "source: {directory: {path: " + path + "}}" }

func (h *host) status(name string) status.Status {
	h.t.Helper()
	f, err := status.Read(h.run+"/status", "Session", name)
	if errors.Is(err, os.ErrNotExist) {
		return status.Status{}
	}
	must(h.t, err)
	return f.Status
}

// is waits until a session's status is as wanted, and returns it.
func (h *host) is(name, what string, ok func(status.Status) bool) status.Status {
	h.t.Helper()
	var s status.Status
	h.until(fmt.Sprintf("session %s is %s", name, what), func() bool {
		s = h.status(name)
		return ok(s)
	})
	return s
}

func (h *host) ready(names ...string) {
	h.t.Helper()
	for _, name := range names {
		h.is(name, "ready", func(s status.Status) bool { return s.Phase == status.Ready })
	}
}

// because waits until a session is not ready for that reason, and returns why.
func (h *host) because(name, reason string) string {
	h.t.Helper()
	s := h.is(name, reason, func(s status.Status) bool {
		c := s.Condition(status.ConditionReady)
		return c != nil && c.Status != "True" && c.Reason == reason
	})
	return s.Condition(status.ConditionReady).Message
}

func (h *host) gone(names ...string) {
	h.t.Helper()
	for _, name := range names {
		h.do("wait", "--for=delete", "session/"+name)
	}
}

func (h *host) exec(name, script string) string {
	h.t.Helper()
	return h.do("exec", name, "--", "sh", "-c", script)
}

// root makes a small root file system of busybox.
func (h *host) root(name string) string {
	h.t.Helper()
	path := filepath.Join(h.base, name)
	for _, dir := range []string{"bin", "etc", "proc", "dev", "sys"} {
		must(h.t, os.MkdirAll(filepath.Join(path, dir), 0o755))
	}
	busybox, err := os.ReadFile("/bin/busybox")
	must(h.t, err)
	must(h.t, os.WriteFile(path+"/bin/busybox", busybox, 0o755))
	for _, tool := range []string{"sh", "cat", "ls", "rm", "touch", "echo", "sleep", "umount", "mount", "test"} {
		must(h.t, os.Symlink("busybox", path+"/bin/"+tool))
	}
	must(h.t, os.WriteFile(path+"/etc/motd", []byte("small\n"), 0o644))
	return path
}

func (h *host) shell(script string) string {
	h.t.Helper()
	cmd := exec.Command("sh", "-ec", script)
	cmd.Dir = h.base
	out, err := cmd.CombinedOutput()
	if err != nil {
		h.t.Fatalf("%s: %v\n%s", script, err, out)
	}
	return string(out)
}

// readOnly is the command that makes a mount read-only, once nobody writes there: the
// kernel refuses while the daemon does, which may go on for a moment after Ready.
func readOnly(mount, options string) string {
	return fmt.Sprintf("timeout 60 sh -c 'until mount -o %s %s 2>/dev/null; do :; done'", options, mount)
}

// loops are the loop devices bound to a file below the prefix.
func (h *host) loops() int {
	h.t.Helper()
	out, err := exec.Command("losetup", "--all", "--noheadings", "--output", "BACK-FILE").Output()
	must(h.t, err)
	return bytes.Count(out, []byte(h.base))
}

// nothingLeft ends the daemon and wants the host as it was.
func (h *host) nothingLeft() {
	h.t.Helper()
	h.end(syscall.SIGTERM)
	if out, err := h.command("--once").CombinedOutput(); err != nil {
		h.t.Errorf("the last sweep: %v\n%s", err, out)
	}
	table, err := mounttable.Host()
	must(h.t, err)
	for _, e := range mounttable.Below(table, h.base) {
		if !slices.Contains(h.given, e.Mountpoint) {
			h.t.Errorf("left mounted: %s", e.Mountpoint)
		}
	}
	for _, folder := range []string{h.state + "/sessions", h.state + "/bases", h.state + "/trash", h.run + "/ns", h.run + "/sessions", h.run + "/bases", h.run + "/status/session"} {
		if left, err := os.ReadDir(folder); err == nil && len(left) > 0 {
			h.t.Errorf("left in %s: %v", folder, left)
		}
	}
	defer func() {
		if h.t.Failed() {
			h.t.Logf("loop devices:\n%s", h.shell("losetup --all"))
		}
	}()
	h.until("no loop device is left", func() bool { return h.loops() == 0 })
	id, err := os.ReadFile(h.state + "/id")
	must(h.t, err)
	groups, err := filepath.Glob("/sys/fs/cgroup/*/coppice-" + strings.TrimSpace(string(id)))
	if err != nil || len(groups) > 0 {
		h.t.Errorf("left: cgroups %v, %v", groups, err)
	}
}
