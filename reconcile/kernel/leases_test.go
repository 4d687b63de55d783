package kernel_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"coppice.dev/reconcile/kernel/enter"
	"coppice.dev/reconcile/kernel/lease"
	"coppice.dev/reconcile/object"
	"coppice.dev/spec"
)

// let starts a shell's script inside a session under a lease, as somebody's.
func (h *host) let(session, script string) (*exec.Cmd, lease.Lease) {
	h.t.Helper()
	book := h.kernel.Leases()
	l, err := book.Take(session, lease.Record{UID: 54321, User: "somebody", Command: "build of " + session, Since: time.Now()})
	must(h.t, err)
	namespace, err := h.kernel.Room().Open(session)
	must(h.t, err)
	defer namespace.Close()
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	must(h.t, err)
	defer null.Close()
	cmd := &exec.Cmd{Path: "/bin/sh", Args: []string{"sh", "-c", script}, Env: []string{"PATH=/usr/bin:/bin"}, Stdin: null, Stdout: null, Stderr: null}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if l.Group != "" {
		group, err := os.Open(l.Group)
		must(h.t, err)
		defer group.Close()
		cmd.SysProcAttr.UseCgroupFD, cmd.SysProcAttr.CgroupFD = true, int(group.Fd())
	}
	must(h.t, enter.Start(namespace, cmd))
	h.t.Cleanup(func() {
		_ = cmd.Process.Kill() // mostly it has ended
		_ = cmd.Wait()
	})
	must(h.t, book.Begin(l, os.Getpid()))
	return cmd, l
}

// users are those that the session is said to have inside.
func (h *host) users(session string) []object.Process {
	h.t.Helper()
	world := h.kernel.Observe(h.ctx(), object.SessionOwner(session), nil)
	if len(world.Blind) > 0 {
		h.t.Fatal(world.Blind)
	}
	for _, o := range world.Objects {
		if o.Kind == object.KindProcesses {
			return o.Users
		}
	}
	return nil
}

// programs are the host's, for sessions whose root has none.
func programs(s spec.SessionSpec) spec.SessionSpec {
	s.Profile = &spec.ProfileSpec{}
	for target, source := range map[string]string{"/usr": "/usr", "/bin": "/usr/bin", "/lib": "/usr/lib", "/lib64": "/usr/lib64"} {
		s.Profile.Mounts = append(s.Profile.Mounts, spec.Mount{Type: spec.MountBind, Source: source, Target: target, Options: []string{"ro"}, Optional: true})
	}
	s.GracePeriod = nil
	return s
}

func until(t *testing.T, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !is(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within half a minute", what)
		}
	}
}

// Two sessions of one image, a build in each; one is ended, and the other's build
// goes on. In 2009 it did not.
func TestEndingOneSessionLeavesTheOther(t *testing.T) {
	h := newHost(t)
	path := filepath.Join(h.base, "image")
	h.makeImage("ext4", path)
	source := spec.Source{Loopback: &spec.LoopbackSource{Path: path}}
	const build = "setsid sleep 1000 & echo $! > /etc/child; n=0; while :; do n=$((n+1)); echo $n > /etc/new; mv /etc/new /etc/count; sleep 0.01; done"
	read := func(session, name string) int {
		text, err := os.ReadFile(filepath.Join(h.layout.View(session), "etc", name))
		if err != nil {
			return 0
		}
		n, err := strconv.Atoi(strings.TrimSpace(string(text)))
		if err != nil {
			return 0
		}
		return n
	}
	builds, children := map[string]*exec.Cmd{}, map[string]int{}
	for _, name := range []string{"a", "b"} {
		s := programs(inline(source, nil))
		h.converge(h.session(name, s))
		builds[name], _ = h.let(name, build)
		until(t, "the build of "+name+" begins", func() bool { return read(name, "count") > 1 })
		children[name] = read(name, "child")
	}
	if n := len(h.loops()); n != 1 {
		t.Errorf("%d loop devices for one image", n)
	}
	h.restart() // they are found again
	for _, name := range []string{"a", "b"} {
		users := h.users(name)
		if len(users) != 1 || users[0].UID != 54321 || users[0].Command != "build of "+name || users[0].Lease == "" || users[0].PID != builds[name].Process.Pid {
			t.Errorf("inside %s: %+v", name, users)
		}
	}

	h.to(object.SessionOwner("a"), nil)
	state := func(pid int) error { _, err := lease.StartOf(pid); return err }
	if err := builds["a"].Wait(); err == nil {
		t.Error("the build of a ended well")
	}
	until(t, "the child of the build of a goes", func() bool { return state(children["a"]) != nil })
	if left, err := h.kernel.Leases().List("a"); err != nil || len(left) > 0 {
		t.Errorf("leases of a: %v, %v", left, err)
	}
	if _, err := os.Stat(filepath.Join(h.layout.Leases(), "a")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("what was noted of the leases of a: %v", err)
	}
	before := read("b", "count")
	until(t, "the build of b goes on", func() bool { return read("b", "count") > before+3 })
	if err := errors.Join(state(builds["b"].Process.Pid), state(children["b"])); err != nil {
		t.Errorf("the build of b: %v", err)
	}
	if users := h.users("b"); len(users) != 1 || users[0].Command != "build of b" {
		t.Errorf("inside b: %+v", users)
	}
}

