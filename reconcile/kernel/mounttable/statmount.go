package mounttable

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Unsupported reports whether an error of Attributes, Point, HostBelow or their like
// says that the kernel cannot be asked for a single mount, but only for its whole
// table: it is older than 6.8, or a seccomp filter is in the way.
func Unsupported(err error) bool {
	return errors.Is(err, unix.ENOSYS) || errors.Is(err, unix.EINVAL) || errors.Is(err, unix.EPERM)
}

// What statmount(2) can be asked for, and where it puts its answers: struct statmount
// of linux/mount.h.
const (
	askFileSystem = 0x1   // STATMOUNT_SB_BASIC
	askMount      = 0x2   // STATMOUNT_MNT_BASIC
	askRoot       = 0x8   // STATMOUNT_MNT_ROOT
	askPoint      = 0x10  // STATMOUNT_MNT_POINT
	askType       = 0x20  // STATMOUNT_FS_TYPE
	askSource     = 0x200 // STATMOUNT_SB_SOURCE, Linux 6.13

	atMask       = 8
	atMajor      = 16
	atMinor      = 20
	atType       = 36
	atParent     = 48
	atOldID      = 56
	atOldParent  = 60
	atAttributes = 64
	atRoot       = 104
	atPoint      = 108
	atSource     = 124
	atStrings    = 512
)

// answer is what statmount(2) wrote.
type answer []byte

func (a answer) number(at int) uint64 { return binary.NativeEndian.Uint64(a[at:]) }
func (a answer) short(at int) uint32  { return binary.NativeEndian.Uint32(a[at:]) }
func (a answer) has(what uint64) bool { return a.number(atMask)&what == what }

// text returns the string whose offset stands there.
func (a answer) text(at int) string {
	from := atStrings + int(a.short(at))
	if from >= len(a) {
		return ""
	}
	text, _, _ := bytes.Cut(a[from:], []byte{0})
	return string(text)
}

// request is struct mnt_id_req. The first version ends before the namespace, which is
// the caller's then; the size says which it is.
type request struct {
	size, spare uint32
	mount       uint64
	param       uint64
	space       uint64
}

// allMounts is asked for instead of those below one mount (LSMT_ROOT).
const allMounts = ^uint64(0)

// ask asks for what is known of one mount of the caller's namespace, by its unique
// number. The error is unix.ENOENT if there is none.
func ask(mount, what uint64) (answer, error) {
	req := request{size: unix.MNT_ID_REQ_SIZE_VER0, mount: mount, param: what}
	for size := 1 << 10; ; size *= 4 {
		reply := make(answer, size)
		switch err := req.stat(reply); {
		case errors.Is(err, unix.EOVERFLOW) && size < 1<<20:
			continue
		case err != nil:
			return nil, err
		}
		return reply, nil
	}
}

// stat asks for what is known of one mount (statmount(2)).
func (r request) stat(reply answer) error {
	if _, _, errno := unix.Syscall6(unix.SYS_STATMOUNT, uintptr(unsafe.Pointer(&r)), uintptr(unsafe.Pointer(&reply[0])), uintptr(len(reply)), 0, 0, 0); errno != 0 {
		return errno
	}
	return nil
}

// list returns the unique numbers of all mounts of the caller's namespace, in the
// order of mounting (listmount(2)).
func list() ([]uint64, error) {
	found, err := request{size: unix.MNT_ID_REQ_SIZE_VER0, mount: allMounts}.list(make([]uint64, 2048))
	if err != nil {
		return nil, fmt.Errorf("list mounts: %w", err)
	}
	return found, nil
}

// list asks for the mounts that are on one, or on one of those, as many at a time as the
// buffer takes (listmount(2)).
func (r request) list(buffer []uint64) (found []uint64, err error) {
	for {
		n, _, errno := unix.Syscall6(unix.SYS_LISTMOUNT, uintptr(unsafe.Pointer(&r)), uintptr(unsafe.Pointer(&buffer[0])), uintptr(len(buffer)), 0, 0, 0)
		if errno != 0 {
			return nil, errno
		}
		found = append(found, buffer[:n]...)
		if int(n) < len(buffer) {
			return found, nil
		}
		r.param = buffer[n-1]
	}
}

// Count returns how many mounts the caller's namespace has.
func Count() (int, error) {
	all, err := list()
	return len(all), err
}

// Unique returns the unique number of the mount that an open file is on.
func Unique(fd int) (uint64, error) {
	var st unix.Statx_t
	if err := unix.Statx(fd, "", unix.AT_EMPTY_PATH|unix.AT_STATX_DONT_SYNC, unix.STATX_MNT_ID_UNIQUE, &st); err != nil {
		return 0, err
	}
	if st.Mask&unix.STATX_MNT_ID_UNIQUE == 0 {
		return 0, unix.ENOSYS
	}
	return st.Mnt_id, nil
}

// Attributes returns the MOUNT_ATTR flags of a mount, by its unique number.
func Attributes(mount uint64) (uint64, error) {
	a, err := ask(mount, askMount)
	if err != nil {
		return 0, err
	}
	return a.number(atAttributes), nil
}

// Point returns where a mount of the host is mounted, by its unique number. The error
// is unix.ENOENT if the host has no such mount, or has it no more.
func Point(mount uint64) (string, error) {
	a, err := ask(mount, askPoint)
	if err != nil {
		return "", err
	}
	if !a.has(askPoint) {
		return "", unix.ENOENT // it cannot be reached
	}
	return a.text(atPoint), nil
}

// entry returns a mount as the table has it, without its options.
func entry(mount uint64) (*Entry, error) {
	const wanted = askFileSystem | askMount | askRoot | askPoint | askType | askSource
	a, err := ask(mount, wanted)
	if err != nil {
		return nil, err
	}
	if !a.has(askPoint) {
		return nil, unix.ENOENT
	}
	if !a.has(wanted) {
		return nil, unix.ENOSYS
	}
	return &Entry{
		ID: int(a.short(atOldID)), Parent: int(a.short(atOldParent)),
		Major: int(a.short(atMajor)), Minor: int(a.short(atMinor)),
		Root: a.text(atRoot), Mountpoint: a.text(atPoint), FSType: a.text(atType), Source: a.text(atSource),
	}, nil
}
