package processes

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"coppice.dev/reconcile/fault"
	"coppice.dev/reconcile/kernel/cgroup"
	"coppice.dev/reconcile/kernel/holders"
)

const (
	defaultGrace = 5 * time.Second
	// patience is how long after KILL a process may take to go. The kernel
	// finishes what it is doing for it first; one that hangs on a dead disk
	// never goes.
	patience = 10 * time.Second
	// hung is what to do about one that does not go.
	hung = "the kernel does not let go of them; look for a hung disk or network mount"
)

// end ends all processes of a session. Others may be born meanwhile; it goes on
// until a look finds none.
func (d Driver) end(ctx context.Context, session string, grace time.Duration) error {
	// Who is stopped hears of TERM only when it goes on.
	if _, err := d.signal(ctx, session, grace, unix.SIGTERM, unix.SIGCONT); err != nil {
		return err
	}
	for deadline := time.Now().Add(patience); ; {
		users, err := d.users(session, holders.PidsIn)
		if err != nil || len(users) == 0 {
			return err
		}
		if time.Now().After(deadline) {
			return busy("kill processes of session "+session, users, hung)
		}
		if err := d.kill(ctx, session); err != nil {
			return err
		}
	}
}

// kill sends KILL to all: to the group in one go, and to those outside of it
// one by one. As those may multiply while they are looked for, they are stopped
// first, until no more turn up.
func (d Driver) kill(ctx context.Context, session string) error {
	if group := d.group(session); group != "" {
		if err := cgroup.Kill(group); err != nil {
			return err
		}
	}
	before := -1
	for range 20 {
		found, err := d.signal(ctx, session, 0, unix.SIGSTOP)
		if err != nil {
			return err
		}
		if found == before {
			break
		}
		before = found
	}
	_, err := d.signal(ctx, session, 100*time.Millisecond, unix.SIGKILL)
	return err
}

// signal sends signals to each process of the session, waits for them to go as
// long as it may, and returns how many there were.
func (d Driver) signal(ctx context.Context, session string, wait time.Duration, signals ...unix.Signal) (int, error) {
	var hit []unix.PollFd
	defer func() {
		for _, p := range hit {
			unix.Close(int(p.Fd))
		}
	}()
	send := func(pid int, still func() bool) error {
		fd, err := open(pid)
		if fd < 0 || err != nil {
			return err
		}
		hit = append(hit, unix.PollFd{Fd: int32(fd), Events: unix.POLLIN})
		// The number may have been given to somebody else before it was opened.
		// Who has it now and is in the session is the one that is held; or else
		// that one is gone, and the signal hits nobody.
		if !still() {
			return nil
		}
		for _, s := range signals {
			if err := unix.PidfdSendSignal(fd, s, nil, 0); err != nil && !errors.Is(err, unix.ESRCH) {
				return fmt.Errorf("send signal %d to process %d: %w", s, pid, err)
			}
		}
		return nil
	}
	grouped, err := d.members(session)
	if err != nil {
		return 0, err
	}
	for _, pid := range grouped {
		if err := send(pid, func() bool { return d.inGroup(session, pid) }); err != nil {
			return 0, err
		}
	}
	inside, err := d.namespaces(session)
	if err != nil {
		return 0, err
	}
	defer inside.close()
	// The youngest first: they may not live long, and have children before they go.
	for _, pid := range slices.Backward(holders.Pids()) {
		is := func() bool { return inside.has(pid) }
		if len(inside) == 0 || slices.Contains(grouped, pid) || !is() {
			continue
		}
		if err := send(pid, is); err != nil {
			return 0, err
		}
	}
	return len(hit), waitForAll(ctx, slices.Clone(hit), wait)
}

// open opens a process; -1 if it is gone, or if too many are open: the others
// have their turn in the next round.
func open(pid int) (int, error) {
	if pid == os.Getpid() {
		return -1, nil
	}
	fd, err := unix.PidfdOpen(pid, 0)
	if errors.Is(err, unix.ESRCH) || errors.Is(err, unix.EMFILE) || errors.Is(err, unix.ENFILE) {
		return -1, nil
	}
	if err != nil {
		return -1, fmt.Errorf("open process %d: %w", pid, err)
	}
	return fd, nil
}

// waitForAll waits until all processes have ended, or the time is over.
func waitForAll(ctx context.Context, waiting []unix.PollFd, wait time.Duration) error {
	deadline := time.Now().Add(wait)
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

// pause leaves the kernel time for what it does in its own.
func pause(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(2 * time.Millisecond):
		return nil
	}
}

func busy(doing string, users []int, hint string) error {
	f := &fault.Fault{Reason: fault.Busy, Doing: doing, Hint: hint, Err: errors.New("processes are inside")}
	for _, pid := range users {
		f.Holders = append(f.Holders, holders.Describe(pid))
	}
	return f
}
