package processes

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"coppice.dev/reconcile/fault"
	"coppice.dev/reconcile/kernel/holders"
	"coppice.dev/reconcile/object"
)

// Rooms tells where sessions' namespaces are.
type Rooms interface {
	// Open opens a session's namespace; the error wraps fs.ErrNotExist if it
	// has none.
	Open(session string) (*os.File, error)
}

// Driver drives object.Processes.
type Driver struct {
	// Controller is the identity of this controller; part of the group's name.
	Controller string
	// Groups is the mount point of the cgroup v2 tree; "" if there is none.
	Groups string
	Rooms  Rooms
}

const (
	defaultGrace = 5 * time.Second
	// patience is how long after KILL a process may take to go. The kernel
	// finishes what it is doing for it first; one that hangs on a dead disk
	// never goes.
	patience = 10 * time.Second
)

// Owners implements driver.Finder.
func (d Driver) Owners(context.Context) ([]object.Owner, error) {
	if d.Groups == "" {
		return nil, nil
	}
	entries, err := os.ReadDir(d.parent())
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("look for cgroups: %w", err)
	}
	var owners []object.Owner
	for _, e := range entries {
		if e.IsDir() {
			owners = append(owners, object.SessionOwner(e.Name()))
		}
	}
	return owners, nil
}

// Observe implements driver.Driver. Where the machine has no cgroup v2, what is
// wanted counts as there.
func (d Driver) Observe(_ context.Context, owner object.Owner, known []object.Object) ([]object.Observed, error) {
	users, err := d.users(owner.Name)
	if err != nil {
		return nil, err
	}
	there := len(users) > 0
	seen := object.Observed{
		ID:   object.ID{Owner: owner, Address: object.At(object.GroupInside, "processes")},
		Kind: object.KindProcesses,
	}
	if d.Groups == "" {
		there = there || len(known) > 0
		seen.Note = "no cgroup v2 on this machine: processes are known by their mount namespace only"
	} else {
		seen.Name = d.group(owner.Name)
		if _, err := os.Stat(seen.Name); err == nil {
			there = true
		} else if !errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("look at cgroup: %w", err)
		}
	}
	if !there {
		return nil, nil
	}
	for _, pid := range users {
		seen.Users = append(seen.Users, holders.Describe(pid))
	}
	for _, o := range known {
		seen.Spec, seen.Print = o.Spec, object.PrintOf(o.Spec)
		break
	}
	return []object.Observed{seen}, nil
}

// Create implements driver.Driver.
func (d Driver) Create(_ context.Context, o object.Object, _ []object.Object) error {
	group, err := d.Join(o.Owner.Name)
	if group != nil {
		group.Close()
	}
	return err
}

// Amend implements driver.Driver: how processes are ended is asked when they are.
func (d Driver) Amend(context.Context, object.Object) error { return nil }

// Destroy implements driver.Driver: TERM, then KILL after the grace time, then
// the group. With Wait it ends nobody, and says who is inside.
func (d Driver) Destroy(ctx context.Context, seen object.Observed) error {
	session := seen.Owner.Name
	spec, _ := seen.Spec.(object.Processes)
	users, err := d.users(session)
	if err != nil {
		return err
	}
	if spec.Wait && len(users) > 0 {
		return busy("end session "+session, users, "it is waited for them, as the session's deletionPolicy says")
	}
	if len(users) > 0 {
		if err := d.end(ctx, session, cmp.Or(spec.Grace, defaultGrace)); err != nil {
			return err
		}
	}
	if d.Groups == "" {
		return nil
	}
	return removeGroup(d.group(session))
}

// end ends all processes of a session. Others may be born meanwhile; it goes on
// until a look finds none.
func (d Driver) end(ctx context.Context, session string, grace time.Duration) error {
	if err := d.signal(ctx, session, unix.SIGTERM, grace); err != nil {
		return err
	}
	deadline := time.Now().Add(patience)
	for time.Now().Before(deadline) {
		if group := d.group(session); group != "" {
			if err := killGroup(group); err != nil {
				return err
			}
		}
		if err := d.signal(ctx, session, unix.SIGKILL, 100*time.Millisecond); err != nil {
			return err
		}
		users, err := d.users(session)
		if err != nil || len(users) == 0 {
			return err
		}
	}
	users, err := d.users(session)
	if err != nil || len(users) == 0 {
		return err
	}
	return busy("kill processes of session "+session, users, "the kernel does not let go of them; look for a hung disk or network mount")
}

// signal sends a signal to each process of the session and waits for them to go.
func (d Driver) signal(ctx context.Context, session string, s unix.Signal, wait time.Duration) error {
	users, err := d.users(session)
	if err != nil {
		return err
	}
	var fds []unix.PollFd
	defer func() {
		for _, p := range fds {
			unix.Close(int(p.Fd))
		}
	}()
	for _, pid := range users {
		fd, err := unix.PidfdOpen(pid, 0)
		if errors.Is(err, unix.ESRCH) {
			continue
		}
		if err != nil {
			return fmt.Errorf("open process %d: %w", pid, err)
		}
		fds = append(fds, unix.PollFd{Fd: int32(fd), Events: unix.POLLIN})
		// The number is this process's as long as the descriptor is open; is it
		// still one of ours?
		if again, err := d.users(session); err != nil || !slices.Contains(again, pid) {
			continue
		}
		if err := unix.PidfdSendSignal(fd, s, nil, 0); err != nil && !errors.Is(err, unix.ESRCH) {
			return fmt.Errorf("send signal %d to process %d: %w", s, pid, err)
		}
	}
	return waitForAll(ctx, fds, wait)
}

// waitForAll waits until all processes have ended, or the time is over.
func waitForAll(ctx context.Context, fds []unix.PollFd, wait time.Duration) error {
	deadline := time.Now().Add(wait)
	waiting := slices.Clone(fds)
	for len(waiting) > 0 {
		left := time.Until(deadline)
		if left <= 0 {
			return nil
		}
		if err := context.Cause(ctx); err != nil {
			return err
		}
		// In slices, so that the context is honoured.
		_, err := unix.Poll(waiting, int(min(left, 100*time.Millisecond)/time.Millisecond)+1)
		if err != nil && !errors.Is(err, unix.EINTR) {
			return fmt.Errorf("wait for processes: %w", err)
		}
		waiting = slices.DeleteFunc(waiting, func(p unix.PollFd) bool { return p.Revents != 0 })
	}
	return nil
}

// users returns the processes of the session: those in its group, and those in
// its namespace.
func (d Driver) users(session string) ([]int, error) {
	var pids []int
	if group := d.group(session); group != "" {
		var err error
		if pids, err = members(group); err != nil {
			return nil, err
		}
	}
	namespace, err := d.Rooms.Open(session)
	if errors.Is(err, fs.ErrNotExist) {
		return pids, nil
	}
	if err != nil {
		return nil, err
	}
	defer namespace.Close()
	var st unix.Stat_t
	if err := unix.Fstat(int(namespace.Fd()), &st); err != nil {
		return nil, fmt.Errorf("look at namespace: %w", err)
	}
	for _, p := range holders.InNamespace(st.Ino) {
		pids = append(pids, p.PID)
	}
	slices.Sort(pids)
	return slices.Compact(pids), nil
}

func busy(doing string, users []int, hint string) error {
	f := &fault.Fault{Reason: fault.Busy, Doing: doing, Hint: hint, Err: errors.New("processes are inside")}
	for _, pid := range users {
		f.Holders = append(f.Holders, holders.Describe(pid))
	}
	return f
}
