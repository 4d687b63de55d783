package loop

import (
	"errors"

	"golang.org/x/sys/unix"

	"coppice.dev/reconcile/fault"
)

// noLoop explains why there is no loop device to be had.
func noLoop(err error) error {
	f := &fault.Fault{Doing: "ask for a free loop device", Err: err}
	switch {
	case errors.Is(err, unix.ENOENT), errors.Is(err, unix.ENODEV), errors.Is(err, unix.ENXIO), errors.Is(err, unix.ENOTTY):
		f.Reason, f.Hint = fault.KernelTooOld, "load the loop module: modprobe loop; in a container, give it /dev/loop-control and the loop devices"
	case errors.Is(err, unix.EACCES), errors.Is(err, unix.EPERM):
		f.Reason, f.Hint = fault.KernelTooOld, "loop devices are forbidden here; in a container, allow them (devices 7:* and 10:237)"
	case errors.Is(err, unix.EBUSY):
		f.Reason, f.Hint = fault.Busy, "others take every loop device as soon as it is free: see losetup --list; it is tried again"
	case errors.Is(err, unix.ENOSPC), errors.Is(err, unix.EEXIST):
		f.Reason, f.Hint = fault.NoResources, "there are no more loop devices: detach some (losetup --list), or raise the module's max_loop"
	default:
		return fault.Disk(f.Doing, err)
	}
	return f
}
