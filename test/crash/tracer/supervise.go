package tracer

import (
	"errors"
	"fmt"
	"runtime"
	"sync"

	"golang.org/x/sys/unix"
)

// supervisor answers the calls of one program and of all it starts.
type supervisor struct {
	listener listener
	at       Point
	pid      int // of the program

	mu     sync.Mutex
	seen   []string
	killed bool // the point was reached
	ended  bool // what still calls has outlived the program
}

// serve answers calls until nobody is left who could make one.
func (s *supervisor) serve() error {
	for {
		n, more, err := s.listener.next()
		if err != nil || !more {
			return err
		}
		if err := s.answer(n); err != nil {
			return err
		}
	}
}

// answer lets a call go, or ends the program at it.
func (s *supervisor) answer(n notification) error {
	l := look{tid: int(n.tid), args: n.args}
	c := calls[int(n.number)]
	if c.changes != nil && !c.changes(&l) {
		return s.listener.let(n)
	}
	own, here := s.count(&l, c)
	switch {
	case !here:
		return s.listener.let(n)
	case s.at.When == Before && own:
		return s.kill() // and never let go: it would be made after all
	case s.at.When == Before:
		return errors.Join(s.kill(), s.listener.let(n)) // a child goes on
	case s.at.When == During:
		return errors.Join(s.listener.let(n), s.kill())
	default:
		return s.killAfter(n, own)
	}
}

// count counts a call, and reports whether the program itself makes it, and
// whether it is the one to end the program at.
func (s *supervisor) count(l *look, c call) (own, here bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.killed || s.ended {
		return false, false
	}
	pid, command := l.process()
	own = pid == s.pid
	if !own {
		command = "its " + command
	}
	s.seen = append(s.seen, command+": "+l.describe(c))
	s.killed = len(s.seen) == s.at.Call
	return own, s.killed
}

func (s *supervisor) kill() error {
	if err := unix.Kill(s.pid, unix.SIGKILL); err != nil && !errors.Is(err, unix.ESRCH) {
		return fmt.Errorf("kill process %d: %w", s.pid, err)
	}
	return nil
}

// killAfter lets a call go and ends the program when the call has returned and
// before its result was seen: the thread is made to stop on the way back to the
// program (PTRACE_INTERRUPT, ptrace(2)).
func (s *supervisor) killAfter(n notification, own bool) error {
	done := make(chan error, 1)
	go func() { // ptrace is between threads
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		done <- s.stopAndKill(n, own)
	}()
	return <-done
}

func (s *supervisor) stopAndKill(n notification, own bool) error {
	tid := int(n.tid)
	if err := unix.PtraceSeize(tid); err != nil {
		return errors.Join(fmt.Errorf("seize thread %d: %w", tid, err), s.listener.let(n), s.kill())
	}
	interrupted := unix.PtraceInterrupt(tid)
	if err := errors.Join(interrupted, s.listener.let(n)); err != nil {
		return errors.Join(err, s.kill())
	}
	var state unix.WaitStatus
	if _, err := unix.Wait4(tid, &state, unix.WALL, nil); err != nil {
		return errors.Join(fmt.Errorf("wait for thread %d: %w", tid, err), s.kill())
	}
	err := s.kill()
	if !own {
		return errors.Join(err, detach(tid)) // a child goes on
	}
	if tid == s.pid {
		return err // collected by whoever waits for the program
	}
	// Whoever seized a thread has to collect it, or the process never ends.
	for !state.Exited() && !state.Signaled() {
		if _, err := unix.Wait4(tid, &state, unix.WALL, nil); err != nil {
			break // ECHILD: it was collected with its process
		}
		if state.Stopped() {
			_ = unix.PtraceCont(tid, 0) // it may be gone
		}
	}
	return err
}

// detach lets go of a thread that is stopped, or gone.
func detach(tid int) error {
	if err := unix.PtraceDetach(tid); err != nil && !errors.Is(err, unix.ESRCH) {
		return fmt.Errorf("let go of thread %d: %w", tid, err)
	}
	return nil
}
