// Package loop binds files to loop devices, with the label of whose they are, and
// reads labels back (loop(4)). What is then mounted from a device, and when that goes,
// is for others to say.
package loop

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// attempts is how often a free loop device is asked for: the number that
// LOOP_CTL_GET_FREE gives is not reserved, and others ask too.
const attempts = 64

// Attach binds an open image to a free loop device, with its label, offset and
// flags in the one call (LOOP_CONFIGURE, 5.8; loop(4)). The device clears itself
// when the last that holds it lets go: this descriptor, then the mount.
func Attach(image *os.File, label string, offset, limit int64, readOnly bool) (*os.File, error) {
	control, err := os.OpenFile("/dev/loop-control", os.O_RDWR, 0)
	if err != nil {
		return nil, noLoop(err)
	}
	defer control.Close()
	config := unix.LoopConfig{Fd: uint32(image.Fd())}
	config.Info.Offset, config.Info.Sizelimit = uint64(offset), uint64(limit)
	config.Info.Flags = unix.LO_FLAGS_AUTOCLEAR
	if readOnly {
		config.Info.Flags |= unix.LO_FLAGS_READ_ONLY
	}
	if len(label) >= len(config.Info.File_name) {
		return nil, fmt.Errorf("label %s is longer than a loop device holds", label)
	}
	copy(config.Info.File_name[:], label)
	for range attempts {
		number, err := unix.IoctlRetInt(int(control.Fd()), unix.LOOP_CTL_GET_FREE)
		if err != nil {
			return nil, noLoop(err)
		}
		device, err := openDevice(number)
		if err != nil {
			return nil, err
		}
		err = unix.IoctlLoopConfigure(int(device.Fd()), &config)
		if err == nil {
			return device, nil
		}
		device.Close()
		if !errors.Is(err, unix.EBUSY) {
			return nil, fmt.Errorf("configure %s: %w", device.Name(), err)
		}
	}
	return nil, noLoop(unix.EBUSY)
}

// openDevice opens a loop device, whose node may not be there yet: in a
// container nobody makes it.
func openDevice(number int) (*os.File, error) {
	path := fmt.Sprintf("/dev/loop%d", number)
	device, err := os.OpenFile(path, os.O_RDWR|unix.O_CLOEXEC, 0)
	if !errors.Is(err, fs.ErrNotExist) {
		return device, err
	}
	const loopMajor = 7 // Documentation/admin-guide/devices.txt
	if err := unix.Mknod(path, unix.S_IFBLK|0o660, int(unix.Mkdev(loopMajor, uint32(number)))); err != nil && !errors.Is(err, unix.EEXIST) {
		return nil, fmt.Errorf("make %s: %w", path, err)
	}
	return os.OpenFile(path, os.O_RDWR|unix.O_CLOEXEC, 0)
}

// Label returns the label of a loop device; "" if it is bound to nothing.
func Label(path string) (string, error) {
	device, err := os.OpenFile(path, os.O_RDONLY|unix.O_CLOEXEC, 0)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENXIO) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("open loop device: %w", err)
	}
	defer device.Close()
	info, err := unix.IoctlLoopGetStatus64(int(device.Fd()))
	if errors.Is(err, unix.ENXIO) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("read label of %s: %w", path, err)
	}
	return unix.ByteSliceToString(info.File_name[:]), nil
}

// Devices returns the loop devices that are bound to something. The kernel shows
// the folder "loop" below a device just then.
func Devices() ([]string, error) {
	entries, err := os.ReadDir("/sys/block")
	if err != nil {
		return nil, fmt.Errorf("look for loop devices: %w", err)
	}
	var devices []string
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), "loop") {
			continue
		}
		if _, err := os.Stat("/sys/block/" + e.Name() + "/loop"); err == nil {
			devices = append(devices, "/dev/"+e.Name())
		}
	}
	return devices, nil
}

// Bound returns how many loop devices are bound to something, whosoever they are.
func Bound() (int, error) {
	devices, err := Devices()
	if err != nil {
		return -1, err
	}
	return len(devices), nil
}
