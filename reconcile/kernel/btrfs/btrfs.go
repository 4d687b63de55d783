package btrfs

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"coppice.dev/reconcile/fault"
	"coppice.dev/reconcile/kernel/durable"
	"coppice.dev/reconcile/kernel/mounttable"
	"coppice.dev/reconcile/layout"
	"coppice.dev/reconcile/object"
)

// Driver drives object.Snapshot. The snapshot lies on its subvolume's file
// system, wherever that is; a link in the session's home, made first and removed
// last, leads there when nothing else remembers.
type Driver struct {
	Layout layout.Layout
	// Remove removes a tree that may hold subvolumes.
	Remove func(ctx context.Context, folder, name string) error
}

// Observe implements driver.Driver.
func (d Driver) Observe(_ context.Context, owner object.Owner, known []object.Object) ([]object.Observed, error) {
	path, err := os.Readlink(d.Layout.SnapshotLink(owner.Name))
	linked := err == nil
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if path = remembered(known); path == "" {
			return nil, nil
		}
	case err != nil:
		return nil, fmt.Errorf("look for snapshot: %w", err)
	}
	seen := object.Observed{
		ID:   object.ID{Owner: owner, Address: object.At(object.GroupDevice, "snapshot")},
		Kind: object.KindSnapshot, Name: path,
	}
	for _, o := range known {
		if spec, is := o.Spec.(object.Snapshot); is && spec.Path == path {
			seen.Spec, seen.Print = spec, object.PrintOf(spec)
			break
		}
	}
	folder, err := os.Open(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if !linked {
			return nil, nil
		}
		if err := reachable(path); err != nil {
			return nil, fmt.Errorf("look for snapshot %s: %w", path, err)
		}
		seen.Damage = "there is a link to it and no snapshot"
		return []object.Observed{seen}, nil
	case err != nil:
		return nil, fmt.Errorf("look at snapshot: %w", err)
	}
	defer folder.Close()
	if is, err := IsSubvolume(folder); err != nil {
		return nil, fmt.Errorf("look at snapshot %s: %w", path, err)
	} else if !is {
		return nil, fmt.Errorf("look at snapshot %s: it is no subvolume; is its file system mounted?", path)
	}
	return []object.Observed{seen}, nil
}

// remembered returns where the snapshot is that the home remembers or the
// manifest wants. The link need not have been on disk when the power went.
func remembered(known []object.Object) string {
	var path string
	for _, o := range known {
		if spec, is := o.Spec.(object.Snapshot); is {
			path = spec.Path // the home's comes last
		}
	}
	return path
}

// reachable makes sure that a snapshot that is not at the path is nowhere: the
// folders above it may have gone with the last snapshot, but what is left of
// them must be on btrfs, not where its file system was to be mounted.
func reachable(path string) error {
	for at := filepath.Dir(path); ; at = filepath.Dir(at) {
		folder, err := os.Open(at)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		is, err := onBtrfs(folder)
		folder.Close()
		if err == nil && !is {
			err = fmt.Errorf("%s is not on btrfs; is its file system mounted?", at)
		}
		return err
	}
}

// Create implements driver.Driver.
func (d Driver) Create(_ context.Context, o object.Object, _ []object.Object) error {
	spec := o.Spec.(object.Snapshot)
	subvolume, err := Open(spec.Subvolume)
	if err != nil {
		return err
	}
	defer subvolume.Close()
	// Before anything is left behind that only another look could clear away.
	if err := reachable(spec.Path); err != nil {
		return explain(spec, fmt.Errorf("%w: %w", unix.EXDEV, err))
	}
	if err := os.Symlink(spec.Path, spec.Link); err != nil {
		return fault.Disk("note where the snapshot is", err)
	}
	// The kernel puts the snapshot on disk by itself; what leads to it has to be
	// there before, together with the home that it is in.
	for _, names := range []string{d.Layout.Home(o.Owner.Name), d.Layout.Homes()} {
		if err := durable.Flush(names); err != nil {
			return fault.Disk("note where the snapshot is", err)
		}
	}
	// Only now: the link is what a folder is found by that a crash leaves empty.
	// It may hold set-uid programs of any age, and people get to a session's files by
	// its view.
	if err := os.MkdirAll(filepath.Dir(spec.Path), 0o700); err != nil {
		return fault.Disk("make the folder of snapshots", err)
	}
	folder, err := os.Open(filepath.Dir(spec.Path))
	if err != nil {
		return err
	}
	defer folder.Close()
	if err := create(folder, filepath.Base(spec.Path), subvolume); errors.Is(err, unix.EEXIST) {
		// Its name holds the session's UID: it is this session's, found again.
		found, openErr := Open(spec.Path)
		if openErr == nil {
			found.Close()
		}
		return openErr
	} else if err != nil {
		return explain(spec, err)
	}
	return nil
}

