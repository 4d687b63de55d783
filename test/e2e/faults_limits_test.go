package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"coppice.dev/status"
)

// denied is the daemon with a system call of it and its children that fails with
// EMFILE, as it does when others have used up what root may have of it: here it
// is so for the daemon alone, and no other test has to do without.
func (h *host) denied(call string, args ...string) *exec.Cmd {
	daemon := h.command(args...)
	words := []string{"-D", "-f", "-qq", "-o", h.base + "/strace", "-e", "trace=" + call, "-e", "inject=" + call + ":error=EMFILE", "--"}
	return exec.Command("strace", append(words, daemon.Args...)...)
}

// allow ends the denial.
func (h *host) allow() {
	h.t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", h.daemon.Process.Pid))
	must(h.t, err)
	var tracer int
	for line := range strings.Lines(string(text)) {
		if _, err := fmt.Sscanf(line, "TracerPid: %d", &tracer); err == nil {
			break
		}
	}
	if tracer == 0 {
		h.t.Fatal("nobody traces the daemon")
	}
	must(h.t, unix.Kill(tracer, unix.SIGKILL)) // whom it traces goes on
}

// TestFaultInotify leaves no inotify instance: manifests are found all the same,
// a little later, and that is told.
func TestFaultInotify(t *testing.T) {
	h := newHost(t)
	root := h.root("root")
	h.startAs(h.denied("inotify_init1"))
	h.until("it is told", func() bool { return h.logged("fs.inotify.max_user_instances") })
	h.write("s.yaml", session("s", directory(root)))
	h.ready("s")
	out := ""
	h.until("it is shown", func() bool {
		out = h.do("get", "manifests", "-o", "wide")
		return strings.Contains(out, "Degraded")
	})
	tells(t, out, h.manifests, h.run+"/manifests", "nothing tells of changes", "every 1s", "raise sysctl")
	h.allow()
	h.until("that is told too", func() bool { return h.logged("Manifests are found at once again") })
	h.until("nothing is shown any more", func() bool { return !strings.Contains(h.do("get", "manifests"), "Degraded") })
	h.shell("rm m/*")
	h.gone("s")
	h.nothingLeft()
}

// TestFaultFanotify leaves no group of fanotify: drift is heard of all the same.
func TestFaultFanotify(t *testing.T) {
	h := newHost(t)
	root := h.root("root")
	h.startAs(h.denied("fanotify_init", "--resync", "1h"))
	h.until("it is told", func() bool { return h.logged("polling mount tables") })
	h.allow()
	h.write("s.yaml", session("s", directory(root)))
	h.ready("s")
	h.exec("s", "umount /proc")
	h.until("the mount is back", func() bool {
		_, code := h.try("exec", "s", "--", "test", "-e", "/proc/self/stat")
		return code == 0
	})
	h.shell("rm m/*")
	h.gone("s")
	h.nothingLeft()
}

// TestFaultOpenFiles gives the daemon so few open files that it cannot work on
// many sessions at once.
func TestFaultOpenFiles(t *testing.T) {
	h := newHost(t)
	root := h.root("root")
	h.shell("tar -C root -cf root.tar .; mksquashfs root root.sqfs -quiet -no-progress")
	h.start()
	h.write("good.yaml", session("good", directory(root)))
	h.ready("good")
	h.kill()
	h.startAs(h.command("--workers", "16", "--max-prune", "-1"))
	files := func() int {
		list, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", h.daemon.Process.Pid))
		must(t, err)
		return len(list)
	}
	limit := func(files uint64) { // after its start: Go raises the soft limit then
		var now unix.Rlimit
		must(t, unix.Prlimit(h.daemon.Process.Pid, unix.RLIMIT_NOFILE, nil, &now))
		must(t, unix.Prlimit(h.daemon.Process.Pid, unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: min(files, now.Max), Max: now.Max}, nil))
	}
	const few = 21 // it has 15 when there is nothing to do
	limit(few)
	var names []string
	for i := range 50 {
		name := fmt.Sprintf("s%d", i)
		source := directory(root)
		switch i % 5 {
		case 3:
			source = "source: {file: {path: " + h.base + "/root.tar}}"
		case 4:
			source = "source: {loopback: {path: " + h.base + "/root.sqfs}}"
		}
		h.write(name+".yaml", session(name, source))
		names = append(names, name)
	}
	h.until("it is told", func() bool { return h.logged("too many open files") })
	h.until("some reason is shown", func() bool { return strings.Contains(h.do("get", "sessions"), "NoResources: ") })
	if !h.logged("LimitNOFILE=") {
		t.Error("it is not said what to do")
	}
	if got := h.read(h.run + "/sessions/good/root/etc/motd"); got != "small\n" {
		t.Errorf("a session that stood before shows %q", got)
	}
	if h.daemon.ProcessState != nil || unix.Kill(h.daemon.Process.Pid, 0) != nil {
		t.Fatal("the daemon ended")
	}
	limit(4096)
	h.ready(names...)
	h.works("s3")
	limit(uint64(files() + 6)) // where mount tables are polled each session takes one
	h.shell("rm m/*")
	h.until("the most are gone or it is told", func() bool {
		left, err := os.ReadDir(h.state + "/sessions")
		return err == nil && len(left) < 51
	})
	limit(4096)
	h.gone(append(names, "good")...)
	defer func() {
		if t.Failed() {
			t.Log(h.shell(fmt.Sprintf("ls -l /proc/%d/fd", h.daemon.Process.Pid)))
		}
	}()
	h.until("no open file is left", func() bool { return files() <= few+2 })
	h.nothingLeft()
}

