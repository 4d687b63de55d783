package socket

import (
	"context"
	"errors"
	"net"
	"unsafe"

	"golang.org/x/sys/unix"
)

// peer is who is at the other end of a connection, as the kernel says.
type peer struct {
	pid    int // 0 if it is in a pid namespace that this process cannot see
	uid    int
	gid    int
	groups []int // supplementary
}

type peerKey struct{}

// withPeer keeps a connection's peer in the context of its requests.
func withPeer(ctx context.Context, c net.Conn) context.Context {
	if g, is := c.(*guest); is {
		return context.WithValue(ctx, peerKey{}, g.peer)
	}
	return ctx
}

// peerOf returns who asks.
func peerOf(ctx context.Context) (peer, bool) {
	p, is := ctx.Value(peerKey{}).(peer)
	return p, is
}

// lookAt asks the kernel who connected, as they were when they did.
func lookAt(conn *net.UnixConn) (peer, error) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return peer{}, err
	}
	var p peer
	var failed error
	err = raw.Control(func(fd uintptr) {
		cred, err := unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
		if err != nil {
			failed = err
			return
		}
		p.pid, p.uid, p.gid = int(cred.Pid), int(cred.Uid), int(cred.Gid)
		p.groups, failed = groupsOf(int(fd))
	})
	return p, errors.Join(err, failed)
}

// groupsOf returns the peer's supplementary groups (SO_PEERGROUPS, Linux 4.13).
func groupsOf(fd int) ([]int, error) {
	room := make([]uint32, 64)
	for {
		size := uint32(len(room) * 4)
		_, _, errno := unix.Syscall6(unix.SYS_GETSOCKOPT, uintptr(fd), unix.SOL_SOCKET, unix.SO_PEERGROUPS,
			uintptr(unsafe.Pointer(&room[0])), uintptr(unsafe.Pointer(&size)), 0)
		switch errno {
		case 0:
			var groups []int
			for _, g := range room[:size/4] {
				groups = append(groups, int(g))
			}
			return groups, nil
		case unix.ERANGE:
			room = make([]uint32, size/4) // as many as there are
		default:
			return nil, errno
		}
	}
}
