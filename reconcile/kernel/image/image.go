// Package image drives images that sessions share: a loop device bound to the
// image's file, and the mount on it.
//
// The two have one lifetime. The device is bound with its label in one call and
// clears itself when nothing holds it any more; the mount is made detached and
// attached with one call. A crash between the two leaves nothing behind.
package image

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
	"coppice.dev/reconcile/kernel/loop"
	"coppice.dev/reconcile/kernel/mounttable"
	"coppice.dev/reconcile/layout"
	"coppice.dev/reconcile/object"
)

// Driver drives object.Image.
type Driver struct {
	Layout     layout.Layout
	Controller string
}

// settling is how long the kernel is given to let go of a device whose last
// mount went: it does so in its own time.
const settling = 250 * time.Millisecond

// Owners implements driver.Finder.
func (d Driver) Owners(context.Context) ([]object.Owner, error) {
	var owners []object.Owner
	entries, err := os.ReadDir(d.Layout.BaseMounts())
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("look for mounted images: %w", err)
	}
	for _, e := range entries {
		if layout.IsBase(e.Name()) {
			owners = append(owners, object.BaseOwner(e.Name()))
		}
	}
	devices, err := loop.Devices()
	if err != nil {
		return owners, err
	}
	for _, device := range devices {
		text, err := loop.Label(device)
		if err != nil {
			return owners, err
		}
		if l, err := object.ParseLabel(text); err == nil && l.Controller == d.Controller {
			owners = append(owners, l.Owner)
		}
	}
	return owners, nil
}

// Observe implements driver.Driver. A loop device whose mount is gone is not an
// object: it is kept by sessions that still use it, or by a copy of the mount in
// somebody else's namespace, and goes with the last of them. One that would not
// clear itself then is: somebody took that from it.
func (d Driver) Observe(_ context.Context, owner object.Owner, _ []object.Object) ([]object.Observed, error) {
	path := d.Layout.BaseMount(owner.Name)
	seen := object.Observed{
		ID:   object.ID{Owner: owner, Address: object.At(object.GroupDevice, "image")},
		Kind: object.KindImage, Name: path,
	}
	if _, err := os.Lstat(path); errors.Is(err, fs.ErrNotExist) {
		stuck, err := d.stuck(owner)
		if err != nil || len(stuck) == 0 {
			return nil, err
		}
		seen.Name, seen.Damage = stuck[0], "it is mounted nowhere, and does not clear itself"
		return []object.Observed{seen}, nil
	} else if err != nil {
		return nil, fmt.Errorf("look at mount of image: %w", err)
	}
	e, err := mounttable.HostAt(path)
	if err != nil {
		return nil, err
	}
	if e == nil {
		seen.Damage = "nothing is mounted there"
		return []object.Observed{seen}, nil
	}
	l, err := d.label(e, owner)
	if err != nil {
		return nil, err
	}
	seen.Name, seen.Print, seen.Failing = e.Source, l.Print, cut(e.Source)
	return []object.Observed{seen}, nil
}

// label returns the label of the owner's mount. What somebody mounted over it
// is not ours to take away.
func (d Driver) label(e *mounttable.Entry, owner object.Owner) (object.Label, error) {
	var text string
	if strings.HasPrefix(e.Source, "/dev/loop") { // any string may stand there
		var err error
		if text, err = loop.Label(e.Source); err != nil {
			return object.Label{}, err
		}
	}
	l, err := object.ParseLabel(text)
	if err != nil || l.Controller != d.Controller || l.Owner != owner {
		return object.Label{}, &fault.Fault{
			Reason: fault.TargetUnusable, Doing: "look at " + e.Mountpoint,
			Err:  fmt.Errorf("%s (%s) is mounted there, which is not ours", e.Source, e.FSType),
			Hint: "unmount it: umount " + e.Mountpoint,
		}
	}
	return l, nil
}