// group makes a cgroup of a v1 controller for the time of the test, puts
// the daemon into it and returns its folder.
func (h *host) group(controller string) string {
	h.t.Helper()
	folder := filepath.Join("/sys/fs/cgroup", controller, fmt.Sprintf("coppice-test-%d", os.Getpid()))
	if err := os.Mkdir(folder, 0o755); err != nil {
		h.t.Skipf("no cgroup of the controller %s: %v", controller, err)
	}
	h.t.Cleanup(func() {
		for deadline := time.Now().Add(moment); ; time.Sleep(10 * time.Millisecond) {
			for pid := range strings.FieldsSeq(h.read(folder + "/cgroup.procs")) {
				_ = os.WriteFile(filepath.Dir(folder)+"/cgroup.procs", []byte(pid), 0) // it may have ended
			}
			if err := os.Remove(folder); err == nil || time.Now().After(deadline) {
				must(h.t, err)
				return
			}
		}
	})
	return folder
}

func (h *host) read(path string) string {
	h.t.Helper()
	text, err := os.ReadFile(path)
	must(h.t, err)
	return string(text)
}

func (h *host) put(path, text string) {
	h.t.Helper()
	must(h.t, os.WriteFile(path, []byte(text), 0))
}

// TestFaultProcesses lets the daemon start no more processes: neither hooks nor
// tar.
func TestFaultProcesses(t *testing.T) {
	h := newHost(t)
	root := h.root("root")
	h.shell("tar -C root -cf root.tar .")
	group := h.group("pids")
	h.start()
	h.write("good.yaml", session("good", directory(root)))
	h.ready("good")
	h.put(group+"/cgroup.procs", strconv.Itoa(h.daemon.Process.Pid))
	h.put(group+"/pids.max", strings.TrimSpace(h.read(group+"/pids.current")))
	h.write("archive.yaml", session("archive", "source: {file: {path: "+h.base+"/root.tar}}"))
	h.write("hook.yaml", session("hook", directory(root), "profile: {hooks: [{name: h, phase: setup, command: [/bin/true]}]}"))
	// Go itself may want a thread more and end the daemon for want of it: then it
	// is as good as killed, and whoever looks after it starts it again.
	ended := func() bool { return unix.Kill(h.daemon.Process.Pid, 0) != nil || zombie(h.daemon.Process.Pid) }
	h.until("it is told", func() bool {
		c := h.status("archive").Condition(status.ConditionReady)
		return ended() || c != nil && c.Reason == "NoResources" && strings.Contains(c.Message, "TasksMax=")
	})
	t.Logf("ended for want of a thread: %t", ended())
	if got := h.read(h.run + "/sessions/good/root/etc/motd"); got != "small\n" {
		t.Errorf("a session that stood before shows %q", got)
	}
	h.put(group+"/pids.max", "max")
	h.until("all work", func() bool {
		if ended() { // it may have been about to
			h.kill()
			h.start()
		}
		return h.status("archive").Phase == status.Ready && h.status("hook").Phase == status.Ready
	})
	h.works("good")
	h.shell("rm m/*")
	h.gone("archive", "hook", "good")
	h.nothingLeft()
}

// zombie reports whether a process has ended and was not waited for.
func zombie(pid int) bool {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err != nil || strings.Contains(string(text), ") Z ")
}

// TestFaultMemory gives the daemon so little memory that the kernel ends it.
func TestFaultMemory(t *testing.T) {
	h := newHost(t)
	root := h.root("root")
	h.shell("tar -C root -cf root.tar .")
	group := h.group("memory")
	h.start()
	h.write("good.yaml", session("good", directory(root)))
	h.ready("good")
	h.put(group+"/cgroup.procs", strconv.Itoa(h.daemon.Process.Pid))
	h.put(group+"/memory.limit_in_bytes", "3M")
	for i := range 20 {
		source := directory(root)
		if i%2 == 1 {
			source = "source: {file: {path: " + h.base + "/root.tar}}"
		}
		h.write(fmt.Sprintf("s%d.yaml", i), session(fmt.Sprintf("s%d", i), source))
	}
	h.until("the kernel ended it, or all work", func() bool {
		return zombie(h.daemon.Process.Pid) || h.status("s19").Phase == status.Ready
	})
	t.Logf("ended by the kernel: %v", zombie(h.daemon.Process.Pid))
	h.put(group+"/memory.limit_in_bytes", "-1")
	h.kill()
	h.startAs(h.command("--max-prune", "-1"))
	for i := range 20 {
		h.ready(fmt.Sprintf("s%d", i))
	}
	h.works("good")
	h.works("s1")
	h.shell("rm m/*")
	for i := range 20 {
		h.gone(fmt.Sprintf("s%d", i))
	}
	h.gone("good")
	h.nothingLeft()
}
