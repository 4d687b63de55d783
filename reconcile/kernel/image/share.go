package image

import (
	"errors"
	"fmt"
	"math"
	"os"

	"golang.org/x/sys/unix"

	"coppice.dev/reconcile/fault"
	"coppice.dev/reconcile/kernel/loop"
	"coppice.dev/reconcile/object"
)

// reattach returns the loop device that a mount of ours was on which somebody
// took away while a session went on using the image; nil if there is none. The
// device still has the label, and mounting it again gives the same file system.
// A second device for it would be a second file system on the same blocks.
func reattach(image *os.File, label string, spec object.Image) (*os.File, error) {
	paths, err := loop.Devices()
	if err != nil {
		return nil, err
	}
	for _, path := range paths {
		text, err := loop.Label(path)
		if err != nil {
			return nil, err
		}
		if text != label {
			continue
		}
		device, err := os.OpenFile(path, os.O_RDWR|unix.O_CLOEXEC, 0)
		if err != nil {
			return nil, fmt.Errorf("open %s: %w", path, err)
		}
		// While it is held here it cannot clear itself and be taken by others.
		if info, err := status(device, image); err == nil && info != nil && overlap(info, spec) &&
			unix.ByteSliceToString(info.File_name[:]) == label {
			return device, nil
		}
		device.Close()
	}
	return nil, nil
}

// alone makes sure that nobody writes to the part of the file that is mounted,
// nor reads it while it is mounted for writing: to the kernel, two devices of
// one file are two disks, and each caches what it read.
func alone(image *os.File, ours string, spec object.Image) error {
	paths, err := loop.Devices()
	if err != nil {
		return err
	}
	for _, path := range paths {
		if path == ours {
			continue
		}
		info, err := statusOf(path, image)
		if err != nil {
			return err
		}
		if info == nil || !overlap(info, spec) || spec.ReadOnly && info.Flags&unix.LO_FLAGS_READ_ONLY != 0 {
			continue
		}
		return &fault.Fault{
			Reason: fault.SourceHeld, Doing: "attach image " + spec.File,
			Err:  fmt.Errorf("it is attached to %s already (%s)", path, unix.ByteSliceToString(info.File_name[:])),
			Hint: "end what uses it: see findmnt " + path + " and losetup " + path,
		}
	}
	return nil
}

// overlap reports whether a device shows some of what the image is to show.
func overlap(info *unix.LoopInfo64, spec object.Image) bool {
	end := func(offset, limit uint64) uint64 {
		if limit == 0 {
			return math.MaxUint64
		}
		return offset + limit
	}
	offset := uint64(spec.Offset)
	return info.Offset < end(offset, uint64(spec.SizeLimit)) && offset < end(info.Offset, info.Sizelimit)
}

// statusOf returns the status of the loop device at the path, if it is bound to
// that file; else nil.
func statusOf(path string, image *os.File) (*unix.LoopInfo64, error) {
	device, err := os.OpenFile(path, os.O_RDONLY|unix.O_CLOEXEC, 0)
	if errors.Is(err, os.ErrNotExist) || errors.Is(err, unix.ENXIO) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("open loop device: %w", err)
	}
	defer device.Close()
	return status(device, image)
}

func status(device, image *os.File) (*unix.LoopInfo64, error) {
	var st unix.Stat_t
	if err := unix.Fstat(int(image.Fd()), &st); err != nil {
		return nil, fmt.Errorf("look at image: %w", err)
	}
	info, err := unix.IoctlLoopGetStatus64(int(device.Fd()))
	if errors.Is(err, unix.ENXIO) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read status of %s: %w", device.Name(), err)
	}
	if info.Device != st.Dev || info.Inode != st.Ino {
		return nil, nil
	}
	return info, nil
}
