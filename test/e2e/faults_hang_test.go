package e2e

import (
	"encoding/binary"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
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
	patient(t)
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

// dying mounts a FUSE file system of one empty folder whose server answers until
// stop is called, and never again.
func (h *host) dying(path string) (stop func()) {
	h.t.Helper()
	must(h.t, os.MkdirAll(path, 0o755))
	device, err := unix.Open("/dev/fuse", unix.O_RDWR|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	must(h.t, err)
	must(h.t, unix.Mount("dying", path, "fuse", unix.MS_NOSUID|unix.MS_NODEV, fmt.Sprintf("fd=%d,rootmode=40000,user_id=0,group_id=0", device)))
	h.given = append(h.given, path)
	halt, halted := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(halted)
		for {
			select {
			case <-halt:
				return
			default:
				answer(device)
			}
		}
	}()
	stop = sync.OnceFunc(func() { close(halt); <-halted })
	h.t.Cleanup(func() { stop(); unix.Close(device) })
	return stop
}

// answer answers one request of FUSE, if there is one (linux/fuse.h).
func answer(device int) {
	const initialize, getAttributes, readable = 26, 3, 100 // milliseconds
	poll := []unix.PollFd{{Fd: int32(device), Events: unix.POLLIN}}
	if n, err := unix.Poll(poll, readable); n < 1 || err != nil {
		return
	}
	request := make([]byte, 1<<18)
	n, err := unix.Read(device, request)
	if err != nil || n < 40 {
		return
	}
	order := binary.NativeEndian
	const header = 16
	reply := make([]byte, header, 256)
	switch order.Uint32(request[4:]) {
	case initialize:
		reply = reply[:header+64]
		order.PutUint32(reply[header:], 7)        // major
		order.PutUint32(reply[header+4:], 31)     // minor
		order.PutUint32(reply[header+8:], 1<<16)  // most to read ahead
		order.PutUint32(reply[header+20:], 4<<10) // most to write
	case getAttributes:
		reply = reply[:header+16+88] // not to be kept for any time
		attributes := reply[header+16:]
		order.PutUint64(attributes, 1) // the root's number
		order.PutUint32(attributes[60:], unix.S_IFDIR|0o755)
		order.PutUint32(attributes[64:], 2)
	default:
		order.PutUint32(reply[4:], uint32(0x100000000-uint64(unix.ENOSYS)))
	}
	order.PutUint32(reply, uint32(len(reply)))
	copy(reply[8:header], request[8:]) // which request
	_, _ = unix.Write(device, reply)   // whoever asked may have gone
}

// TestFaultServerDies has a mount inside a session whose server stops to answer.
func TestFaultServerDies(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	root := h.root("root")
	h.startAs(h.command("--workers", "2"))
	stop := h.dying(h.base + "/remote")
	h.write("bound.yaml", session("bound", directory(root), "profileRef: {name: minimal}", "profile: {mounts: [{type: bind, source: "+h.base+"/remote, target: /remote}]}"))
	h.write("good.yaml", session("good", directory(root)))
	h.ready("bound", "good")
	stop()
	h.exec("bound", "umount -l /proc")
	h.exec("good", "umount -l /proc; rm -f /etc/new")
	h.until("the other is repaired", func() bool {
		_, code := h.try("exec", "good", "--", "test", "-e", "/proc/self/stat")
		return code == 0
	})
	h.write("late.yaml", session("late", directory(root)))
	h.ready("late")
	h.kill()
	h.start()
	h.works("good")
	h.works("late")
	h.until("it is repaired too", func() bool {
		_, code := h.try("exec", "bound", "--", "test", "-e", "/proc/self/stat")
		return code == 0
	})
	h.remove("bound.yaml")
	h.gone("bound")
	h.shell("rm m/*")
	h.gone("good", "late")
	h.nothingLeft()
}

// TestFaultHungTar has a tar that never ends.
func TestFaultHungTar(t *testing.T) {
	patient(t)
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
	if out := h.do("get", "sessions"); !strings.Contains(out, "unpacking the archive") {
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
	patient(t)
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
