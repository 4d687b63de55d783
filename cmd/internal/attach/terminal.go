package attach

import (
	"os"
	"sync"

	"golang.org/x/sys/unix"
	"golang.org/x/term"

	"coppice.dev/controller/socket/wire/frame"
)

// display is the caller's terminal, joined with the master side of the command's.
// A nil one is none.
type display struct {
	std    [3]*os.File
	master *os.File

	mu    sync.Mutex
	saved *term.State // how it was before raw mode; nil outside of it
}

// raw switches the caller's terminal to raw mode, if there is one to type at.
func (d *display) raw() error {
	fd := int(d.std[0].Fd())
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.saved != nil || !term.IsTerminal(fd) {
		return nil
	}
	// Of a job in the background this stops the process, until it is in the
	// foreground (SIGTTOU).
	saved, err := term.MakeRaw(fd)
	if err != nil {
		return err
	}
	d.saved = saved
	return nil
}

// restore makes the caller's terminal what it was.
func (d *display) restore() {
	if d == nil {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.saved != nil {
		_ = term.Restore(int(d.std[0].Fd()), d.saved) // one that is gone needs nothing
		d.saved = nil
	}
}

// fit gives the command's terminal the size of the caller's.
func (d *display) fit() {
	if d == nil {
		return
	}
	if size := Size(d.std); size != nil {
		control(d.master, func(fd int) {
			_ = unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &unix.Winsize{Row: size.Rows, Col: size.Columns})
		})
	}
}

func (d *display) close() {
	if d == nil {
		return
	}
	d.restore()
	d.master.Close()
}

// Size returns the size of the first of the files that is a terminal, nil if
// none is, or if it has no size.
func Size(std [3]*os.File) *frame.Size {
	for _, file := range std {
		columns, rows, err := term.GetSize(int(file.Fd()))
		if err == nil && columns > 0 && rows > 0 {
			return &frame.Size{Rows: uint16(rows), Columns: uint16(columns)}
		}
	}
	return nil
}

// control runs f on the descriptor of a file, which stays pollable.
func control(file *os.File, f func(fd int)) {
	if raw, err := file.SyscallConn(); err == nil {
		_ = raw.Control(func(fd uintptr) { f(int(fd)) })
	}
}

// pollable returns the file as one whose reads can be interrupted, and closes it.
func pollable(file *os.File) (*os.File, error) {
	defer file.Close()
	fd, err := unix.FcntlInt(file.Fd(), unix.F_DUPFD_CLOEXEC, 3)
	if err != nil {
		return nil, err
	}
	if err := unix.SetNonblock(fd, true); err != nil {
		unix.Close(fd)
		return nil, err
	}
	return os.NewFile(uintptr(fd), file.Name()), nil
}
