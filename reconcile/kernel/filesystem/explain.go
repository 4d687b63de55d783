package filesystem

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"coppice.dev/reconcile/fault"
	"coppice.dev/reconcile/kernel/diskimage"
)

// Explain says why Mount failed, by what the device holds. what names it for
// people, as "image /srv/a.img"; the device begins where the file system does.
func Explain(what string, spec Spec, device *os.File, err error) error {
	f := &fault.Fault{Reason: fault.WrongFileSystem, Doing: fmt.Sprintf("mount %s as %s", what, spec.Type), Err: err}
	holds := diskimage.FileSystem(device, 0)
	switch {
	case errors.Is(err, unix.ENODEV):
		f.Reason, f.Hint = fault.KernelTooOld, fmt.Sprintf("the kernel has no %s: modprobe %s, or install a kernel that has it", spec.Type, spec.Type)
	case holds == "":
		f.Hint = "no file system is known there; check offset and partition"
	case holds != spec.Type:
		f.Hint = fmt.Sprintf("it holds %s; change fsType, or leave it out", holds)
	case errors.Is(err, unix.EBUSY):
		f.Reason, f.Hint = fault.SourceHeld, "somebody has it mounted in another way, read-only or for writing; findmnt --source tells where: unmount it there"
	case errors.Is(err, unix.EEXIST) && spec.Type == "btrfs":
		f.Reason, f.Hint = fault.SourceHeld, "a copy of it is mounted, and kernels before 6.7 know btrfs by its UUID alone: give one of them another (btrfstune -u), or unmount the copy"
	case spec.ReadOnly && errors.Is(err, unix.EROFS):
		f.Hint = "it was not unmounted cleanly and its journal cannot be replayed read-only; run fsck on it, or add the mount option " + skipJournal(spec.Type)
	case errors.Is(err, unix.EINVAL):
		f.Hint = "the image is damaged or cut short, or a mount option is wrong; make the image anew, or check the options"
	case errors.Is(err, unix.EIO), errors.Is(err, unix.EUCLEAN), errors.Is(err, unix.EBADMSG):
		f.Hint = "the image is damaged or cut short; run fsck on it, or make it anew"
	default:
		f.Hint = "check the image with fsck"
	}
	return f
}

// skipJournal is the mount option that leaves the journal alone.
func skipJournal(fsType string) string {
	if fsType == "ext4" {
		return "noload"
	}
	return "norecovery"
}
