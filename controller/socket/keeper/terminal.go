package keeper

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

const (
	devpts = 0x1cd1 // DEVPTS_SUPER_MAGIC
	// ttyGroup is the group "tty", the same on every distribution, if the devpts
	// does not have another.
	ttyGroup = 5
)

// borrowed is said when the session has no terminals.
const borrowed = "the session has no devpts at /dev/pts: the terminal is one of the host's, and programs inside do not find its name"

// terminal makes a terminal, the session's own if it has any, keeps the master
// for the client, and returns the side of the command; nil if no standard file
// is to be one.
func (r *room) terminal(c *command) (*os.File, error) {
	if !r.isTerminal(0) && !r.isTerminal(1) && !r.isTerminal(2) {
		return nil, nil
	}
	master, err := r.multiplexer()
	if err == nil && master < 0 {
		c.note = borrowed
		master, err = hostMultiplexer()
	}
	if err != nil {
		return nil, fmt.Errorf("make a terminal: %w", err)
	}
	c.master = os.NewFile(uintptr(master), "terminal")
	if err := unix.IoctlSetPointerInt(master, unix.TIOCSPTLCK, 0); err != nil {
		return nil, fmt.Errorf("unlock terminal: %w", err)
	}
	// By the master, not by its path: what lies there is the session's business.
	fd, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(master), unix.TIOCGPTPEER, unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC)
	if errno != 0 {
		return nil, fmt.Errorf("open terminal: %w", errno)
	}
	slave := os.NewFile(fd, "terminal inside")
	if err := r.prepare(int(fd)); err != nil {
		slave.Close()
		return nil, fmt.Errorf("prepare terminal: %w", err)
	}
	return slave, nil
}

// prepare gives a terminal its owner, its size, and letters of more than a byte.
func (r *room) prepare(slave int) error {
	var st unix.Stat_t
	if err := unix.Fstat(slave, &st); err != nil {
		return err
	}
	group := int(st.Gid)
	if group == 0 {
		group = ttyGroup
	}
	if err := unix.Fchown(slave, r.order.UID, group); err != nil {
		return err
	}
	if err := unix.Fchmod(slave, 0o620); err != nil {
		return err
	}
	if size := r.order.Size; size != nil {
		if err := unix.IoctlSetWinsize(slave, unix.TIOCSWINSZ, &unix.Winsize{Row: size.Rows, Col: size.Columns}); err != nil {
			return err
		}
	}
	modes, err := unix.IoctlGetTermios(slave, unix.TCGETS)
	if err != nil {
		return err
	}
	modes.Iflag |= unix.IUTF8
	return unix.IoctlSetTermios(slave, unix.TCSETS, modes)
}

// multiplexer opens the session's /dev/pts/ptmx; -1 if it has none. It is looked
// at before it is opened: those inside may have put there what they like.
func (r *room) multiplexer() (int, error) {
	fd, err := unix.Open("/dev/pts/ptmx", unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, nil
	}
	defer unix.Close(fd)
	var st unix.Stat_t
	var fs unix.Statfs_t
	if unix.Fstat(fd, &st) != nil || unix.Fstatfs(fd, &fs) != nil {
		return -1, nil
	}
	if fs.Type != devpts || st.Mode&unix.S_IFMT != unix.S_IFCHR || st.Rdev != unix.Mkdev(5, 2) {
		return -1, nil
	}
	return r.open(fd, unix.O_RDWR|unix.O_NOCTTY)
}

// hostMultiplexer opens the host's, from a thread that sees it.
func hostMultiplexer() (int, error) {
	type opened struct {
		fd  int
		err error
	}
	done := make(chan opened, 1)
	go func() { // not on the caller's thread, which is locked
		fd, err := unix.Open("/dev/ptmx", unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
		done <- opened{fd, err}
	}()
	o := <-done
	return o.fd, o.err
}
