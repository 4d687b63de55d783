package image

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"coppice.dev/reconcile/fault"
	"coppice.dev/reconcile/kernel/diskimage"
	"coppice.dev/reconcile/object"
)

// explain turns an error of mounting into words that say what to do.
func explain(spec object.Image, device *os.File, err error) error {
	f := &fault.Fault{Reason: fault.WrongFileSystem, Doing: fmt.Sprintf("mount image %s as %s", spec.File, spec.FSType), Err: err}
	holds := diskimage.FileSystem(device, 0) // the device begins at the offset
	switch {
	case errors.Is(err, unix.ENODEV):
		f.Reason, f.Hint = fault.KernelTooOld, fmt.Sprintf("the kernel has no %s: modprobe %s, or install a kernel that has it", spec.FSType, spec.FSType)
	case holds == "":
		f.Hint = "no file system is known there; check offset and partition"
	case holds != spec.FSType:
		f.Hint = fmt.Sprintf("it holds %s; change fsType, or leave it out", holds)
	case spec.ReadOnly && errors.Is(err, unix.EROFS):
		f.Hint = "it was not unmounted cleanly and its journal cannot be replayed read-only; run fsck on it, or add the mount option " + skipJournal(spec.FSType)
	case errors.Is(err, unix.EINVAL):
		f.Hint = "the image is damaged or cut short, or a mount option is wrong; make the image anew, or check the options"
	case errors.Is(err, unix.EIO), errors.Is(err, unix.EUCLEAN), errors.Is(err, unix.EBADMSG):
		f.Hint = "the image is damaged or cut short; run fsck on it, or make it anew"
	default:
		f.Hint = "check the image with fsck"
	}
	return f
}

// skipJournal is the option that mounts without replaying the journal.
func skipJournal(fsType string) string {
	if fsType == "ext4" {
		return "noload"
	}
	return "norecovery"
}

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
