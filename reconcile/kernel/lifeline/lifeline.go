// Package lifeline tells whether a process still lives that something was begun
// for, and when it ends. A process is known by its number, when it was started,
// and in which boot, so that another one that is given its number later is not
// taken for it. The package ends nobody.
package lifeline

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"coppice.dev/reconcile/kernel/lease"
)

// asking is how often it is looked for a process that the kernel would not tell
// of, since too many files are open.
const asking = 2 * time.Second

// Identify returns the identity of a process that lives: its number, its start
// in clock ticks since boot (proc_pid_stat(5)), and the boot's id. The error is
// fs.ErrNotExist if there is no such process.
func Identify(pid int) (string, error) {
	start, err := lease.StartOf(pid)
	if err != nil {
		return "", fmt.Errorf("look at process %d: %w", pid, err)
	}
	boot, err := thisBoot()
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("%d %d %s", pid, start, boot), nil
}

// Is reports whether an identity is that of the process with that number.
func Is(identity string, pid int) bool {
	n, start, ok := parse(identity)
	return ok && n == pid && is(pid, start)
}

// Lines are the processes that are listened to.
type Lines struct {
	mu sync.Mutex
	// held are the open processes, by their identities; nil for one that is asked
	// after from time to time.
	held   map[string]*os.File
	closed bool
}

// Lives reports whether a process lives, and calls ended once, later, when it
// does not any more. What is no identity is of nobody who lives.
func (l *Lines) Lives(identity string, ended func()) bool {
	pid, start, ok := parse(identity)
	if !ok {
		return false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, listening := l.held[identity]; listening || l.closed {
		return is(pid, start)
	}
	if l.held == nil {
		l.held = map[string]*os.File{}
	}
	fd, err := unix.PidfdOpen(pid, unix.PIDFD_NONBLOCK)
	if errors.Is(err, unix.ESRCH) || !is(pid, start) { // asked while it is held
		if err == nil {
			unix.Close(fd)
		}
		return false
	}
	if err != nil {
		l.held[identity] = nil
		time.AfterFunc(asking, func() { l.end(identity, ended) })
		return true
	}
	file := os.NewFile(uintptr(fd), "process "+strconv.Itoa(pid))
	l.held[identity] = file
	go func() {
		wait(file)
		l.end(identity, ended)
	}()
	return true
}

// end stops listening to a process and tells of it.
func (l *Lines) end(identity string, ended func()) {
	l.mu.Lock()
	if file := l.held[identity]; file != nil {
		file.Close()
	}
	delete(l.held, identity)
	closed := l.closed
	l.mu.Unlock()
	if !closed {
		ended()
	}
}

// Close stops listening. Nobody is told of anything afterwards.
func (l *Lines) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	var errs []error
	for _, file := range l.held {
		if file != nil {
			errs = append(errs, file.Close())
		}
	}
	return errors.Join(errs...)
}

// wait returns when the process has ended, or the file is closed: a pidfd can be
// read from then (pidfd_open(2)).
func wait(file *os.File) {
	raw, err := file.SyscallConn()
	if err != nil {
		return
	}
	_ = raw.Read(func(fd uintptr) bool { // its error says that it was closed
		poll := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
		n, err := unix.Poll(poll, 0)
		return err == nil && n > 0
	})
}

// is reports whether the process of that number was started then.
func is(pid int, start uint64) bool {
	now, err := lease.StartOf(pid)
	return err == nil && now == start || err != nil && !errors.Is(err, fs.ErrNotExist)
}

// parse reads an identity; it is none of this boot if ok is false.
func parse(identity string) (pid int, start uint64, ok bool) {
	fields := strings.Fields(identity)
	if len(fields) != 3 {
		return 0, 0, false
	}
	pid, err := strconv.Atoi(fields[0])
	if err != nil || pid <= 0 {
		return 0, 0, false
	}
	start, err = strconv.ParseUint(fields[1], 10, 64)
	if err != nil {
		return 0, 0, false
	}
	boot, err := thisBoot()
	return pid, start, err != nil || boot == fields[2] // who does not know ends nothing
}

var thisBoot = sync.OnceValues(func() (string, error) {
	text, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return "", fmt.Errorf("read the boot's id: %w", err)
	}
	return strings.TrimSpace(string(text)), nil
})
