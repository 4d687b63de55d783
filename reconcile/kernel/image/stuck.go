package image

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"

	"coppice.dev/reconcile/kernel/loop"
	"coppice.dev/reconcile/object"
)

// stuck returns the owner's loop devices that stay when nobody uses them. Each
// is made to clear itself; whoever mounts and unmounts one by hand, or calls
// losetup, may have taken that from it.
func (d Driver) stuck(owner object.Owner) ([]string, error) {
	devices, err := loop.Devices()
	if err != nil {
		return nil, err
	}
	var found []string
	for _, path := range devices {
		device, err := d.openStuck(path, owner)
		if err != nil {
			return nil, err
		}
		if device != nil {
			device.Close()
			found = append(found, path)
		}
	}
	return found, nil
}

// unstick has the kernel clear them: at once, or when the last lets go
// (LOOP_CLR_FD, loop(4)).
func (d Driver) unstick(owner object.Owner) error {
	devices, err := loop.Devices()
	if err != nil {
		return err
	}
	for _, path := range devices {
		// Looked at again through the descriptor that is held: it is the same one.
		device, err := d.openStuck(path, owner)
		if err != nil {
			return err
		}
		if device == nil {
			continue
		}
		err = unix.IoctlSetInt(int(device.Fd()), unix.LOOP_CLR_FD, 0)
		device.Close()
		if err != nil && !errors.Is(err, unix.ENXIO) {
			return fmt.Errorf("clear %s: %w", path, err)
		}
	}
	return nil
}

// openStuck opens a loop device if it is one of those; else it returns nil.
func (d Driver) openStuck(path string, owner object.Owner) (*os.File, error) {
	device, err := os.OpenFile(path, os.O_RDONLY|unix.O_CLOEXEC, 0)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENXIO) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("open loop device: %w", err)
	}
	info, err := unix.IoctlLoopGetStatus64(int(device.Fd()))
	if err == nil && info.Flags&unix.LO_FLAGS_AUTOCLEAR == 0 && d.labelled(unix.ByteSliceToString(info.File_name[:]), owner) {
		return device, nil
	}
	device.Close()
	if err != nil && !errors.Is(err, unix.ENXIO) {
		return nil, fmt.Errorf("read status of %s: %w", path, err)
	}
	return nil, nil
}
