package keeper

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// resting is how long a keeper waits for an order before it is let go: who runs one
// command in an hour need not have it there all the time.
const resting = 5 * time.Minute

// Reserve starts keepers, and has one ready for the next command: the start of a
// program takes longer than what most commands take that are run by other programs.
//
// The one that waits is this very program, holds nothing that belongs to anybody, is
// outside of all sessions, and ends when this process does, however that ends. There is
// none before the first command, and none when there was no command for a while. The
// zero value is ready to be used.
type Reserve struct {
	mu      sync.Mutex
	waiting *waiting
	// begins is set while one is being started, and closed for good.
	begins, closed bool
}

// waiting is a keeper that waits for an order.
type waiting struct {
	process *os.Process
	line    *os.File
	folder  string // the cgroup that it is in
	over    *time.Timer
}

// Start is Start, by the keeper that waits if there is one.
func (r *Reserve) Start(conn, namespace *os.File, order Order) (*os.Process, error) {
	folder := keepersOf(order)
	defer func() { go r.prepare(folder) }()
	if w := r.take(folder); w != nil {
		err := w.hand(conn, namespace, order)
		if err == nil {
			return w.process, nil
		}
		w.end() // somebody has ended it
	}
	return Start(conn, namespace, order)
}

// take returns the keeper that waits, if it is where the order wants one.
func (r *Reserve) take(folder string) *waiting {
	r.mu.Lock()
	defer r.mu.Unlock()
	w := r.waiting
	if w == nil || w.folder != folder {
		return nil
	}
	w.over.Stop()
	r.waiting = nil
	return w
}

// prepare starts one that waits, unless there is one. That it cannot be is no matter:
// the next command does without, and says so if it cannot either.
func (r *Reserve) prepare(folder string) {
	r.mu.Lock()
	needed := r.waiting == nil && !r.begins && !r.closed
	r.begins = r.begins || needed
	r.mu.Unlock()
	if !needed {
		return
	}
	w, err := begin(folder)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.begins = false
	switch {
	case err != nil:
	case r.closed:
		w.end()
	default:
		w.over = time.AfterFunc(resting, func() { r.release(w) })
		r.waiting = w
	}
}

// release lets one go that nobody has needed.
func (r *Reserve) release(w *waiting) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.waiting == w {
		r.waiting = nil
		w.end()
	}
}

// Close lets the one go that waits, and has no other started. Those that have an order
// go on.
func (r *Reserve) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed = true
	if w := r.waiting; w != nil {
		r.waiting = nil
		w.over.Stop()
		w.end()
	}
	return nil
}

// begin starts a keeper that waits.
func begin(folder string) (*waiting, error) {
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	defer null.Close()
	ends, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("make a line to the keeper: %w", err)
	}
	ours, its := os.NewFile(uintptr(ends[0]), "line to the keeper"), os.NewFile(uintptr(ends[1]), "line of the keeper")
	defer its.Close()
	process, err := launch(folder, []string{idle + strings.Repeat(" ", space-len(idle))}, []*os.File{null, null, null, fdConn: its})
	if err != nil {
		ours.Close()
		return nil, err
	}
	return &waiting{process: process, line: ours, folder: folder}, nil
}

// hand gives it an order, and what it needs.
func (w *waiting) hand(conn, namespace *os.File, order Order) error {
	orders, err := written(order)
	if err != nil {
		return fmt.Errorf("write the keeper's order: %w", err)
	}
	defer orders.Close()
	rights := unix.UnixRights(int(conn.Fd()), int(namespace.Fd()), int(orders.Fd()))
	for {
		err = unix.Sendmsg(int(w.line.Fd()), []byte{1}, rights, nil, unix.MSG_NOSIGNAL|unix.MSG_DONTWAIT)
		if !errors.Is(err, unix.EINTR) {
			break
		}
	}
	if err != nil {
		return fmt.Errorf("give the keeper its order: %w", err)
	}
	w.line.Close()
	return nil
}

// end ends it. It has nothing that could be lost.
func (w *waiting) end() {
	w.line.Close()
	_ = w.process.Kill() // it may have ended
	_, _ = w.process.Wait()
}
