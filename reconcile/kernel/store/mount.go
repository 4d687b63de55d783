package store

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"coppice.dev/reconcile/fault"
	"coppice.dev/reconcile/kernel/filesystem"
	"coppice.dev/reconcile/kernel/loop"
	"coppice.dev/reconcile/kernel/mounttable"
	"coppice.dev/reconcile/object"
)

// how an image is mounted. What is removed in it is given back to the disk that the
// image lies on. When that disk is full, or fails, so that what was written is lost,
// nothing more is to be written.
var how = filesystem.Spec{Type: fsType, Options: []string{"errors=remount-ro", "noinit_itable", "discard"}}

// label is what a store's loop device bears. The 63 bytes of lo_file_name hold no
// session's name beside all else, so there is a hash of it; a class of its own tells it
// from the images that sessions share.
func (d *Driver) label(session string) string {
	const digits = 16
	sum := sha256.Sum256([]byte(session))
	return "coppice/" + d.controller + "/store/" + hex.EncodeToString(sum[:])[:digits]
}

// mount returns the uppermost mount at a session's store; nil if there is none. What
// is not ours is an error.
func (d *Driver) mount(session string) (*mounttable.Entry, error) {
	path := d.layout.Store(session)
	if there, err := exists(path); err != nil || !there {
		return nil, err
	}
	top, err := mounttable.HostAt(path)
	if err != nil || top == nil {
		return nil, err
	}
	var label string
	if strings.HasPrefix(top.Source, "/dev/loop") { // any string may stand there
		if label, err = loop.Label(top.Source); err != nil {
			return nil, err
		}
	}
	if label != d.label(session) {
		return nil, &fault.Fault{
			Reason: fault.TargetUnusable, Doing: "look at " + path,
			Err:  fmt.Errorf("%s (%s) is mounted there, which is not ours", top.Source, top.FSType),
			Hint: "unmount it: umount " + path,
		}
	}
	return top, nil
}

// attach binds the image to a loop device, and mounts it.
func (d *Driver) attach(session string, spec object.Store) error {
	doing := "open the image " + spec.File
	image, err := os.OpenFile(spec.File, os.O_RDWR|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return fault.Disk(doing, err)
	}
	defer image.Close()
	if info, err := image.Stat(); err != nil || !info.Mode().IsRegular() {
		return fmt.Errorf("%s: %w", doing, errors.Join(err, errors.New("it is no regular file")))
	}
	device, err := d.bound(image, session)
	if err == nil && device == nil {
		device, err = loop.Attach(image, d.label(session), 0, 0, false)
	}
	if err != nil {
		return fmt.Errorf("attach loop device for %s: %w", spec.File, err)
	}
	defer device.Close() // from here on the mount holds it, or it clears itself
	mount, err := filesystem.Mount(device.Name(), how)
	if err != nil {
		return filesystem.Explain("image "+spec.File, how, device, err)
	}
	defer unix.Close(mount)
	if err := os.MkdirAll(d.layout.Stores(), 0o700); err != nil {
		return fault.Disk("make folder of mount points", err)
	}
	if err := os.Mkdir(spec.Path, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
		return fault.Disk("make mount point", err)
	}
	return filesystem.Attach(mount, spec.Path)
}

// bound returns the loop device that the image is bound to already: somebody took our
// mount away while the session went on. A second device would be a second file system
// on the same blocks. It returns nil if there is none, and refuses one of others.
func (d *Driver) bound(image *os.File, session string) (*os.File, error) {
	paths, err := loop.Devices()
	if err != nil {
		return nil, err
	}
	for _, path := range paths {
		device, err := os.OpenFile(path, os.O_RDWR|unix.O_CLOEXEC, 0)
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENXIO) || errors.Is(err, unix.EROFS) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("open loop device: %w", err)
		}
		// While it is held here it cannot clear itself and be taken by others.
		label, is, err := shows(device, image)
		switch {
		case err == nil && is && label == d.label(session):
			return device, nil
		case err == nil && is:
			err = &fault.Fault{
				Reason: fault.SourceHeld, Doing: "mount the upper layer's image", Err: fmt.Errorf("it is attached to %s already (%s)", path, label),
				Hint: "end what uses it: see findmnt " + path + " and losetup " + path,
			}
		}
		device.Close()
		if err != nil {
			return nil, err
		}
	}
	return nil, nil //nolint:nilnil // there is none
}

// shows reports whether a loop device shows the image, and its label.
func shows(device, image *os.File) (label string, is bool, err error) {
	var st unix.Stat_t
	if err := unix.Fstat(int(image.Fd()), &st); err != nil {
		return "", false, fmt.Errorf("look at image: %w", err)
	}
	info, err := unix.IoctlLoopGetStatus64(int(device.Fd()))
	if errors.Is(err, unix.ENXIO) {
		return "", false, nil
	}
	if err != nil {
		return "", false, fmt.Errorf("read status of %s: %w", device.Name(), err)
	}
	return unix.ByteSliceToString(info.File_name[:]), info.Device == st.Dev && info.Inode == st.Ino, nil
}
