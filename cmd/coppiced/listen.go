package main

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/user"
	"path/filepath"
	"strconv"

	"github.com/coreos/go-systemd/v22/activation"
	"golang.org/x/sys/unix"

	"coppice.dev/controller/socket/wire"
)

// given returns the socket that systemd has opened already; nil if it has not.
func given() (*net.UnixListener, error) {
	listeners, err := activation.Listeners()
	if err != nil {
		return nil, fmt.Errorf("take the socket that systemd has opened: %w", err)
	}
	for _, l := range listeners {
		if u, is := l.(*net.UnixListener); is {
			return u, nil
		}
	}
	return nil, nil
}

// listen opens the socket.
func (o *options) listen() (*net.UnixListener, error) {
	path := filepath.Join(o.runDir, wire.SocketName)
	if err := unlinkSocket(path); err != nil {
		return nil, err
	}
	l, err := listenAt(o.runDir, path)
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w", path, err)
	}
	// It stays when the daemon ends: who connects then is told that nobody
	// answers, which is what is so.
	l.SetUnlinkOnClose(false)
	if err := o.admit(path); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return l, nil
}

// unlinkSocket takes away what an earlier daemon has left. What is no socket is
// somebody's, and stays.
func unlinkSocket(path string) error {
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if info.Mode().Type() != fs.ModeSocket {
		return fmt.Errorf("%s is there and is no socket; take it away", path)
	}
	return os.Remove(path)
}

// listenAt listens on a path that may be longer than a socket's address can be
// (unix(7)): it is then named through its folder, held open.
func listenAt(folder, path string) (*net.UnixListener, error) {
	const longest = 107
	address := path
	if len(path) > longest {
		held, err := os.OpenFile(folder, unix.O_PATH|unix.O_DIRECTORY, 0)
		if err != nil {
			return nil, err
		}
		defer held.Close()
		address = filepath.Join("/proc/self/fd", strconv.Itoa(int(held.Fd())), filepath.Base(path))
	}
	return net.ListenUnix("unix", &net.UnixAddr{Net: "unix", Name: address})
}

// admit says who may connect. What they may do then is decided by the chroots'
// lists.
func (o *options) admit(path string) error {
	if o.socketGroup != "" {
		gid, err := groupID(o.socketGroup)
		if err != nil {
			return err
		}
		if err := os.Lchown(path, 0, gid); err != nil {
			return err
		}
	}
	return os.Chmod(path, fs.FileMode(o.socketMode))
}

// groupID returns the number of a group of the host.
func groupID(name string) (int, error) {
	group, err := user.LookupGroup(name)
	if err != nil {
		return 0, fmt.Errorf("--socket-group: %w", err)
	}
	gid, err := strconv.Atoi(group.Gid)
	if err != nil {
		return 0, fmt.Errorf("--socket-group %s: %w", name, err)
	}
	return gid, nil
}
