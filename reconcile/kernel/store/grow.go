package store

import (
	"fmt"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"

	"coppice.dev/reconcile/fault"
	"coppice.dev/reconcile/object"
)

// resizeExt4 is EXT4_IOC_RESIZE_FS, which makes a mounted ext4 larger by itself
// (fs/ext4/ioctl.c); resize2fs(8) does no more to one that is mounted.
const resizeExt4 = 0x40086610

// grow makes the image, the device and the file system as large as they are to be, each
// of which can be done again. It does not make anything smaller.
func (d *Driver) grow(session string, spec object.Store) error {
	doing := fmt.Sprintf("make the upper layer of %s larger", session)
	info, err := os.Stat(spec.File)
	if err != nil {
		return fault.Disk(doing, err)
	}
	if info.Size() > spec.Size {
		return &fault.Fault{
			Reason: fault.TargetUnusable, Doing: fmt.Sprintf("make the upper layer of %s smaller", session),
			Err:  fmt.Errorf("it has %d bytes, and cannot have %d", info.Size(), spec.Size),
			Hint: "recreate the session",
		}
	}
	if info.Size() < spec.Size {
		if err := os.Truncate(spec.File, spec.Size); err != nil {
			return fault.Disk(doing, err)
		}
	}
	m, err := d.mount(session)
	if err != nil || m == nil {
		return err
	}
	device, err := os.OpenFile(m.Source, os.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("%s: %w", doing, err)
	}
	defer device.Close()
	if err := unix.IoctlSetInt(int(device.Fd()), unix.LOOP_SET_CAPACITY, 0); err != nil {
		return fmt.Errorf("%s: %s: %w", doing, m.Source, err)
	}
	root, err := os.Open(spec.Path)
	if err != nil {
		return fmt.Errorf("%s: %w", doing, err)
	}
	defer root.Close()
	blocks := uint64(spec.Size / blockSize)
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, root.Fd(), resizeExt4, uintptr(unsafe.Pointer(&blocks))); errno == unix.EPERM {
		return &fault.Fault{
			Reason: fault.Surprise, Doing: doing, Err: errno,
			Hint: "the kernel wants CAP_SYS_RESOURCE for that, which coppiced does not have here: recreate the session",
		}
	} else if errno != 0 {
		return fault.Disk(doing, errno)
	}
	return nil
}
