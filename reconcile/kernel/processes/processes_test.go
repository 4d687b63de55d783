package processes_test

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"coppice.dev/reconcile/kernel/lease"
	"coppice.dev/reconcile/kernel/processes"
	"coppice.dev/reconcile/object"
)

// rooms are namespaces by the processes that are in them.
type rooms map[string]int

func (r rooms) Open(session string) (*os.File, error) {
	pid, is := r[session]
	if !is {
		return nil, fs.ErrNotExist
	}
	return os.Open("/proc/" + strconv.Itoa(pid) + "/ns/mnt")
}

// inside starts a shell's script in a mount namespace of its own, and waits until
// it says something.
func inside(t *testing.T, script string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command("sh", "-c", script)
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS, Setsid: true}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // mostly it has ended
		_ = cmd.Wait()
	})
	if _, err := out.Read(make([]byte, 100)); err != nil {
		t.Fatal(err)
	}
	return cmd
}

func wanted(session string) object.Object {
	return object.Object{
		ID:   object.ID{Owner: object.SessionOwner(session), Address: object.At(object.GroupInside, "processes")},
		Spec: object.Processes{Grace: 100 * time.Millisecond, Limits: object.Limits{Memory: 1 << 30}},
	}
}

// Where there are no cgroups at all, a lease is known by its keeper, and those
// inside by their namespace. Nobody else is touched.
func TestWithoutGroups(t *testing.T) {
	first := inside(t, "sleep 1000 & echo ready; exec sleep 1001")
	stranger := inside(t, "echo ready; exec sleep 1002")
	d := processes.Driver{
		Controller: "test", Rooms: rooms{"s": first.Process.Pid, "other": stranger.Process.Pid}, Limiter: new(processes.Limiter),
		Leases: lease.Book{Folder: filepath.Join(t.TempDir(), "leases"), Group: func(string) string { return "" }},
	}
	l, err := d.Leases.Take("s", lease.Record{UID: 7, User: "x", Command: "sleep", Since: time.Now()})
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Leases.Begin(l, os.Getpid()); err != nil { // its parent, as a keeper is
		t.Fatal(err)
	}
	o := wanted("s")
	if err := d.Create(t.Context(), o, nil); err != nil {
		t.Fatal(err)
	}
	seen, err := d.Observe(t.Context(), o.Owner, []object.Object{o})
	if err != nil || len(seen) != 1 {
		t.Fatal(seen, err)
	}
	if u := seen[0].Users; len(u) != 1 || u[0].Lease != l.ID || u[0].PID != first.Process.Pid || u[0].UID != 7 {
		t.Errorf("inside: %+v", u)
	}
	if seen[0].Print != object.PrintOf(o.Spec) {
		t.Error("it is not at rest, and cannot be")
	}
	if !strings.Contains(seen[0].Note, "the limit of memory is not enforced: the kernel offers no cgroup controller for it here") {
		t.Errorf("the note is %q", seen[0].Note)
	}
	owners, err := d.Owners(t.Context())
	if err != nil || len(owners) != 1 || owners[0] != o.Owner {
		t.Errorf("owners: %v, %v", owners, err)
	}
	if err := d.Destroy(t.Context(), seen[0]); err != nil {
		t.Fatal(err)
	}
	if err := first.Wait(); err == nil {
		t.Error("those inside ended well")
	}
	if _, err := lease.StartOf(stranger.Process.Pid); err != nil {
		t.Errorf("the other session's: %v", err)
	}
	if owners, err := d.Owners(t.Context()); err != nil || len(owners) != 0 {
		t.Errorf("owners after the end: %v, %v", owners, err)
	}
}

// What is noted of leases of a session that nothing else is left of goes, too.
func TestOnlyRecordsAreLeft(t *testing.T) {
	d := processes.Driver{
		Controller: "test", Rooms: rooms{},
		Leases: lease.Book{Folder: filepath.Join(t.TempDir(), "leases"), Group: func(string) string { return "" }},
	}
	if _, err := d.Leases.Take("s", lease.Record{Since: time.Now()}); err != nil {
		t.Fatal(err)
	}
	owners, err := d.Owners(t.Context())
	if err != nil || len(owners) != 1 {
		t.Fatal(owners, err)
	}
	seen, err := d.Observe(t.Context(), owners[0], nil)
	if err != nil || len(seen) != 1 {
		t.Fatal(seen, err)
	}
	if err := d.Destroy(t.Context(), seen[0]); err != nil {
		t.Fatal(err)
	}
	if seen, err = d.Observe(t.Context(), owners[0], nil); err != nil || len(seen) != 0 {
		t.Errorf("after the end: %v, %v", seen, err)
	}
	if _, err := os.Stat(filepath.Join(d.Leases.Folder, "s")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the folder: %v", err)
	}
}

