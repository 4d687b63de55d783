// Package enter runs code inside a session's mount namespace.
//
// A namespace belongs to a thread, and Go moves goroutines between threads. So
// whatever is done inside is done by a goroutine that is locked to a thread of
// its own and never lets it go: when it ends, the thread ends with it, and no
// other goroutine ever runs in the wrong namespace.
//
// The package makes no mounts and starts nothing by itself.
package enter

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"

	"golang.org/x/sys/unix"
)

// The main thread is special: /proc/self is its view of the world, and the
// runtime parks it for good when a goroutine that was locked to it ends. An init
// function runs on it, so it is kept for the main goroutine from here on.
func init() { runtime.LockOSThread() }

// Thread is what code inside a namespace can still reach of the world outside.
type Thread struct {
	// proc is the thread's own folder below /proc, opened before /proc was lost
	// from sight.
	proc *os.File
}

// Open opens a file of the thread's folder below /proc: "mountinfo", "ns/mnt".
func (t Thread) Open(name string) (*os.File, error) {
	fd, err := unix.Openat(int(t.proc.Fd()), name, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("open /proc/thread-self/%s: %w", name, err)
	}
	return os.NewFile(uintptr(fd), "/proc/thread-self/"+name), nil
}

// Alone runs f on a thread of its own that shares neither its root nor its
// working folder with any other, and ends the thread.
func Alone(f func(Thread) error) error {
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread ends here
		done <- alone(f)
	}()
	return <-done
}

func alone(f func(Thread) error) error {
	proc, err := os.Open("/proc/thread-self/")
	if err != nil {
		return err
	}
	defer proc.Close()
	// setns(2) refuses a thread that shares its file system attributes.
	if err := unix.Unshare(unix.CLONE_FS); err != nil {
		return fmt.Errorf("unshare file system attributes: %w", err)
	}
	return f(Thread{proc})
}

// Do runs f inside the mount namespace: "/" is the namespace's root.
func Do(namespace *os.File, f func(Thread) error) error {
	return Alone(func(t Thread) error {
		if err := unix.Setns(int(namespace.Fd()), unix.CLONE_NEWNS); err != nil {
			return fmt.Errorf("enter mount namespace %s: %w", namespace.Name(), err)
		}
		return f(t)
	})
}

// Start starts a command inside the namespace. Its path and folder are taken
// inside; its standard files must be set, since /dev/null is looked up there.
func Start(namespace *os.File, cmd *exec.Cmd) error {
	return Do(namespace, func(Thread) error { return cmd.Start() })
}
