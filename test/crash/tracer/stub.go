package tracer

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"

	"golang.org/x/sys/unix"
)

// environment tells a stub that it is one.
const environment = "COPPICE_TRACER_STUB"

// socket is the descriptor that a stub finds its socket at: the first of
// exec.Cmd's ExtraFiles.
const socket = 3

// Main must be called first thing in main or TestMain of a binary that uses
// this package. In a stub it never returns.
func Main() {
	if os.Getenv(environment) == "" {
		return
	}
	fmt.Fprintln(os.Stderr, "tracer:", become(os.Args[1:]))
	os.Exit(127)
}

// become turns this process into the program, with the filter on it.
func become(args []string) error {
	runtime.LockOSThread() // the filter is one thread's until execve
	if err := os.Unsetenv(environment); err != nil {
		return err
	}
	path, err := exec.LookPath(args[0])
	if err != nil {
		return err
	}
	environ := os.Environ()
	fd, err := restrict()
	if err != nil {
		return err
	}
	// From here on no call of the list may be made: nobody answers yet.
	if err := unix.Sendmsg(socket, []byte{0}, unix.UnixRights(fd), nil, 0); err != nil {
		return fmt.Errorf("send the listener: %w", err)
	}
	unix.CloseOnExec(fd)
	unix.CloseOnExec(socket)
	return fmt.Errorf("execute %s: %w", path, unix.Exec(path, args, environ))
}
