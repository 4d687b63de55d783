package kernel

import (
	"fmt"
	"runtime"

	"golang.org/x/sys/unix"
)

// The class of those that get the disk when nobody else wants it, as
// ioprio_set(2) has it: IOPRIO_PRIO_VALUE(IOPRIO_CLASS_IDLE, 0), for one thread.
const (
	ioPriorityIdle = 3 << 13
	ioWhoProcess   = 1
)

// lowest is the nice value of those that everybody else goes before.
const lowest = 19

// quietly runs f on a thread of its own that everybody else goes before, at the
// disk and at the processor. On Linux both priorities belong to a thread
// (ioprio_set(2), setpriority(2)); this one ends with f.
func quietly(f func() error) error {
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // and never unlocked: nobody else is to be so slow
		_ = stepBack()         // where that is not allowed, it is done all the same
		done <- f()
	}()
	return <-done
}

func stepBack() error {
	if _, _, errno := unix.Syscall(unix.SYS_IOPRIO_SET, ioWhoProcess, 0, ioPriorityIdle); errno != 0 {
		return fmt.Errorf("lower the priority at the disk: %w", errno)
	}
	if err := unix.Setpriority(unix.PRIO_PROCESS, 0, lowest); err != nil {
		return fmt.Errorf("lower the priority at the processor: %w", err)
	}
	return nil
}
