package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"coppice.dev/status"
)

// TestWhy has people and devices be in the way of an end, and asks who they are.
func TestWhy(t *testing.T) {
	h := newHost(t)
	root := h.root("root")
	h.start()
	h.write("a.yaml", session("a", directory(root)))
	h.ready("a")
	if out := h.do("why", "a"); !strings.Contains(out, "it is ready; nothing is in its way") {
		t.Errorf("why a session is ready:\n%s", out)
	}
	view := h.run + "/sessions/a/root"
	// Somebody works in a folder of it, and somebody has a loop device on a file.
	visitor := exec.Command("/bin/busybox", "sleep", "1000")
	visitor.Dir = view + "/etc"
	must(t, visitor.Start())
	t.Cleanup(func() { _ = visitor.Process.Kill(); _ = visitor.Wait() })
	h.shell("truncate -s 1M " + view + "/disk.img")
	loop := strings.TrimSpace(h.shell("losetup --find --show " + view + "/disk.img"))
	detached := false
	t.Cleanup(func() {
		if !detached {
			_ = exec.Command("losetup", "-d", loop).Run() // it may be gone
		}
	})
	h.remove("a.yaml")
	kill := fmt.Sprintf("kill %d", visitor.Process.Pid)
	h.is("a", "busy", func(s status.Status) bool { return len(s.Blockers) == 2 })
	out, code := h.try("why", "a")
	for _, want := range []string{"it is being taken down", "Busy", "root", "busybox sleep 1000", view + "/etc", kill, loop, "losetup -d " + loop, "what to do:", "tried again:"} {
		if !strings.Contains(out, want) {
			t.Errorf("why does not say %q:\n%s", want, out)
		}
	}
	if code != 1 {
		t.Errorf("exit code %d, want 1", code)
	}
	out, _ = h.try("why", "a", "-o", "json")
	var answer struct {
		Well     bool
		Blockers []status.Blocker
	}
	if err := json.Unmarshal([]byte(out), &answer); err != nil || answer.Well || len(answer.Blockers) != 2 {
		t.Errorf("-o json: %v\n%s", err, out)
	}
	// What it says frees it.
	for _, b := range answer.Blockers {
		h.shell(b.Free)
	}
	detached = true
	h.gone("a")
	if out, code := h.try("why", "a"); code != 1 || !strings.Contains(out, "there is no session") {
		t.Errorf("why of one that is gone: %d, %s", code, out)
	}
	h.nothingLeft()
}

// TestWhyItWaits asks about a session that waits for those inside.
func TestWhyItWaits(t *testing.T) {
	h := newHost(t)
	root := h.root("root")
	h.start()
	h.write("a.yaml", session("a", directory(root), "deletionPolicy: Wait"))
	h.ready("a")
	inside := exec.Command(bin+"/coppice", "--run-dir", h.run, "exec", "a", "--", "sleep", "1000")
	must(t, inside.Start())
	ended := make(chan error, 1)
	go func() { ended <- inside.Wait() }()
	t.Cleanup(func() { _ = inside.Process.Kill() })
	h.is("a", "entered", func(status.Status) bool {
		return h.exec("a", "true") == "" && len(h.pids("a")) > 0
	})
	h.remove("a.yaml")
	s := h.is("a", "waiting", func(s status.Status) bool { return len(s.Blockers) > 0 })
	if out, code := h.try("why", "a"); code != 1 || !strings.Contains(out, "sleep 1000") || !strings.Contains(out, s.Blockers[0].Free) {
		t.Errorf("why: %d\n%s", code, out)
	}
	h.shell(s.Blockers[0].Free)
	<-ended
	h.gone("a")
	h.nothingLeft()
}

// pids are the processes in a session's cgroup.
func (h *host) pids(name string) []string {
	h.t.Helper()
	for _, o := range h.status(name).Objects {
		if o.Kind == "Processes" && o.Name != "" {
			text, _ := os.ReadFile(o.Name + "/cgroup.procs") // those in groups below count as well
			below, _ := filepath.Glob(o.Name + "/*/cgroup.procs")
			for _, path := range below {
				more, _ := os.ReadFile(path)
				text = append(text, more...)
			}
			return strings.Fields(string(text))
		}
	}
	return nil
}

