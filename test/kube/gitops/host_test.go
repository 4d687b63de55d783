package gitops

import (
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"

	"coppice.dev/reconcile/kernel/mounttable"
	"coppice.dev/test/built"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// moment is the most that anything may take on a busy machine.
const moment = 60 * time.Second

// host is a private prefix with a daemon on it, which watches two folders.
type host struct {
	t              *testing.T
	bin            string
	base           string
	folder, second string
	daemon         *exec.Cmd
}

func newHost(t *testing.T) *host {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("needs root")
	}
	bin, err := built.Commands(t.TempDir())
	must(t, err)
	base, err := filepath.EvalSymlinks(t.TempDir())
	must(t, err)
	h := &host{t: t, bin: bin, base: base, folder: base + "/m", second: base + "/n"}
	for _, folder := range []string{h.folder, h.second, base + "/root/etc", base + "/root/proc"} {
		must(t, os.MkdirAll(folder, 0o755))
	}
	t.Cleanup(h.clean)
	h.daemon = h.command()
	log, err := os.Create(base + "/log")
	must(t, err)
	defer log.Close()
	h.daemon.Stderr = log
	must(t, h.daemon.Start())
	return h
}

// command is the daemon's. Tests take many manifests away at once, and mean it.
func (h *host) command(args ...string) *exec.Cmd {
	return exec.Command(h.bin+"/coppiced", append([]string{
		"--manifest-dir", h.folder, "--manifest-dir", h.second, "--state-dir", h.base + "/state",
		"--run-dir", h.base + "/run", "--resync", "1s", "--max-prune", "-1",
	}, args...)...)
}

// clean takes all manifests away, has a last pass take down what is left, and
// unmounts what a failed test has kept from that.
func (h *host) clean() {
	if h.daemon != nil && h.daemon.Process != nil {
		_ = h.daemon.Process.Signal(syscall.SIGTERM) // it may have ended
		_ = h.daemon.Wait()                          // by that signal
	}
	if h.t.Failed() {
		text, _ := os.ReadFile(h.base + "/log") // as far as there is one
		h.t.Logf("the daemon's log:\n%s", text)
	}
	for _, folder := range []string{h.folder, h.second} {
		files, err := filepath.Glob(folder + "/*")
		must(h.t, err)
		for _, file := range files {
			must(h.t, os.Remove(file))
		}
	}
	if out, err := h.command("--once").CombinedOutput(); err != nil {
		h.t.Errorf("the last sweep: %v\n%s", err, out)
	}
	table, err := mounttable.Host()
	must(h.t, err)
	for _, e := range mounttable.Below(table, h.base) {
		_ = unix.Unmount(e.Mountpoint, unix.MNT_DETACH) // some go with others
	}
}

// write puts a manifest into a watched folder.
func (h *host) write(path, text string) {
	h.t.Helper()
	must(h.t, os.WriteFile(path, []byte(text), 0o644))
}

// until waits for something, and says what was seen last if it does not come.
func (h *host) until(what string, ok func() (bool, string)) {
	h.t.Helper()
	for deadline := time.Now().Add(moment); ; {
		is, seen := ok()
		if is {
			return
		}
		if time.Now().After(deadline) {
			h.t.Fatalf("waiting until %s: %s is over:\n%s", what, moment, seen)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
