// Package store drives what sessions' own layers lie in when they are limited: an
// image of a file system in the session's home, as large as the layer may become, and
// a loop device and a mount to use it by. The image is sparse: it takes of the disk
// what was written in it.
//
// The image is made under another name and renamed when it is whole, so that it is
// there or is not. It outlives a reboot; its mount does not, and to mount it again is
// to amend it, so that nothing of what was written is lost. The device is bound with
// its label in one call and clears itself when nothing holds it any more. A note beside
// the image says what it was made with, and in which boot.
//
// It never looks at what is written there.
package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"time"

	"golang.org/x/sys/unix"
	"k8s.io/apimachinery/pkg/util/validation"

	"coppice.dev/reconcile/fault"
	"coppice.dev/reconcile/kernel/filling"
	"coppice.dev/reconcile/kernel/holders"
	"coppice.dev/reconcile/kernel/home"
	"coppice.dev/reconcile/kernel/loop"
	"coppice.dev/reconcile/layout"
	"coppice.dev/reconcile/object"
)

// Driver drives object.Store.
type Driver struct {
	layout     layout.Layout
	controller string
	// trashed is told when something was put into the trash. It must not block.
	trashed func()
	// mounted are the stores that were seen mounted, for the watch.
	mounted *filling.Layers
}

// New returns a driver. It tells trashed when it put something into the trash, which
// must not block.
func New(l layout.Layout, controller string, trashed func()) *Driver {
	return &Driver{layout: l, controller: controller, trashed: trashed, mounted: filling.NewLayers()}
}

// settling is how long the kernel is given to let go of a device whose last mount
// went: it does so in its own time.
const settling = 250 * time.Millisecond

var address = object.At(object.GroupLayer, "store")

// Owners implements driver.Finder: an image is found by the home that it lies in.
func (d *Driver) Owners(context.Context) ([]object.Owner, error) {
	entries, err := os.ReadDir(d.layout.Stores())
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("look for mounted stores: %w", err)
	}
	var owners []object.Owner
	for _, e := range entries {
		if e.IsDir() && len(validation.IsDNS1123Label(e.Name())) == 0 {
			owners = append(owners, object.SessionOwner(e.Name()))
		}
	}
	return owners, nil
}

// Observe implements driver.Driver.
func (d *Driver) Observe(_ context.Context, owner object.Owner, known []object.Object) ([]object.Observed, error) {
	image, err := exists(d.layout.StoreImage(owner.Name))
	if err != nil {
		return nil, fmt.Errorf("look at the image of the upper layer: %w", err)
	}
	point, err := exists(d.layout.Store(owner.Name))
	if err != nil {
		return nil, fmt.Errorf("look at the store's mount point: %w", err)
	}
	if !image && !point { // most sessions have none
		d.mounted.Track(owner, false)
		return nil, nil
	}
	seen := object.Observed{ID: object.ID{Owner: owner, Address: address}, Kind: object.KindStore, Name: d.layout.StoreImage(owner.Name)}
	m, err := d.mount(owner.Name)
	if err != nil {
		return nil, err
	}
	d.mounted.Track(owner, m != nil)
	made, err := d.made(owner.Name)
	if err != nil {
		return nil, err
	}
	if made.Spec != nil {
		seen.Spec = *made.Spec
	} else if len(known) > 0 {
		seen.Spec = known[0].Spec // the note was lost, as in a power cut
	}
	if seen.Spec != nil {
		seen.Print = object.PrintOf(seen.Spec)
	}
	switch spec, _ := seen.Spec.(object.Store); {
	case m != nil:
		seen.Name = m.Source
		judge(&seen, m.Mountpoint, image)
	case !image:
		seen.Damage = "its image is gone"
	case spec.Volatile && made.Boot != "" && made.Boot != bootID():
		seen.Damage = "it was written without syncs before the machine went down"
	default:
		seen.Print.Whole, seen.Note = "", "it is not mounted" // Amend mounts it
	}
	return []object.Observed{seen}, nil
}

func exists(path string) (bool, error) {
	_, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

// Create implements driver.Driver.
func (d *Driver) Create(ctx context.Context, o object.Object, _ []object.Object) error {
	spec := o.Spec.(object.Store)
	if there, err := exists(spec.File); err != nil || there {
		if there {
			err = fs.ErrExist // it holds what somebody wrote
		}
		return fmt.Errorf("make the image %s: %w", spec.File, err)
	}
	if err := makeImage(ctx, spec); err != nil {
		return err
	}
	if err := d.note(o.Owner.Name, spec); err != nil {
		return err
	}
	if err := publish(spec); err != nil {
		return err
	}
	return d.attach(o.Owner.Name, spec)
}

// Amend implements driver.Driver: it mounts what is not mounted, and makes larger what
// is to be larger.
func (d *Driver) Amend(_ context.Context, o object.Object) error {
	spec := o.Spec.(object.Store)
	m, err := d.mount(o.Owner.Name)
	if err != nil {
		return err
	}
	if m == nil {
		if err := d.attach(o.Owner.Name, spec); err != nil {
			return err
		}
	}
	made, err := d.made(o.Owner.Name)
	if err != nil {
		return err
	}
	if made.Spec != nil && *made.Spec == spec {
		return nil
	}
	if err := d.grow(o.Owner.Name, spec); err != nil {
		return err
	}
	return d.note(o.Owner.Name, spec)
}

// Destroy implements driver.Driver.
func (d *Driver) Destroy(ctx context.Context, seen object.Observed) error {
	session := seen.Owner.Name
	path := d.layout.Store(session)
	m, err := d.mount(session)
	if err != nil {
		return err
	}
	if m != nil {
		if err := unix.Unmount(path, unix.UMOUNT_NOFOLLOW); errors.Is(err, unix.EBUSY) {
			return &fault.Fault{
				Reason: fault.Busy, Doing: "unmount the store at " + path, Err: err, Holders: slices.Concat(holders.Below(path), holders.Loops(path)),
				Hint: "end these processes, or leave the folder with them",
			}
		} else if err != nil && !errors.Is(err, unix.EINVAL) {
			return fmt.Errorf("unmount the store at %s: %w", path, err)
		}
	}
	// Removing the mount point makes the kernel drop copies of the mount that
	// other namespaces got of it.
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove mount point: %w", err)
	}
	d.mounted.Track(seen.Owner, false)
	if m != nil {
		if err := d.released(ctx, m.Source, session); err != nil {
			return err
		}
	}
	for _, file := range []string{d.layout.StoreImage(session), d.layout.StoreImage(session) + unfinished} {
		if err := home.ToTrash(d.layout, file, d.trashed); err != nil {
			return err
		}
	}
	if err := os.Remove(d.layout.StoreNote(session)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove the store's note: %w", err)
	}
	return nil
}

// released waits a little for the device to be let go of. If somebody keeps it, that
// is their business: it clears itself when they are done.
func (d *Driver) released(ctx context.Context, device, session string) error {
	for deadline := time.Now().Add(settling); time.Now().Before(deadline); {
		label, err := loop.Label(device)
		if err != nil || label != d.label(session) {
			return err
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(5 * time.Millisecond):
		}
	}
	return nil
}
