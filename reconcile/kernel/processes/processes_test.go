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
