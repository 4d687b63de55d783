// Package btrfs drives snapshots of btrfs subvolumes, by ioctls alone
// (linux/btrfs.h, btrfs-ioctl(2)): no program of btrfs-progs is needed.
package btrfs

import (
	"fmt"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Numbers of <linux/btrfs.h> that x/sys does not have.
const (
	ioctlSnapCreateV2   = 0x50009417
	ioctlSnapDestroy    = 0x5000940f
	ioctlSubvolSetflags = 0x4008941a

	// rootInode is the inode number of every subvolume's root folder.
	rootInode = 256
	// maxName is the most bytes of a subvolume's name (BTRFS_SUBVOL_NAME_MAX).
	maxName = 4039
	maxPath = 4087
)

// volArgsV2 is struct btrfs_ioctl_vol_args_v2.
type volArgsV2 struct {
	fd      int64
	transid uint64
	flags   uint64
	unused  [4]uint64
	name    [maxName + 1]byte
}

// volArgs is struct btrfs_ioctl_vol_args.
type volArgs struct {
	fd   int64
	name [maxPath + 1]byte
}

// IsSubvolume reports whether the open folder is the root of a subvolume.
func IsSubvolume(folder *os.File) (bool, error) {
	var st unix.Stat_t
	if err := unix.Fstat(int(folder.Fd()), &st); err != nil || st.Ino != rootInode {
		return false, err
	}
	return onBtrfs(folder)
}

func onBtrfs(folder *os.File) (bool, error) {
	var fs unix.Statfs_t
	err := unix.Fstatfs(int(folder.Fd()), &fs)
	return fs.Type == unix.BTRFS_SUPER_MAGIC, err
}

// MakeWritable takes the read-only flag off a subvolume: nothing can be removed
// from one that has it, neither a file nor a subvolume.
func MakeWritable(subvolume *os.File) error {
	var flags uint64
	return ioctl(subvolume, ioctlSubvolSetflags, unsafe.Pointer(&flags))
}

// create makes a writable snapshot of a subvolume, named below the folder.
func create(folder *os.File, name string, subvolume *os.File) error {
	args := volArgsV2{fd: int64(subvolume.Fd())}
	if len(name) > maxName {
		return unix.ENAMETOOLONG
	}
	copy(args.name[:], name)
	return ioctl(folder, ioctlSnapCreateV2, unsafe.Pointer(&args))
}

// Delete removes the named subvolume below the folder, which must hold no other.
// The kernel frees its space later, in its own time.
func Delete(folder *os.File, name string) error {
	subvolume, err := unix.Openat(int(folder.Fd()), name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("open subvolume %s: %w", name, err)
	}
	file := os.NewFile(uintptr(subvolume), name)
	if err := MakeWritable(file); err != nil {
		file.Close()
		return fmt.Errorf("make subvolume %s writable: %w", name, err)
	}
	file.Close()
	var args volArgs
	if len(name) > maxPath {
		return unix.ENAMETOOLONG
	}
	copy(args.name[:], name)
	if err := ioctl(folder, ioctlSnapDestroy, unsafe.Pointer(&args)); err != nil {
		return fmt.Errorf("delete subvolume %s: %w", name, err)
	}
	return nil
}

func ioctl(file *os.File, request uintptr, arg unsafe.Pointer) error {
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, file.Fd(), request, uintptr(arg)); errno != 0 {
		return errno
	}
	return nil
}
