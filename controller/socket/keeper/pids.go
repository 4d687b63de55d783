package keeper

import (
	"fmt"
	"os"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// isolatePIDs gives the command a pid namespace of its own, with a /proc that
// shows it. The namespace's first process is a small one that takes in orphans;
// the keeper keeps a pipe to it, and the namespace ends with it or the keeper.
func (r *room) isolatePIDs(c *command) error {
	if err := unix.Unshare(unix.CLONE_NEWNS | unix.CLONE_NEWPID); err != nil {
		return fmt.Errorf("make processes of the command's own: %w", err)
	}
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("keep the command's mounts from the session: %w", err)
	}
	ready, told, err := os.Pipe()
	if err != nil {
		return err
	}
	defer ready.Close()
	life, held, err := os.Pipe()
	if err != nil {
		told.Close()
		return err
	}
	c.life = held
	c.first, err = r.firstProcess(told, life)
	told.Close()
	life.Close()
	if err != nil {
		return fmt.Errorf("start the first process: %w", err)
	}
	var answer [1]byte
	if _, err := ready.Read(answer[:]); err != nil {
		return fmt.Errorf("wait for the first process: %w", err)
	}
	if errno := syscall.Errno(answer[0]); errno != 0 {
		return invalid("session %s has no folder /proc to show the command's own processes in: %v", r.order.Session, errno)
	}
	return nil
}

// firstProcess forks the first process of the namespace. It runs no other
// program, since none that is needed for it need be in the session.
func (r *room) firstProcess(told, life *os.File) (int, error) {
	args := cloneArgs{exitSignal: uint64(unix.SIGCHLD)}
	if r.group != nil {
		args.flags, args.cgroup = unix.CLONE_INTO_CGROUP, uint64(r.group.Fd())
	}
	name, kind, dir := cString("coppiced: init"), cString("proc"), cString("/proc")
	syscall.ForkLock.Lock()
	pid, errno := fork(&args, told.Fd(), life.Fd(), name, kind, dir, &action{ignored})
	syscall.ForkLock.Unlock()
	if errno != 0 {
		return 0, errno
	}
	return int(pid), nil
}

func cString(text string) *byte {
	b := append([]byte(text), 0)
	return &b[0]
}

// cloneArgs is the kernel's struct clone_args (clone(2)).
type cloneArgs struct {
	flags, pidfd, childTID, parentTID, exitSignal, stack, stackSize, tls, setTID, setTIDSize, cgroup uint64
}

//go:linkname beforeFork syscall.runtime_BeforeFork
func beforeFork()

//go:linkname afterFork syscall.runtime_AfterFork
func afterFork()

//go:linkname afterForkInChild syscall.runtime_AfterForkInChild
func afterForkInChild()

// fork makes a copy of this process of one thread, which mounts /proc, tells how
// that went, and waits until nobody holds the other end of the pipe life. In the
// copy the Go runtime is not there: it makes plain system calls only, grows no
// stack and allocates nothing, as in syscall.forkAndExecInChild.
//
//go:noinline
//go:norace
func fork(args *cloneArgs, told, life uintptr, name, kind, dir *byte, ignore *action) (pid uintptr, errno syscall.Errno) {
	const all = ^uintptr(0) >> 32 // the largest number of a file
	var answer byte
	var n uintptr

	beforeFork()
	pid, _, errno = syscall.RawSyscall(unix.SYS_CLONE3, uintptr(unsafe.Pointer(args)), unsafe.Sizeof(*args), 0)
	if errno != 0 || pid != 0 {
		afterFork()
		return pid, errno
	}
	afterForkInChild()
	_, _, _ = syscall.RawSyscall(unix.SYS_SETSID, 0, 0, 0)
	_, _, _ = syscall.RawSyscall6(unix.SYS_PRCTL, unix.PR_SET_NAME, uintptr(unsafe.Pointer(name)), 0, 0, 0, 0)
	_, _, _ = syscall.RawSyscall6(unix.SYS_PRCTL, unix.PR_SET_DUMPABLE, 0, 0, 0, 0, 0)
	// The kernel reaps the children of who ignores this.
	_, _, _ = syscall.RawSyscall6(unix.SYS_RT_SIGACTION, uintptr(unix.SIGCHLD), uintptr(unsafe.Pointer(ignore)), 0, setSize, 0, 0)
	_, _, _ = syscall.RawSyscall(unix.SYS_DUP3, told, 0, 0)
	_, _, _ = syscall.RawSyscall(unix.SYS_DUP3, life, 1, 0)
	_, _, _ = syscall.RawSyscall(unix.SYS_CLOSE_RANGE, 2, all, 0)
	_, _, errno = syscall.RawSyscall6(unix.SYS_MOUNT, uintptr(unsafe.Pointer(kind)), uintptr(unsafe.Pointer(dir)), uintptr(unsafe.Pointer(kind)), unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, 0, 0)
	answer = byte(errno)
	_, _, _ = syscall.RawSyscall(unix.SYS_WRITE, 0, uintptr(unsafe.Pointer(&answer)), 1)
	_, _, _ = syscall.RawSyscall(unix.SYS_CLOSE, 0, 0, 0)
	for {
		n, _, errno = syscall.RawSyscall(unix.SYS_READ, 1, uintptr(unsafe.Pointer(&answer)), 1)
		if n == 0 || errno != syscall.EINTR && errno != 0 {
			_, _, _ = syscall.RawSyscall(unix.SYS_EXIT_GROUP, 0, 0, 0)
		}
	}
}
