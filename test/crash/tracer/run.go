package tracer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync"

	"golang.org/x/sys/unix"
)

// When is when the program is ended, seen from the call.
type When string

// The three ways to end it; see the package comment.
const (
	Before When = "before"
	During When = "during"
	After  When = "after"
)

// Point is where the program is ended.
type Point struct {
	// Call counts the calls that change the world, from 1; 0 is never reached.
	Call int
	When When
}

// String returns "before call 12".
func (p Point) String() string { return fmt.Sprintf("%s call %d", p.When, p.Call) }

// Program is what is run.
type Program struct {
	// Args are the program's path and its arguments.
	Args []string
	// Output gets what it and those it starts write. It may be nil.
	Output io.Writer
	// Started is told the process's number when it has begun. It may be nil.
	Started func(pid int)
}

// Result is what came of a run.
type Result struct {
	// Calls are those that changed the world, or would have, in their order, for
	// people: "coppiced: mkdirat /x/y".
	Calls []string
	// Killed is set when the program was ended at the point; else it ended by
	// itself before it got there.
	Killed bool
	// Err is how the program ended, as from exec.Cmd.Wait.
	Err error
}

// Last returns the call that the program was ended at.
func (r Result) Last() string {
	if len(r.Calls) == 0 {
		return "no call"
	}
	return r.Calls[len(r.Calls)-1]
}

// Run runs a program, ends it at the point, and returns when it has ended. What
// it started may live on; rest waits for that.
func Run(ctx context.Context, p Program, at Point) (result Result, rest func(), err error) {
	cmd, calls, err := start(ctx, p)
	if err != nil {
		return Result{}, nil, err
	}
	if p.Started != nil {
		p.Started(cmd.Process.Pid)
	}
	s := &supervisor{listener: calls, at: at, pid: cmd.Process.Pid}
	var serving sync.WaitGroup
	failed := make(chan error, 1)
	serving.Go(func() {
		defer unix.Close(calls.fd)
		failed <- s.serve()
	})
	over := ended(s.pid)
	result.Err = cmd.Wait()
	err = errors.Join(err, over)
	s.mu.Lock()
	result.Calls, result.Killed = s.seen, s.killed
	s.ended = true
	s.mu.Unlock()
	select {
	case served := <-failed:
		err = errors.Join(err, served)
	default: // others go on, and are served
	}
	if ctx.Err() != nil {
		err = errors.Join(err, fmt.Errorf("run %s: %w", p.Args[0], context.Cause(ctx)))
	}
	return result, serving.Wait, err
}

// ended returns when the process has ended, and leaves it to be collected. To
// wait for it right away would take its stops away from whoever traces it:
// wait(2) tells those to any thread of the tracing process.
func ended(pid int) error {
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return fmt.Errorf("open process %d: %w", pid, err)
	}
	defer unix.Close(fd)
	for {
		waiting := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
		_, err := unix.Poll(waiting, -1)
		if err == nil {
			return nil
		}
		if !errors.Is(err, unix.EINTR) {
			return fmt.Errorf("wait for process %d: %w", pid, err)
		}
	}
}

// start starts the stub and receives its listener.
func start(ctx context.Context, p Program) (*exec.Cmd, listener, error) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, listener{}, fmt.Errorf("make a socket for the listener: %w", err)
	}
	defer unix.Close(pair[0])
	theirs := os.NewFile(uintptr(pair[1]), "socket")
	defer theirs.Close()
	cmd := exec.CommandContext(ctx, "/proc/self/exe", p.Args...)
	cmd.Env = append(os.Environ(), environment+"=1")
	cmd.ExtraFiles = []*os.File{theirs}
	cmd.Stdout, cmd.Stderr = p.Output, p.Output
	if err := cmd.Start(); err != nil {
		return nil, listener{}, fmt.Errorf("start the stub: %w", err)
	}
	theirs.Close() // so that the end of a stub that failed is heard
	fd, err := receive(pair[0])
	if err != nil {
		_ = cmd.Process.Kill() // it may have ended
		return nil, listener{}, errors.Join(err, cmd.Wait())
	}
	return cmd, listener{fd}, nil
}

// receive takes one descriptor from a socket.
func receive(from int) (int, error) {
	space := make([]byte, unix.CmsgSpace(4))
	_, n, _, _, err := unix.Recvmsg(from, make([]byte, 1), space, unix.MSG_CMSG_CLOEXEC)
	if err != nil {
		return -1, fmt.Errorf("receive the listener: %w", err)
	}
	messages, err := unix.ParseSocketControlMessage(space[:n])
	if err != nil || len(messages) == 0 {
		return -1, errors.New("receive the listener: the stub sent none")
	}
	fds, err := unix.ParseUnixRights(&messages[0])
	if err != nil || len(fds) == 0 {
		return -1, errors.New("receive the listener: the stub sent none")
	}
	return fds[0], nil
}
