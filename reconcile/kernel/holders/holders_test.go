package holders_test

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"unicode/utf8"

	"golang.org/x/sys/unix"

	"coppice.dev/reconcile/kernel/holders"
	"coppice.dev/reconcile/object"
)

func TestMain(m *testing.M) {
	if os.Getuid() != 0 {
		os.Stderr.WriteString("skipped: needs root\n")
		return
	}
	os.Exit(m.Run())
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// tmpfs mounts one, so that the device number is nobody else's.
func tmpfs(t *testing.T) string {
	t.Helper()
	path, err := filepath.EvalSymlinks(t.TempDir())
	must(t, err)
	must(t, unix.Mount("holders-test", path, "tmpfs", 0, "size=8m"))
	t.Cleanup(func() {
		if err := unix.Unmount(path, 0); err != nil {
			t.Errorf("unmount: %v", err)
			_ = unix.Unmount(path, unix.MNT_DETACH) // so that others do not suffer
		}
	})
	return path
}

// start runs a shell script that says "ready" when it holds what it is to hold,
// and then "read x" to wait for its end.
func start(t *testing.T, cmd *exec.Cmd) int {
	t.Helper()
	in, err := cmd.StdinPipe()
	must(t, err)
	out, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())
	t.Cleanup(func() {
		in.Close()
		_ = cmd.Process.Kill() // it may have ended
		_ = cmd.Wait()
	})
	if line, err := bufio.NewReader(out).ReadString('\n'); err != nil || line != "ready\n" {
		t.Fatalf("it said %q: %v", line, err)
	}
	return cmd.Process.Pid
}

func script(text string) *exec.Cmd { return exec.Command("/bin/sh", "-c", text+"; echo ready; read x") }

func device(t *testing.T, path string) uint64 {
	t.Helper()
	var st unix.Stat_t
	must(t, unix.Stat(path, &st))
	return st.Dev
}

func of(list []object.Process, pid int) (object.Process, bool) {
	i := slices.IndexFunc(list, func(p object.Process) bool { return p.PID == pid })
	if i < 0 {
		return object.Process{}, false
	}
	return list[i], true
}

func TestWhoUsesAMount(t *testing.T) {
	mount := tmpfs(t)
	must(t, os.Mkdir(mount+"/dir", 0o755))
	must(t, os.WriteFile(mount+"/file", []byte("x"), 0o644))
	copied, err := os.ReadFile("/bin/sleep")
	must(t, err)
	must(t, os.WriteFile(mount+"/program", copied, 0o755))

	folder := script("cd " + mount + "/dir")
	opened := exec.Command("/bin/sh", "-c", "exec 3<"+mount+"/dir; echo ready; read x")
	mapped := exec.Command(mount+"/program", "100") // its text is mapped from there
	must(t, mapped.Start())
	t.Cleanup(func() { _ = mapped.Process.Kill(); _ = mapped.Wait() })

	want := map[int]string{
		start(t, folder): mount + "/dir",
		start(t, opened): mount + "/dir",
		start(t, script("exec 3<"+mount+"/file")):                          mount + "/file",
		start(t, script("exec 3>"+mount+"/deleted; rm "+mount+"/deleted")): mount + "/deleted (deleted)",
		mapped.Process.Pid: mount + "/program",
	}
	bystander := start(t, script("true"))
	for name, list := range map[string][]object.Process{"device": holders.OfDevice(device(t, mount)), "path": holders.Below(mount)} {
		for pid, path := range want {
			p, found := of(list, pid)
			if !found || p.Path != path || p.UID != 0 || p.Command == "" {
				t.Errorf("by %s: pid %d is %+v, want it at %s", name, pid, p, path)
			}
		}
		if len(list) != len(want) {
			t.Errorf("by %s: %d found, want %d: %+v", name, len(list), len(want), list)
		}
		if _, found := of(list, bystander); found {
			t.Errorf("by %s: somebody who uses nothing there", name)
		}
	}
	if list := holders.Below(mount + "/fil"); len(list) > 0 {
		t.Errorf("below the beginning of a name: %+v", list)
	}
	if _, found := of(holders.Below("/"), bystander); !found {
		t.Error("nobody is below /")
	}
}

// In another namespace the same path is another place.
func TestSamePathElsewhere(t *testing.T) {
	mount := tmpfs(t)
	must(t, os.Mkdir(mount+"/dir", 0o755))
	elsewhere := exec.Command("/bin/sh", "-c", "mount --make-rprivate / && umount "+mount+" && mkdir -p "+mount+"/dir && cd "+mount+"/dir && echo ready && read x")
	elsewhere.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS}
	pid := start(t, elsewhere)
	if p, found := of(holders.Below(mount), pid); found {
		t.Errorf("found %+v, which is in a namespace of its own", p)
	}
	var st unix.Stat_t
	must(t, unix.Stat(proc(pid)+"/ns/mnt", &st))
	if list := holders.InNamespace(st.Ino); len(list) != 1 || list[0].PID != pid {
		t.Errorf("in the namespace: %+v, want pid %d alone", list, pid)
	}
	var own unix.Stat_t
	must(t, unix.Stat("/proc/self/ns/mnt", &own))
	list := holders.InNamespace(own.Ino)
	for _, p := range list {
		if text, err := os.ReadFile(proc(p.PID) + "/cmdline"); err == nil && len(text) == 0 {
			if _, err := os.Readlink(proc(p.PID) + "/exe"); err != nil {
				t.Errorf("a thread of the kernel is among the processes: %+v", p)
			}
		}
	}
	if _, found := of(list, os.Getpid()); found {
		t.Error("the one that looks is among them")
	}
}

func TestCommandIsForPeople(t *testing.T) {
	cmd := script("true")
	cmd.Args = append(cmd.Args, "\x1b[31mred\n\xff", strings.Repeat("ä", 200))
	p := holders.Describe(start(t, cmd))
	if strings.ContainsAny(p.Command, "\x1b\n\x00") || !utf8.ValidString(p.Command) || utf8.RuneCountInString(p.Command) > 80 {
		t.Errorf("command %q", p.Command)
	}
	if !strings.HasPrefix(p.Command, "/bin/sh -c true; echo ready; read x ?[31mred?") {
		t.Errorf("command %q", p.Command)
	}
	if gone := holders.Describe(1 << 30); gone.Command != "" || gone.UID != -1 {
		t.Errorf("nobody is %+v", gone)
	}
}

func proc(pid int) string { return "/proc/" + strconv.Itoa(pid) }
