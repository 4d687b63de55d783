package mounttable

import (
	"errors"
	"fmt"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Space is another mount namespace than the caller's. It is asked about without being
// entered, and is not kept by that.
type Space struct {
	// id is the number that the kernel gives to no other one (NS_GET_MNTNS_ID, Linux
	// 6.11), and root that of the mount that all others are on; 0 if it is not known.
	id, root uint64
}

// The calls that ask about another namespace: NS_GET_MNTNS_ID of linux/nsfs.h, and the
// length of the second version of struct mnt_id_req.
const (
	getSpace  = 0x8008b705
	spaceSize = 32
)

// SpaceOf returns the namespace that an open file is of (namespaces(7)).
func SpaceOf(file *os.File) (*Space, error) {
	conn, err := file.SyscallConn()
	if err != nil {
		return nil, err
	}
	s := &Space{}
	var errno unix.Errno
	err = conn.Control(func(fd uintptr) {
		_, _, errno = unix.Syscall(unix.SYS_IOCTL, fd, getSpace, uintptr(unsafe.Pointer(&s.id)))
	})
	switch {
	case err != nil:
		return nil, err
	case errno == unix.ENOTTY:
		return nil, unix.ENOSYS
	case errno != 0:
		return nil, errno
	}
	return s, nil
}

// Younger reports whether the kernel takes it for a namespace that was made after the
// other: such a one may be bound below the other's mounts.
func (s *Space) Younger(than *Space) bool { return s.id > than.id }

// Numbers returns the unique numbers of its mounts. The error is unix.ENOENT if it is
// gone, or if the kernel cannot tell since there is nothing but its root.
func (s *Space) Numbers() ([]uint64, error) {
	if s.root != 0 {
		if found, err := s.below(s.root); err == nil {
			return append(found, s.root), nil
		}
	}
	// If all are asked for, Linux 6.18 leaves out what is not below the first mount that
	// is on the root.
	some, err := s.below(allMounts)
	if err != nil {
		return nil, err
	}
	if s.root, err = s.top(some); err != nil {
		return nil, err
	}
	found, err := s.below(s.root)
	return append(found, s.root), err
}

// top returns the mount that one of the others is on, in the end.
func (s *Space) top(some []uint64) (uint64, error) {
	if len(some) == 0 {
		return 0, unix.ENOENT
	}
	for at := some[0]; ; {
		var reply [atStrings]byte
		if err := s.ask(at, askMount, reply[:]); err != nil {
			return 0, err
		}
		parent := answer(reply[:]).number(atParent)
		if parent == at || parent == 0 {
			return at, nil
		}
		at = parent
	}
}

// below returns the numbers of the mounts that are on a mount, or on one of those.
func (s *Space) below(mount uint64) ([]uint64, error) {
	var buffer [256]uint64
	found, err := request{size: spaceSize, mount: mount, space: s.id}.list(buffer[:])
	if err != nil {
		return nil, fmt.Errorf("list the mounts of namespace %d: %w", s.id, err)
	}
	return found, nil
}

// Has reports whether a mount is in it, by its unique number. Of one that is gone
// nothing is.
func (s *Space) Has(mount uint64) (bool, error) {
	var reply [atStrings]byte
	err := s.ask(mount, askMount, reply[:])
	if errors.Is(err, unix.ENOENT) {
		return false, nil
	}
	return err == nil, err
}

// ask is the function of that name for a mount in the namespace.
func (s *Space) ask(mount, what uint64, reply []byte) error {
	return request{size: spaceSize, mount: mount, space: s.id, param: what}.stat(reply)
}
