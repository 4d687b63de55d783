// Package disk mounts the file systems of block devices, for sessions to stand
// on: partitions, whole disks, the snapshots of logical volumes. It is the only
// place that does; of the devices themselves it makes and unmakes none.
package disk

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"coppice.dev/reconcile/fault"
	"coppice.dev/reconcile/kernel/filesystem"
	"coppice.dev/reconcile/kernel/holders"
	"coppice.dev/reconcile/kernel/mounttable"
	"coppice.dev/reconcile/layout"
	"coppice.dev/reconcile/object"
)

// Driver drives object.Disk.
//
// The source of such a mount is its device, so it has no room for a label. It is
// known by its place instead, and by a note beside that: a link whose text holds
// the print and the number that the kernel gave to the mount. The note is written
// while the mount is still attached to nothing; what is mounted at the place under
// another number is somebody else's.
type Driver struct {
	Layout layout.Layout
}

// appearing is how long a device may take to get its name once it is there: udev
// gives it (udev(7)).
const appearing = 3 * time.Second

// address is where an owner's disk stands among its objects.
var address = object.At(object.GroupLayer, "disk")

// Owners implements driver.Finder.
func (d Driver) Owners(context.Context) ([]object.Owner, error) {
	entries, err := os.ReadDir(d.Layout.Disks())
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("look for mounted disks: %w", err)
	}
	var owners []object.Owner
	for _, e := range entries {
		if o, is := layout.ParseDisk(e.Name()); is {
			owners = append(owners, o)
		}
	}
	return owners, nil
}

// Observe implements driver.Driver.
func (d Driver) Observe(_ context.Context, owner object.Owner, _ []object.Object) ([]object.Observed, error) {
	path := d.Layout.Disk(owner)
	seen := object.Observed{ID: object.ID{Owner: owner, Address: address}, Kind: object.KindDisk, Name: path}
	noted, err := d.note(owner)
	if err != nil {
		return nil, err
	}
	e, err := d.mounted(owner, noted)
	switch {
	case err != nil:
		return nil, err
	case e != nil:
		seen.Name, seen.Print, seen.Failing = e.Source, noted.print, vanished(e)
		return []object.Observed{seen}, nil
	}
	if _, err := os.Lstat(path); err == nil {
		seen.Damage = "nothing is mounted there"
	} else if !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("look at mount of disk: %w", err)
	} else if noted == (note{}) {
		return nil, nil
	} else {
		seen.Damage = "it is half made"
	}
	return []object.Observed{seen}, nil
}

// mounted returns what is mounted at an owner's place, nil if nothing is. What is
// not ours is an error.
func (d Driver) mounted(owner object.Owner, noted note) (*mounttable.Entry, error) {
	path := d.Layout.Disk(owner)
	if _, err := os.Lstat(path); errors.Is(err, fs.ErrNotExist) {
		return nil, nil // as with most owners
	}
	top, err := mounttable.HostAt(path)
	if err != nil {
		return nil, err
	}
	if top == nil || uint64(top.ID) == noted.mount {
		return top, nil
	}
	return nil, &fault.Fault{
		Reason: fault.TargetUnusable, Doing: "look at " + path,
		Err:  fmt.Errorf("%s (%s) is mounted there, which is not ours", top.Source, top.FSType),
		Hint: "unmount it: umount " + path,
	}
}

// vanished says that the device under a mount is gone; "" if it is there, or the
// file system is of several devices and does not tell.
func vanished(e *mounttable.Entry) string {
	if e.Major == 0 {
		return ""
	}
	if _, err := os.Stat(fmt.Sprintf("/sys/dev/block/%d:%d", e.Major, e.Minor)); !errors.Is(err, fs.ErrNotExist) {
		return ""
	}
	return e.Source + " is gone while it is mounted: what is on it cannot be read; bring the device back, then recreate the sessions that use it"
}

// Create implements driver.Driver.
func (d Driver) Create(ctx context.Context, o object.Object, _ []object.Object) error {
	spec := o.Spec.(object.Disk)
	device, err := d.open(ctx, spec)
	if err != nil {
		return err
	}
	defer device.Close()
	how := filesystem.Spec{Type: spec.FSType, ReadOnly: spec.ReadOnly, Options: spec.Options}
	mount, err := filesystem.Mount(spec.Device, how)
	if err != nil {
		return filesystem.Explain(spec.Device, how, device, err)
	}
	defer unix.Close(mount)
	// It may hold set-uid programs of any age: what sessions show of it, they show
	// by mounts of their own, and nobody gets to it this way.
	if err := os.MkdirAll(filepath.Dir(spec.Path), 0o700); err != nil {
		return fault.Disk("make folder of mount points", err)
	}
	if err := os.MkdirAll(spec.Path, 0o755); err != nil {
		return fault.Disk("make mount point", err)
	}
	var st unix.Statx_t
	if err := unix.Statx(mount, "", unix.AT_EMPTY_PATH, unix.STATX_MNT_ID, &st); err != nil {
		return fmt.Errorf("ask for the number of the mount of %s: %w", spec.Device, err)
	}
	if err := d.write(o.Owner, note{print: object.PrintOf(spec), mount: st.Mnt_id}); err != nil {
		return err
	}
	return filesystem.Attach(mount, spec.Path)
}