func explain(spec object.Snapshot, err error) error {
	f := &fault.Fault{Reason: fault.WrongFileSystem, Doing: fmt.Sprintf("snapshot %s as %s", spec.Subvolume, spec.Path), Err: err}
	switch {
	case errors.Is(err, unix.EXDEV), errors.Is(err, unix.ENOTTY), errors.Is(err, unix.EINVAL):
		f.Hint = "a snapshot must lie on its subvolume's file system; set snapshotDirectory to a folder there"
	case errors.Is(err, unix.ENOSPC), errors.Is(err, unix.EDQUOT):
		f.Reason, f.Hint = fault.NoSpace, "free some space on that file system: see btrfs filesystem usage"
	case errors.Is(err, unix.EROFS):
		f.Reason, f.Hint = fault.ReadOnly, "its file system is mounted read-only; mount it writable, or set snapshotDirectory to a folder of another mount of it"
	default:
		return fmt.Errorf("%s: %w", f.Doing, err)
	}
	return f
}

// Open opens a subvolume and makes sure that it is one.
func Open(path string) (*os.File, error) {
	doing := "open subvolume " + path
	folder, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, &fault.Fault{Reason: fault.SourceMissing, Doing: doing, Err: err, Hint: "make it with btrfs subvolume create, or change the path in the manifest"}
	}
	if err != nil {
		return nil, fault.Source(doing, err)
	}
	is, err := IsSubvolume(folder)
	if err == nil && is {
		return folder, nil
	}
	folder.Close()
	return nil, &fault.Fault{
		Reason: fault.WrongFileSystem, Doing: doing, Err: errors.Join(err, errors.New("it is no btrfs subvolume")),
		Hint: "make one with btrfs subvolume create, or use source directory",
	}
}

// Amend implements driver.Driver; nothing of a snapshot can be changed in place.
func (d Driver) Amend(context.Context, object.Object) error { return nil }

// Destroy implements driver.Driver. Subvolumes that were made inside the session
// go with it.
func (d Driver) Destroy(ctx context.Context, seen object.Observed) error {
	link := d.Layout.SnapshotLink(seen.Owner.Name)
	path, err := os.Readlink(link)
	if errors.Is(err, fs.ErrNotExist) {
		spec, known := seen.Spec.(object.Snapshot)
		if !known {
			return nil
		}
		path, err = spec.Path, nil
	}
	if err != nil {
		return fmt.Errorf("look for snapshot: %w", err)
	}
	if err := unmounted(path); err != nil {
		return err
	}
	if err := d.delete(ctx, path); err != nil {
		return fmt.Errorf("delete snapshot %s: %w", path, err)
	}
	if err := removeFolder(filepath.Dir(path)); err != nil {
		return err
	}
	// The file system that the link is on may have its removal on disk long before
	// btrfs commits the deletion: after a power cut the snapshot would be back, and
	// nothing would lead to it.
	if err := commit(path); err != nil {
		return fault.Disk("delete snapshot "+path, err)
	}
	if err := os.Remove(link); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("forget snapshot: %w", err)
	}
	return nil
}

// commit has btrfs write what was changed to disk (BTRFS_IOC_SYNC, by syncfs(2)).
// It does not wait until the space of what was deleted is free.
func commit(path string) error {
	for at := filepath.Dir(path); ; at = filepath.Dir(at) {
		folder, err := os.Open(at)
		if errors.Is(err, fs.ErrNotExist) {
			continue // it went with the last snapshot
		}
		if err != nil {
			return err
		}
		defer folder.Close()
		if is, err := onBtrfs(folder); err != nil || !is {
			return err // it is mounted no more
		}
		return unix.Syncfs(int(folder.Fd()))
	}
}

// removeFolder removes the folder of snapshots if this was the last of them and
// the folder is not the user's own.
func removeFolder(path string) error {
	if filepath.Base(path) != layout.SnapshotFolder {
		return nil
	}
	err := os.Remove(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, unix.ENOTEMPTY) {
		return fmt.Errorf("remove the folder of snapshots: %w", err)
	}
	return nil
}

// unmounted refuses a snapshot that something is mounted in: the kernel would
// detach it without a word.
func unmounted(path string) error {
	table, err := mounttable.Host()
	if err != nil {
		return err
	}
	if below := mounttable.Below(table, path); len(below) > 0 {
		return &fault.Fault{
			Reason: fault.Busy, Doing: "delete snapshot " + path,
			Err:  fmt.Errorf("%s is mounted in it", below[0].Mountpoint),
			Hint: "unmount it: umount " + below[0].Mountpoint,
		}
	}
	return nil
}

// delete deletes the snapshot at once if it holds no other subvolume; else its
// contents have to be looked through for them.
func (d Driver) delete(ctx context.Context, path string) error {
	folder, err := os.Open(filepath.Dir(path))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer folder.Close()
	err = Delete(folder, filepath.Base(path))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if errors.Is(err, unix.ENOTEMPTY) {
		return d.Remove(ctx, filepath.Dir(path), filepath.Base(path))
	}
	return err
}
