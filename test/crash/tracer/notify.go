package tracer

import (
	"errors"
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"
)

// notification is struct seccomp_notif, answer struct seccomp_notif_resp
// (seccomp_unotify(2)).
type notification struct {
	id           uint64
	tid, flags   uint32
	number       int32
	architecture uint32
	_            uint64 // instruction pointer
	args         [6]uint64
}

type answer struct {
	id    uint64
	_     int64
	_     int32
	flags uint32
}

// listener is where calls wait to be answered.
type listener struct{ fd int }

// next returns the next call that waits, false when nobody is left who could
// make one.
func (l listener) next() (notification, bool, error) {
	for {
		waiting := []unix.PollFd{{Fd: int32(l.fd), Events: unix.POLLIN}}
		if _, err := unix.Poll(waiting, -1); errors.Is(err, unix.EINTR) {
			continue
		} else if err != nil {
			return notification{}, false, fmt.Errorf("wait for a system call: %w", err)
		}
		if waiting[0].Revents&unix.POLLIN == 0 {
			return notification{}, false, nil // POLLHUP: the last of them has ended
		}
		var n notification
		_, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(l.fd), unix.SECCOMP_IOCTL_NOTIF_RECV, uintptr(unsafe.Pointer(&n)))
		switch errno {
		case 0:
			return n, true, nil
		case unix.ENOENT, unix.EINTR: // the caller was killed meanwhile
		default:
			return n, false, fmt.Errorf("receive a system call: %w", errno)
		}
	}
}

// let has the call be made. A caller that is gone needs no answer.
func (l listener) let(n notification) error {
	a := answer{id: n.id, flags: unix.SECCOMP_USER_NOTIF_FLAG_CONTINUE}
	_, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(l.fd), unix.SECCOMP_IOCTL_NOTIF_SEND, uintptr(unsafe.Pointer(&a)))
	if errno != 0 && errno != unix.ENOENT {
		return fmt.Errorf("let a system call go: %w", errno)
	}
	return nil
}
