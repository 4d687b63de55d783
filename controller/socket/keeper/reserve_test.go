package keeper

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// ready waits until a keeper waits, and returns it.
func (r *Reserve) ready(t testing.TB) *waiting {
	t.Helper()
	var w *waiting
	eventually(t, "a keeper waits", func() bool {
		r.mu.Lock()
		defer r.mu.Unlock()
		w = r.waiting
		return w != nil
	})
	return w
}

// reserve returns one that is empty when the test ends.
func reserve(t testing.TB) *Reserve {
	r := &Reserve{}
	t.Cleanup(func() { r.Close() })
	return r
}

func TestTheKeeperThatWaitsIsTaken(t *testing.T) {
	s, r := session(t), reserve(t)
	lease := group(t)
	run := func(script string) *client {
		o := person(script)
		o.Session, o.Lease, o.Group = "build-1", "abcd1234", lease
		if lease != "" {
			if err := os.MkdirAll(lease, 0o755); err != nil {
				t.Fatal(err)
			}
		}
		c := startBy(t, r.Start, s, o)
		if text, f := c.output(t); text != "54321\n" || f.Exited == nil || f.Exited.Code != 3 {
			t.Errorf("it says %q, %+v, %+v", text, f, f.Failed)
		}
		eventually(t, "the keeper leaves", func() bool {
			_, err := os.Stat(lease)
			return err != nil // there is none, or it was removed
		})
		return c
	}
	run("id -u; exit 3") // by one that did not wait
	for range 3 {
		w := r.ready(t)
		if c := run("id -u; exit 3"); c.keeper.Pid != w.process.Pid {
			t.Errorf("the keeper that waits is %d, and %d ran the command", w.process.Pid, c.keeper.Pid)
		}
	}
	w := r.ready(t)
	if lease != "" {
		if text, err := os.ReadFile(filepath.Join(keepersOf(Order{Group: lease}), "cgroup.procs")); err != nil || !slices.Contains(strings.Fields(string(text)), strconv.Itoa(w.process.Pid)) {
			t.Errorf("the keeper that waits is %d; in the cgroup for keepers are %q, %v", w.process.Pid, text, err)
		}
	}
}

// A keeper that waits shows so, and later whose it is.
func TestTheKeeperThatWaitsIsSeen(t *testing.T) {
	s, r := session(t), reserve(t)
	shown := func(pid int) string {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
		if err != nil {
			t.Fatal(err)
		}
		return strings.Join(strings.FieldsFunc(string(text), func(c rune) bool { return c == 0 || c == ' ' }), " ")
	}
	startBy(t, r.Start, s, person("true")).output(t)
	w := r.ready(t)
	if got := shown(w.process.Pid); got != "coppiced: keeper waits" {
		t.Errorf("the list of processes shows %q", got)
	}
	o := person("cat")
	o.Session, o.Lease = "build-1", "abcd1234"
	c := startBy(t, r.Start, s, o)
	files, in, _ := pipes(t)
	if f, _ := c.begin(t, files); f.Started == nil {
		t.Fatalf("%+v", f.Failed)
	}
	if got := shown(c.keeper.Pid); got != "coppiced: keeper build-1 abcd1234" {
		t.Errorf("the list of processes shows %q", got)
	}
	in.Close()
}

func TestTheKeeperThatWaitsIsGone(t *testing.T) {
	s, r := session(t), reserve(t)
	startBy(t, r.Start, s, person("true")).output(t)
	w := r.ready(t)
	if err := w.process.Kill(); err != nil {
		t.Fatal(err)
	}
	if _, err := w.process.Wait(); err != nil {
		t.Fatal(err)
	}
	c := startBy(t, r.Start, s, person("exit 4"))
	if _, f := c.output(t); f.Exited == nil || f.Exited.Code != 4 || c.keeper.Pid == w.process.Pid {
		t.Errorf("%+v", f)
	}
}

// What ends the daemon closes its end of the line, however it ends.
func TestTheKeeperThatWaitsEndsWithTheDaemon(t *testing.T) {
	w, err := begin("")
	if err != nil {
		t.Fatal(err)
	}
	w.line.Close()
	if state, err := w.process.Wait(); err != nil || state.ExitCode() != 0 {
		t.Errorf("it ended with %v, %v", state, err)
	}
}

func TestReserveIsClosed(t *testing.T) {
	s, r := session(t), reserve(t)
	startBy(t, r.Start, s, person("true")).output(t)
	w := r.ready(t)
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	if err := unix.Kill(w.process.Pid, 0); err == nil {
		t.Error("the keeper that waited is still there")
	}
	r.prepare("")
	if r.waiting != nil {
		t.Error("another one waits")
	}
	if _, f := startBy(t, r.Start, s, person("exit 5")).output(t); f.Exited == nil || f.Exited.Code != 5 {
		t.Errorf("%+v", f)
	}
}

// One that nobody needs is let go, and no other.
func TestReserveRests(t *testing.T) {
	s, r := session(t), reserve(t)
	startBy(t, r.Start, s, person("true")).output(t)
	w := r.ready(t)
	r.release(&waiting{})
	if r.waiting != w {
		t.Fatal("another one's time has ended it")
	}
	r.release(w)
	if r.waiting != nil || alive(w.process.Pid) {
		t.Error("its time is over, and it is still there")
	}
}