// People who come in while a session ends either do not get in, or are ended with
// it; nothing is left of them.
func TestLettingInWhileItEnds(t *testing.T) {
	h := newHost(t)
	s := programs(inline(spec.Source{Directory: &spec.DirectorySource{Path: h.root("root")}}, nil))
	s.GracePeriod = &metav1.Duration{Duration: 20 * time.Millisecond}
	h.converge(h.session("s", s))
	book := h.kernel.Leases()
	namespace, err := h.kernel.Room().Open("s")
	must(t, err)
	defer namespace.Close()
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	must(t, err)
	defer null.Close()
	var people sync.WaitGroup
	var in atomic.Int32
	for range 4 {
		people.Go(func() {
			for range 20 {
				l, err := book.Take("s", lease.Record{Command: "x", Since: time.Now()})
				if errors.Is(err, lease.ErrEnding) {
					return
				}
				if err != nil {
					if !errors.Is(err, os.ErrNotExist) {
						t.Error(err)
					}
					return
				}
				cmd := &exec.Cmd{Path: "/bin/sh", Args: []string{"sh", "-c", "trap '' TERM; setsid sleep 1000 & sleep 1001"}, Env: []string{"PATH=/bin"}, Stdin: null, Stdout: null, Stderr: null}
				cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
				if l.Group != "" {
					group, err := os.Open(l.Group)
					if err != nil {
						continue // it has just gone
					}
					cmd.SysProcAttr.UseCgroupFD, cmd.SysProcAttr.CgroupFD = true, int(group.Fd())
					defer group.Close()
				}
				if err := enter.Start(namespace, cmd); err == nil {
					in.Add(1)
					people.Go(func() { _ = cmd.Wait() }) // ended by a signal
				}
			}
		})
	}
	until(t, "some are inside", func() bool { return in.Load() > 8 })
	h.to(object.SessionOwner("s"), nil)
	people.Wait() // all of them have ended, or it would hang
	must(t, namespace.Close())
	h.to(object.SessionOwner("s"), nil)
	if _, err := os.Stat(filepath.Join(h.layout.Leases(), "s")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("what was noted of leases: %v", err)
	}
	if users := h.users("s"); len(users) > 0 {
		t.Errorf("inside: %+v", users)
	}
}

// A lease lasts as long as something runs that its command has started.
func TestLeaseLastsWithWhatIsLeft(t *testing.T) {
	h := newHost(t)
	s := programs(inline(spec.Source{Directory: &spec.DirectorySource{Path: h.root("root")}}, nil))
	r := h.session("s", s)
	h.converge(r)
	cmd, l := h.let("s", "setsid sleep 1000 & exit 0")
	if l.Group == "" {
		t.Skip("there is no cgroup v2 on this machine")
	}
	must(t, cmd.Wait())
	told := make(chan string, 100)
	watched := make(chan error, 1)
	ctx, cancel := context.WithCancel(t.Context())
	go func() { watched <- h.kernel.Leases().Watch(ctx, func(session string) { told <- session }) }()
	defer func() {
		cancel()
		must(t, <-watched)
	}()
	<-told // that there is a lease
	users := h.users("s")
	if len(users) != 1 || users[0].Lease != l.ID || users[0].PID == cmd.Process.Pid {
		t.Fatalf("inside: %+v", users)
	}
	left, err := os.FindProcess(users[0].PID)
	must(t, err)
	must(t, left.Kill())
	select {
	case <-told: // its cgroup is empty
	case <-time.After(30 * time.Second):
		t.Error("not told that the last process went")
	}
	// The keeper that was noted is this test, which lives: it is another's now.
	text := fmt.Sprintf(`{"command":"sleep","since":%q,"keeper":{"pid":%d,"started":1}}`, time.Now().Format(time.RFC3339Nano), os.Getpid())
	must(t, os.WriteFile(l.File, []byte(text), 0o600))
	until(t, "the lease goes", func() bool {
		list, err := h.kernel.Leases().List("s")
		must(t, err)
		return len(list) == 0
	})
	for _, path := range []string{l.Group, l.File} {
		if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("left: %s, %v", path, err)
		}
	}
	if steps := h.converge(r); len(steps) > 0 {
		t.Errorf("not at rest: %v", steps)
	}
}
