// Package inspect looks at a chroot's source before a session is admitted: is it
// there, is it what the manifest says, which state of it is it. It changes
// nothing.
package inspect

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"coppice.dev/reconcile/compile"
	"coppice.dev/reconcile/fault"
	"coppice.dev/reconcile/kernel/btrfs"
	"coppice.dev/reconcile/kernel/diskimage"
	"coppice.dev/reconcile/kernel/lvm"
	"coppice.dev/reconcile/object"
	"coppice.dev/spec"
)

// Source returns the facts of a source that a session can be grown from.
func Source(ctx context.Context, s spec.Source, volumes *lvm.Reports) (compile.Facts, error) {
	facts, err := look(ctx, s, volumes)
	if places := compile.PlacesOf(spec.ChrootSpec{Source: s}); err == nil && len(places) == 1 {
		facts.Places = []compile.Place{place(places[0].Path)}
	}
	return facts, err
}

// place says where a path leads to. Of what goes while it is looked at, only the
// path is known.
func place(path string) compile.Place {
	p := compile.Place{Path: path}
	if resolved, err := filepath.EvalSymlinks(path); err == nil {
		p.Path = resolved
	}
	var st unix.Stat_t
	if err := unix.Stat(p.Path, &st); err == nil {
		p.Device, p.Inode = st.Dev, st.Ino
	}
	return p
}

func look(ctx context.Context, s spec.Source, volumes *lvm.Reports) (compile.Facts, error) {
	switch {
	case s.Directory != nil:
		return compile.Facts{}, directory(s.Directory.Path)
	case s.Plain != nil:
		return compile.Facts{}, directory(s.Plain.Path)
	case s.File != nil:
		file, facts, err := regular(s.File.Path)
		if err == nil {
			file.Close()
		}
		return facts, err
	case s.Loopback != nil:
		return image(*s.Loopback)
	case s.BlockDevice != nil:
		return device(s.BlockDevice.Path, s.BlockDevice.FSType)
	case s.LVMSnapshot != nil:
		return volume(ctx, *s.LVMSnapshot, volumes)
	case s.BtrfsSnapshot != nil:
		folder, err := btrfs.Open(s.BtrfsSnapshot.Subvolume)
		if err == nil {
			folder.Close()
		}
		return compile.Facts{}, err
	default: // the home of a newer version remembers it
		return compile.Facts{}, &fault.Fault{
			Reason: fault.SourceUnusable, Doing: "look at the chroot's source",
			Err: errors.New("this kind is not supported by this version"), Hint: "use a newer one",
		}
	}
}

func directory(path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return missing(path, err, "make the folder, or change the path in the manifest")
	}
	if !info.IsDir() {
		return &fault.Fault{
			Reason: fault.SourceUnusable, Doing: "look at " + path, Err: errors.New("it is no folder"),
			Hint: "use source file for an archive, loopback for an image",
		}
	}
	return nil
}

// regular opens a regular file and tells which it is.
func regular(path string) (*os.File, compile.Facts, error) {
	file, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, compile.Facts{}, missing(path, err, "put the file there, or change the path in the manifest")
	}
	var st unix.Stat_t
	err = unix.Fstat(int(file.Fd()), &st)
	if err == nil && st.Mode&unix.S_IFMT != unix.S_IFREG {
		err = &fault.Fault{
			Reason: fault.SourceUnusable, Doing: "look at " + path, Err: errors.New("it is no regular file"),
			Hint: "use source directory for a folder",
		}
	}
	if err != nil {
		file.Close()
		return nil, compile.Facts{}, err
	}
	return file, compile.Facts{Contents: object.FileIdentity{
		Device: st.Dev, Inode: st.Ino, Size: st.Size, ModTime: st.Mtim.Nano(),
	}}, nil
}

// image finds the file system in an image.
func image(s spec.LoopbackSource) (compile.Facts, error) {
	file, facts, err := regular(s.Path)
	if err != nil {
		return facts, err
	}
	defer file.Close()
	wrong := func(err error, hint string) (compile.Facts, error) {
		return facts, &fault.Fault{Reason: fault.WrongFileSystem, Doing: "look at image " + s.Path, Err: err, Hint: hint}
	}
	facts.Offset = s.Offset
	if s.Partition > 0 {
		p, err := diskimage.Find(file, facts.Contents.Size, s.Partition)
		if err != nil {
			return wrong(err, "change partition in the manifest, or leave it out for an image of one file system")
		}
		facts.Offset, facts.SizeLimit = p.Offset, p.Size
	}
	found := diskimage.FileSystem(file, facts.Offset)
	switch {
	case found == "" && s.Partition == 0 && s.Offset == 0 && partitioned(file, facts.Contents.Size):
		return wrong(errors.New("it is an image of a disk with partitions"), "say which one: partition: 1")
	case found == "":
		return wrong(fmt.Errorf("there is no file system at byte %d", facts.Offset), "use ext4, xfs, btrfs, squashfs or erofs; check offset and partition")
	case s.FSType != "" && s.FSType != found:
		return wrong(fmt.Errorf("it holds %s, not %s", found, s.FSType), "change fsType, or leave it out")
	}
	facts.FSType, facts.ReadOnly = found, diskimage.ReadOnly(found)
	return facts, nil
}

func partitioned(file *os.File, size int64) bool {
	list, err := diskimage.Partitions(file, size)
	return err == nil && len(list) > 0
}

func missing(path string, err error, hint string) error {
	if errors.Is(err, fs.ErrNotExist) {
		return &fault.Fault{Reason: fault.SourceMissing, Doing: "look at " + path, Err: err, Hint: hint}
	}
	return fault.Source("look at "+path, err)
}