// TestWhoDoesNotWantToGo ends a session with processes inside that ignore TERM,
// that are stopped, and that multiply; another session's stay.
func TestWhoDoesNotWantToGo(t *testing.T) {
	h := newHost(t)
	root := h.root("root")
	h.start()
	h.write("a.yaml", session("a", directory(root), "gracePeriod: 200ms"))
	h.write("b.yaml", session("b", directory(root)))
	h.ready("a", "b")
	// Whoever has the test's pipe open, stopped or not, keeps it waiting.
	const quiet = "exec >/dev/null 2>&1 </dev/null; "
	h.exec("b", quiet+"sleep 1000 &")
	h.exec("a", quiet+"trap '' TERM HUP; (while :; do sleep 0.05; done) &")
	h.exec("a", quiet+"sleep 1000 & kill -STOP $!")
	h.exec("a", quiet+"trap '' TERM; i=0; while [ $i -lt 30 ]; do (while :; do (sleep 0.02 &); sleep 0.02; done) & i=$((i+1)); done")
	others := h.pids("b")
	if len(h.pids("a")) < 30 || len(others) != 1 {
		t.Fatalf("inside are %v and %v", h.pids("a"), others)
	}
	h.remove("a.yaml")
	h.gone("a")
	if now := h.pids("b"); len(now) != 1 || now[0] != others[0] {
		t.Errorf("processes of another session were %v and are %v", others, now)
	}
	h.remove("b.yaml")
	h.gone("b")
	h.nothingLeft()
}

// TestALargeLayerGoesInTheBackground deletes a session that has written much:
// its name is free at once, and a crash while its files are removed leaves none.
func TestALargeLayerGoesInTheBackground(t *testing.T) {
	h := newHost(t)
	root := h.root("root")
	h.start()
	h.write("a.yaml", session("a", directory(root)))
	h.ready("a")
	h.exec("a", "touch /mark")
	h.shell(`cd state/sessions/a/upper; mkdir -p many; i=0; while [ $i -lt 100 ]; do mkdir many/$i; i=$((i+1)); done
		cd many; seq 1 400 | xargs touch --; for d in [0-9]*; do [ -d $d ] && (cd $d; seq 1 300 | xargs touch); done`)
	h.remove("a.yaml")
	h.gone("a")
	h.write("a.yaml", session("a", directory(root)))
	h.ready("a")
	if out, code := h.try("exec", "a", "--", "test", "-e", "/mark"); code != 1 {
		t.Errorf("the new session has the old one's files: %d, %s", code, out)
	}
	h.kill()
	h.start()
	h.until("the trash is empty", func() bool {
		left, err := os.ReadDir(h.state + "/trash")
		return err == nil && len(left) == 0
	})
	h.remove("a.yaml")
	h.gone("a")
	h.nothingLeft()
}

// TestTrashThatStays has something in the trash that cannot be removed. It is in
// nobody's way, and what is mounted there is not looked into.
func TestTrashThatStays(t *testing.T) {
	h := newHost(t)
	root := h.root("root")
	precious := h.base + "/precious"
	must(t, os.Mkdir(precious, 0o755))
	must(t, os.WriteFile(precious+"/letter", []byte("dear\n"), 0o644))
	h.start()
	h.write("a.yaml", session("a", directory(root)))
	h.ready("a")
	h.shell("mkdir -p state/sessions/a/upper/hole state/trash/old/deep; touch state/sessions/a/upper/stone; chattr +i state/sessions/a/upper/stone 2>/dev/null || true")
	must(t, unix.Mount(precious, h.state+"/trash/old/deep", "", unix.MS_BIND, ""))
	h.remove("a.yaml")
	h.gone("a")
	h.until("the log names what stays", func() bool {
		text, err := os.ReadFile(h.log)
		return err == nil && strings.Contains(string(text), "trash/old/deep")
	})
	h.until("it is shown", func() bool {
		out := h.do("get", "manifests", "-o", "wide")
		return strings.Contains(out, h.state+"/trash") && strings.Contains(out, "trash/old/deep")
	})
	if text, err := os.ReadFile(precious + "/letter"); err != nil || string(text) != "dear\n" {
		t.Errorf("what was mounted in the trash: %q, %v", text, err)
	}
	must(t, unix.Unmount(h.state+"/trash/old/deep", 0))
	h.shell("chattr -R -i state/trash 2>/dev/null || true")
	h.end(syscall.SIGTERM)
	h.start() // it does not wait for the next try
	h.until("the trash is empty", func() bool {
		left, err := os.ReadDir(h.state + "/trash")
		return err == nil && len(left) == 0
	})
	h.nothingLeft()
}
