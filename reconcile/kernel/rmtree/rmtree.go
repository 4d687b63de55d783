// Package rmtree removes trees that may hold anything.
//
//  1. It goes by descriptors of folders, never by a path twice: whatever is
//     swapped under it meanwhile, it removes only what lies below the folder it
//     was given.
//  2. It never follows a link.
//  3. It never crosses a mount: what is mounted in a tree belongs to somebody
//     else. It stops there with an error and leaves the mount, and the folders
//     above it, as they are.
package rmtree

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"coppice.dev/reconcile/fault"
	"coppice.dev/reconcile/kernel/btrfs"
)

// Empty removes everything in a folder. It goes on past what it cannot remove,
// and returns the errors of all of it.
func Empty(ctx context.Context, folder string) error {
	parent, err := os.Open(folder)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("empty %s: %w", folder, err)
	}
	defer parent.Close()
	names, err := parent.Readdirnames(-1)
	if err != nil {
		return fmt.Errorf("empty %s: %w", folder, err)
	}
	var all error
	for _, name := range names {
		if err := context.Cause(ctx); err != nil {
			return errors.Join(all, err)
		}
		if err := remove(ctx, parent, name, filepath.Join(folder, name)); err != nil {
			all = errors.Join(all, fmt.Errorf("remove %s: %w", filepath.Join(folder, name), err))
		}
	}
	return all
}

// Remove removes the named tree below the folder. Of the absent: no error.
func Remove(ctx context.Context, folder, name string) error {
	parent, err := os.Open(folder)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer parent.Close()
	if err := remove(ctx, parent, name, filepath.Join(folder, name)); err != nil {
		return fmt.Errorf("remove %s: %w", filepath.Join(folder, name), err)
	}
	return nil
}

// deepest is how many levels are gone down before a folder is brought up again:
// each holds a descriptor open.
const deepest = 64

// remover removes one entry of a folder.
type remover struct {
	ctx context.Context
	top *os.File // where what lies too deep is brought up to
}

func remove(ctx context.Context, parent *os.File, name, path string) error {
	return remover{ctx: ctx}.entry(parent, name, path, 0)
}

// entry removes an entry at that depth. path is for words only.
func (r remover) entry(parent *os.File, name, path string, depth int) error {
	err := unlink(parent, name, 0)
	if err == nil || errors.Is(err, unix.ENOENT) {
		return nil
	}
	if !errors.Is(err, unix.EISDIR) {
		return err
	}
	folder, err := openFolder(parent, name)
	if errors.Is(err, unix.EXDEV) {
		return &fault.Fault{
			Reason: fault.Busy, Doing: "remove " + path, Err: errors.New("something is mounted there"),
			Hint: "unmount it: umount " + path,
		}
	}
	if errors.Is(err, unix.ENOENT) {
		return nil
	}
	if err != nil {
		return err
	}
	defer folder.Close()
	if r.top == nil {
		r.top = folder
	}
	subvolume, err := btrfs.IsSubvolume(folder)
	if err == nil && subvolume {
		err = btrfs.MakeWritable(folder)
	}
	if err != nil {
		return err
	}
	if err := r.clear(folder, path, depth+1); err != nil {
		return err
	}
	err = unlink(parent, name, unix.AT_REMOVEDIR)
	if subvolume && (errors.Is(err, unix.EPERM) || errors.Is(err, unix.ENOTEMPTY)) {
		return btrfs.Delete(parent, name)
	}
	if errors.Is(err, unix.ENOENT) {
		return nil
	}
	return err
}

// clear removes what is in a folder.
func (r remover) clear(folder *os.File, path string, depth int) error {
	for {
		names, err := folder.Readdirnames(256)
		if len(names) == 0 {
			if errors.Is(err, io.EOF) {
				return nil
			}
			return err
		}
		for _, name := range names {
			if err := context.Cause(r.ctx); err != nil {
				return err
			}
			if depth >= deepest && r.bringUp(folder, name) {
				continue
			}
			if err := r.entry(folder, name, path+"/"+name, depth); err != nil {
				return err
			}
		}
		// What was removed shifts what was not read yet.
		if _, err := folder.Seek(0, io.SeekStart); err != nil {
			return err
		}
	}
}

// bringUp renames an entry that lies deep into the topmost folder, which is read
// again until it is empty. A mount point cannot be renamed.
func (r remover) bringUp(folder *os.File, name string) bool {
	var unique [8]byte
	rand.Read(unique[:]) // never fails
	return unix.Renameat(int(folder.Fd()), name, int(r.top.Fd()), "deep-"+hex.EncodeToString(unique[:])) == nil
}

// openFolder opens a folder below another, on the same mount.
func openFolder(parent *os.File, name string) (*os.File, error) {
	fd, err := unix.Openat2(int(parent.Fd()), name, &unix.OpenHow{
		Flags:   unix.O_RDONLY | unix.O_DIRECTORY | unix.O_NOFOLLOW | unix.O_CLOEXEC,
		Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_XDEV | unix.RESOLVE_NO_SYMLINKS,
	})
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), name), nil
}

// unlink removes a name. What is marked immutable or append-only (chattr(1)) is
// freed of that first: root made it so inside a session, and the session is over.
func unlink(parent *os.File, name string, flags int) error {
	err := unix.Unlinkat(int(parent.Fd()), name, flags)
	if !errors.Is(err, unix.EPERM) {
		return err
	}
	if release(parent, name) != nil {
		return err
	}
	return unix.Unlinkat(int(parent.Fd()), name, flags)
}

// release takes the marks off an entry and the folder it is in
// (FS_IOC_SETFLAGS, ioctl_iflags(2)).
func release(parent *os.File, name string) error {
	if err := clearFlags(int(parent.Fd())); err != nil {
		return err
	}
	fd, err := unix.Openat(int(parent.Fd()), name, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err == nil {
		defer unix.Close(fd)
		err = clearFlags(fd)
	} else {
		err = nil // a link or a device: it cannot be marked
	}
	return err
}

const marks = unix.STATX_ATTR_IMMUTABLE | unix.STATX_ATTR_APPEND // the bits of FS_IMMUTABLE_FL and FS_APPEND_FL

func clearFlags(fd int) error {
	flags, err := unix.IoctlGetUint32(fd, unix.FS_IOC_GETFLAGS)
	if err != nil {
		flags = 0 // a file system without them
	}
	if flags&marks == 0 {
		return nil
	}
	return unix.IoctlSetPointerInt(fd, unix.FS_IOC_SETFLAGS, int(flags&^marks))
}