// Create implements driver.Driver.
func (d Driver) Create(_ context.Context, o object.Object, _ []object.Object) error {
	spec := o.Spec.(object.Image)
	file, err := open(spec)
	if err != nil {
		return err
	}
	defer file.Close()
	label := object.Label{Controller: d.Controller, Owner: o.Owner, Print: object.PrintOf(spec)}
	device, err := reattach(file, label.String(), spec)
	if err != nil {
		return err
	}
	if device == nil {
		device, err = loop.Attach(file, label.String(), spec.Offset, spec.SizeLimit, spec.ReadOnly)
	}
	if err != nil {
		return fmt.Errorf("attach loop device for %s: %w", spec.File, err)
	}
	defer device.Close() // from here on the mount holds it, or it clears itself
	// Looked for after the device is ours: of two that do this at once, neither
	// overlooks the other.
	if err := alone(file, device.Name(), spec); err != nil {
		return err
	}
	how := filesystem.Spec{Type: spec.FSType, ReadOnly: spec.ReadOnly, Options: spec.Options}
	mount, err := filesystem.Mount(device.Name(), how)
	if err != nil {
		return filesystem.Explain("image "+spec.File, how, device, err)
	}
	defer unix.Close(mount)
	// An image may hold set-uid programs of any age: what sessions show of it,
	// they show by mounts of their own, and nobody gets to it this way.
	if err := os.MkdirAll(filepath.Dir(spec.Path), 0o700); err != nil {
		return fault.Disk("make folder of mount points", err)
	}
	if err := os.MkdirAll(spec.Path, 0o755); err != nil {
		return fault.Disk("make mount point", err)
	}
	return filesystem.Attach(mount, spec.Path)
}

// open opens the image and makes sure that it is the one that was admitted.
func open(spec object.Image) (*os.File, error) {
	doing := "open image " + spec.File
	mode := os.O_RDWR
	if spec.ReadOnly {
		mode = os.O_RDONLY
	}
	file, err := os.OpenFile(spec.File, mode|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, &fault.Fault{Reason: fault.SourceMissing, Doing: doing, Err: err, Hint: "put the image there, or change the path in the manifest"}
	}
	if err != nil {
		return nil, fault.Source(doing, err)
	}
	var st unix.Stat_t
	if err := unix.Fstat(int(file.Fd()), &st); err != nil {
		file.Close()
		return nil, fmt.Errorf("%s: %w", doing, err)
	}
	want := spec.Contents
	// The device's number says nothing: a btrfs or an LVM volume has another one
	// after a reboot.
	same := st.Mode&unix.S_IFMT == unix.S_IFREG && st.Ino == want.Inode
	if want.Size != 0 || want.ModTime != 0 { // of an image that is written to, neither counts
		same = same && st.Size == want.Size && st.Mtim.Nano() == want.ModTime
	}
	if !same {
		file.Close()
		return nil, &fault.Fault{
			Reason: fault.SourceUnusable, Doing: doing, Err: errors.New("it is another file than when the session began"),
			Hint: "recreate the session to use the new one",
		}
	}
	return file, nil
}

// Amend implements driver.Driver; nothing of an image can be changed in place.
func (d Driver) Amend(context.Context, object.Object) error { return nil }

// Destroy implements driver.Driver. Sessions that were mounted from the image
// keep its file system, and so its device, until they go.
func (d Driver) Destroy(ctx context.Context, seen object.Observed) error {
	path := d.Layout.BaseMount(seen.Owner.Name)
	e, err := mounttable.HostAt(path)
	if err != nil {
		return err
	}
	if e != nil {
		if _, err := d.label(e, seen.Owner); err != nil {
			return err
		}
		if err := unix.Unmount(path, unix.UMOUNT_NOFOLLOW); errors.Is(err, unix.EBUSY) {
			return &fault.Fault{
				Reason: fault.Busy, Doing: "unmount image at " + path, Err: err, Holders: slices.Concat(holders.Below(path), holders.Loops(path)),
				Hint: "end these processes, or leave the folder with them",
			}
		} else if err != nil && !errors.Is(err, unix.EINVAL) {
			return fmt.Errorf("unmount image at %s: %w", path, err)
		}
	}
	// Removing the mount point makes the kernel drop copies of the mount that
	// other namespaces got of it.
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove mount point: %w", err)
	}
	if err := d.unstick(seen.Owner); err != nil {
		return err
	}
	if e == nil {
		return nil
	}
	return d.released(ctx, e.Source, seen.Owner)
}

// labelled reports whether the label is that of this owner.
func (d Driver) labelled(text string, owner object.Owner) bool {
	l, err := object.ParseLabel(text)
	return err == nil && l.Controller == d.Controller && l.Owner == owner
}

// released waits a little for the device to be let go of. If somebody keeps it,
// that is their business: it clears itself when they are done.
func (d Driver) released(ctx context.Context, device string, owner object.Owner) error {
	for deadline := time.Now().Add(settling); time.Now().Before(deadline); {
		text, err := loop.Label(device)
		if err != nil {
			return err
		}
		if !d.labelled(text, owner) {
			return nil
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(5 * time.Millisecond):
		}
	}
	return nil
}
