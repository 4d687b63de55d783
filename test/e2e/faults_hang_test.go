package e2e

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"coppice.dev/status"
)

// hung mounts a FUSE file system that nobody serves: whoever looks into it
// waits, until the returned function ends it with an error for all.
func (h *host) hung(path string) (abort func()) {
	h.t.Helper()
	must(h.t, os.MkdirAll(path, 0o755))
	device, err := unix.Open("/dev/fuse", unix.O_RDWR|unix.O_CLOEXEC, 0)
	must(h.t, err)
	open := true
	abort = func() {
		if open {
			open = false
			unix.Close(device)
		}
	}
	h.t.Cleanup(abort)
	must(h.t, unix.Mount("hung", path, "fuse", unix.MS_NOSUID|unix.MS_NODEV, fmt.Sprintf("fd=%d,rootmode=40000,user_id=0,group_id=0", device)))
	h.given = append(h.given, path)
	return abort
}

// TestFaultHungSource has sources on a file system that does not answer.
func TestFaultHungSource(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	root := h.root("root")
	h.startAs(h.command("--workers", "2"))
	h.write("good.yaml", session("good", directory(root)))
	h.ready("good")
	abort := h.hung(h.base + "/hung")
	h.write("hung.yaml", session("hung", directory(h.base+"/hung/root")))
	h.write("gone.yaml", session("gone", directory(h.base+"/hung/root")))
	h.write("archive.yaml", session("archive", "source: {file: {path: "+h.base+"/hung/root.tar}}"))
	began := time.Now()
	h.write("late.yaml", session("late", directory(root)))
	h.ready("late")
	t.Logf("late after %s", time.Since(began))
	for _, name := range []string{"hung", "archive"} {
		tells(t, h.because(name, "TimedOut"), h.base+"/hung/root", "does not answer")
	}
	h.works("good")
	h.remove("gone.yaml")
	h.gone("gone")
	h.works("late")
	abort()
	h.is("hung", "told of", func(s status.Status) bool {
		c := s.Condition(status.ConditionReady)
		return c != nil && c.Reason == "SourceUnusable"
	})
	must(t, unix.Unmount(h.base+"/hung", unix.MNT_DETACH))
	h.shell("cp -a root hung/root; tar -C root -cf hung/root.tar .")
	h.ready("hung", "archive")
	h.shell("rm m/*")
	h.gone("good", "late", "hung", "archive")
	h.nothingLeft()
}

// ended waits until a process whose number stands in a file is gone.
func (h *host) ended(file string) {
	h.t.Helper()
	pid, err := strconv.Atoi(strings.TrimSpace(h.read(file)))
	must(h.t, err)
	h.until("process "+file+" ends", func() bool { return unix.Kill(pid, 0) != nil || zombie(pid) })
}

// TestFaultHungTar has a tar that never ends.
func TestFaultHungTar(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	root := h.root("root")
	h.shell("tar -C root -cf root.tar .; mkdir tools")
	must(t, os.WriteFile(h.base+"/tools/tar", []byte("#!/bin/sh\nsleep 1000 &\necho $! > "+h.base+"/child.new\nmv "+h.base+"/child.new "+h.base+"/child\nwait\n"), 0o755))
	daemon := h.command()
	daemon.Env = append(os.Environ(), "PATH="+h.base+"/tools:"+os.Getenv("PATH"))
	h.startAs(daemon)
	archive := "source: {file: {path: " + h.base + "/root.tar}}"
	h.write("hung.yaml", session("hung", archive))
	h.write("good.yaml", session("good", directory(root)))
	h.ready("good")
	s := h.is("hung", "shown at work", func(s status.Status) bool { return s.Step != nil && strings.Contains(s.Step.Address, "2-layer/tree") })
	if s.Step.Since.IsZero() || time.Since(s.Step.Since.Time) > time.Minute {
		t.Errorf("the step began at %s", s.Step.Since)
	}
	if out := h.do("get", "sessions"); !strings.Contains(out, "create") {
		t.Errorf("get sessions:\n%s", out)
	}
	h.until("tar runs", func() bool { _, err := os.Stat(h.base + "/child"); return err == nil })
	h.works("good")
	h.remove("hung.yaml")
	h.gone("hung")
	h.ended(h.base + "/child")
	must(t, os.Remove(h.base+"/tools/tar"))
	h.write("again.yaml", session("again", archive))
	h.ready("again")
	h.works("again")
	h.shell("rm m/*")
	h.gone("good", "again")
	h.nothingLeft()
}

// TestFaultHungHook has hooks that never end: one with little time, and one with
// much.
func TestFaultHungHook(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	root := h.root("root")
	must(t, os.WriteFile(h.base+"/hook", []byte("#!/bin/sh\ntrap '' TERM\nsleep 1000 &\necho $! > "+h.base+"/$1.new\nmv "+h.base+"/$1.new "+h.base+"/$1\necho waiting for the moon\nwait; sleep 1000\n"), 0o755))
	h.startAs(h.command("--workers", "2"))
	hook := func(name, timeout string) string {
		return session(name, directory(root), "profile: {hooks: [{name: wait, phase: setup, timeout: "+timeout+", command: ["+h.base+"/hook, "+name+"]}]}")
	}
	h.write("short.yaml", hook("short", "1s"))
	tells(t, h.because("short", "HookFailed"), "wait", "still running after 1s", "timeout", "waiting for the moon")
	h.remove("short.yaml")
	h.gone("short")
	h.ended(h.base + "/short")
	h.write("long.yaml", hook("long", "1h"))
	h.until("the hook runs", func() bool { _, err := os.Stat(h.base + "/long"); return err == nil })
	h.write("good.yaml", session("good", directory(root)))
	h.ready("good")
	s := h.is("long", "shown at work", func(s status.Status) bool { return s.Step != nil })
	tells(t, s.Step.Address, "hook")
	h.works("good")
	h.remove("long.yaml")
	h.gone("long")
	h.ended(h.base + "/long")
	h.works("good")
	h.shell("rm m/*")
	h.gone("good")
	h.nothingLeft()
}