// open opens the device, once it has its name, and makes sure that nobody else has
// it if it is to be written to. The sessions that stand on it may: their roots
// outlive the mount here if somebody takes that away.
func (d Driver) open(ctx context.Context, spec object.Disk) (*os.File, error) {
	doing := "open " + spec.Device
	mode := os.O_RDONLY
	if !spec.ReadOnly {
		// On a block device O_EXCL without O_CREAT is refused while it is in use
		// (open(2)). It does not outlast this step; the mount does.
		mode = os.O_RDWR | unix.O_EXCL
	}
	var device *os.File
	var err error
	for deadline := time.Now().Add(appearing); ; {
		device, err = os.OpenFile(spec.Device, mode|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
		if errors.Is(err, unix.EBUSY) {
			if others, lookErr := d.others(spec.Device); lookErr != nil || others == "" {
				mode, err = os.O_RDONLY, lookErr // what holds it otherwise makes the mount fail
				if err == nil {
					continue
				}
			} else {
				err = fmt.Errorf("somebody else uses it at %s: %w", others, err)
			}
			break
		}
		if !errors.Is(err, fs.ErrNotExist) || time.Now().After(deadline) {
			break
		}
		select {
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-time.After(20 * time.Millisecond):
		}
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, &fault.Fault{Reason: fault.SourceMissing, Doing: doing, Err: err, Hint: "plug the device in, or change the path in the manifest"}
	case errors.Is(err, unix.EBUSY):
		return nil, &fault.Fault{
			Reason: fault.SourceHeld, Doing: doing + " for writing", Err: err,
			Hint: "end that (findmnt and lsblk tell who), or put an overlay on it",
		}
	case errors.Is(err, unix.EROFS), errors.Is(err, unix.EACCES):
		return nil, &fault.Fault{Reason: fault.SourceUnusable, Doing: doing + " for writing", Err: err, Hint: "it can only be read: put an overlay on it"}
	case errors.Is(err, unix.ENXIO):
		return nil, &fault.Fault{Reason: fault.SourceUnusable, Doing: doing, Err: err, Hint: "there is a name for it and no device: look in dmesg, or change the path in the manifest"}
	case err != nil:
		return nil, fault.Source(doing, err)
	}
	info, err := device.Stat()
	if err == nil && (info.Mode()&fs.ModeDevice == 0 || info.Mode()&fs.ModeCharDevice != 0) {
		err = &fault.Fault{Reason: fault.SourceUnusable, Doing: doing, Err: errors.New("it is no block device"), Hint: "use source loopback for an image in a file"}
	}
	if err == nil && !spec.ReadOnly {
		// The claim ends here: a mount of the same device would be refused by it.
		device.Close()
		device, err = os.OpenFile(spec.Device, os.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	}
	if err != nil {
		device.Close()
		return nil, err
	}
	return device, nil
}

// others says where on the host a device is mounted by somebody else, "" if it is
// not, or below the run-time folder only.
func (d Driver) others(device string) (string, error) {
	var want unix.Stat_t
	if err := unix.Stat(device, &want); err != nil {
		return "", fmt.Errorf("look at %s: %w", device, err)
	}
	table, err := mounttable.Host()
	if err != nil {
		return "", err
	}
	for _, e := range table {
		var st unix.Stat_t
		if !strings.HasPrefix(e.Source, "/dev/") && e.Source != device || strings.HasPrefix(e.Mountpoint, d.Layout.Run+"/") {
			continue
		}
		if unix.Stat(e.Source, &st) == nil && st.Rdev == want.Rdev {
			return e.Mountpoint, nil
		}
	}
	return "", nil
}

// Amend implements driver.Driver; nothing of such a mount can be changed in place.
func (d Driver) Amend(context.Context, object.Object) error { return nil }

// Destroy implements driver.Driver. Sessions that stand on the disk keep its file
// system, and so the device, until they go.
func (d Driver) Destroy(_ context.Context, seen object.Observed) error {
	noted, err := d.note(seen.Owner)
	if err != nil {
		return err
	}
	e, err := d.mounted(seen.Owner, noted)
	if err != nil {
		return err
	}
	path := d.Layout.Disk(seen.Owner)
	if e != nil {
		if err := unix.Unmount(path, unix.UMOUNT_NOFOLLOW); errors.Is(err, unix.EBUSY) {
			return &fault.Fault{
				Reason: fault.Busy, Doing: "unmount " + e.Source + " at " + path, Err: err, Holders: slices.Concat(holders.Below(path), holders.Loops(path)),
				Hint: "end these processes, or leave the folder with them",
			}
		} else if err != nil && !errors.Is(err, unix.EINVAL) {
			return fmt.Errorf("unmount %s at %s: %w", e.Source, path, err)
		}
	}
	// Removing the mount point makes the kernel drop copies of the mount that
	// other namespaces got of it.
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove mount point: %w", err)
	}
	if err := os.Remove(d.Layout.DiskNote(seen.Owner)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove note of mount: %w", err)
	}
	return nil
}