// tree looks like a tree of cgroup v2 that offers controllers. Of what the kernel
// does of itself it does nothing.
func tree(t *testing.T, controllers string) string {
	t.Helper()
	root := t.TempDir()
	for name, text := range map[string]string{"cgroup.controllers": controllers + "\n", "cgroup.subtree_control": ""} {
		if err := os.WriteFile(filepath.Join(root, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

func TestLimitsOfVersion2(t *testing.T) {
	groups := tree(t, "cpuset cpu memory pids")
	limiter, err := processes.FindLimits(groups)
	if err != nil {
		t.Fatal(err)
	}
	d := processes.Driver{Controller: "test", Groups: groups, Rooms: rooms{}, Limiter: limiter}
	read := func(name string) string {
		text, err := os.ReadFile(filepath.Join(groups, "coppice-test", name))
		if err != nil {
			return err.Error()
		}
		return string(text)
	}
	o := wanted("s")
	for _, c := range []struct {
		limits            object.Limits
		memory, pids, cpu string
	}{
		{object.Limits{Memory: 64 << 20, PIDs: 40, CPU: 1500}, "67108864", "40", "150000 100000"},
		{object.Limits{Memory: 1 << 30, CPU: 10}, "1073741824", "max", "1000 100000"},
		{object.Limits{}, "max", "max", "max 100000"},
	} {
		o.Spec = object.Processes{Limits: c.limits}
		if err := d.Amend(t.Context(), o); err != nil {
			t.Fatal(err)
		}
		if memory, pids, cpu := read("s/memory.max"), read("s/pids.max"), read("s/cpu.max"); memory != c.memory || pids != c.pids || cpu != c.cpu {
			t.Errorf("%+v: memory %q, pids %q, cpu %q", c.limits, memory, pids, cpu)
		}
		seen, err := d.Observe(t.Context(), o.Owner, []object.Object{o})
		if err != nil || len(seen) != 1 || seen[0].Note != "" || seen[0].Print != object.PrintOf(o.Spec) {
			t.Errorf("%+v: not at rest: %+v, %v", c.limits, seen, err)
		}
	}
	// Somebody else's limit is seen.
	if err := os.WriteFile(filepath.Join(groups, "coppice-test/s/pids.max"), []byte("3\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	seen, err := d.Observe(t.Context(), o.Owner, []object.Object{o})
	if err != nil || len(seen) != 1 || seen[0].Print == object.PrintOf(o.Spec) {
		t.Errorf("a limit that nobody wants: %+v, %v", seen, err)
	}
}

// What cannot be enforced is told, and is no reason to try for ever.
func TestLimitsThatAreRefused(t *testing.T) {
	groups := tree(t, "pids memory")
	if err := os.Remove(filepath.Join(groups, "cgroup.subtree_control")); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(groups, "cgroup.subtree_control"), 0o700); err != nil { // which takes no writing
		t.Fatal(err)
	}
	limiter, err := processes.FindLimits(groups)
	if err != nil {
		t.Fatal(err)
	}
	d := processes.Driver{Controller: "test", Groups: groups, Rooms: rooms{}, Limiter: limiter}
	o := wanted("s")
	o.Spec = object.Processes{Limits: object.Limits{PIDs: 5}}
	if err := d.Create(t.Context(), o, nil); err != nil {
		t.Fatal(err)
	}
	seen, err := d.Observe(t.Context(), o.Owner, []object.Object{o})
	if err != nil || len(seen) != 1 || seen[0].Print != object.PrintOf(o.Spec) {
		t.Fatalf("%+v, %v", seen, err)
	}
	if want := "the limit of pids is not enforced: the controller cannot be switched on in " + groups; !strings.Contains(seen[0].Note, want) {
		t.Errorf("the note is %q, want %q in it", seen[0].Note, want)
	}
}
