package attach

import (
	"errors"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// flow copies in one direction, between a file of the caller's and one end of a
// pipe or a terminal.
type flow interface {
	// run copies until there is no more. It tells hangup when the caller's side
	// is gone.
	run(hangup chan<- struct{})
	// finish copies what the command has left, when it has ended.
	finish()
	// stop lets go of the files.
	stop()
}

// piece is how much is copied at once.
const piece = 32 << 10

// out is the way out, from a terminal's master or a pipe.
type out struct {
	from, to *os.File
	patience time.Duration
	ended    chan struct{}
}

// showing copies to a file of the caller's. When the command has ended, from is
// read to its end for as long as patience; then what is there.
func showing(from, to *os.File, patience time.Duration) *out {
	return &out{from, to, patience, make(chan struct{})}
}

func (o *out) run(hangup chan<- struct{}) {
	defer close(o.ended)
	buffer := make([]byte, piece)
	for {
		n, err := o.from.Read(buffer)
		if n > 0 {
			if _, err := o.to.Write(buffer[:n]); err != nil {
				hangup <- struct{}{}
				return
			}
		}
		if err != nil { // EIO: nobody has the terminal any more
			return
		}
	}
}

// finish does not wait for the end of the file, which somebody whom the command
// left behind may keep open.
func (o *out) finish() {
	_ = o.from.SetReadDeadline(time.Now().Add(o.patience))
	<-o.ended
	_ = o.from.SetReadDeadline(time.Time{})
	raw, err := o.from.SyscallConn()
	if err != nil {
		return
	}
	buffer := make([]byte, piece)
	for {
		n := 0
		err := raw.Read(func(fd uintptr) bool {
			for {
				n, err = unix.Read(int(fd), buffer)
				if !errors.Is(err, unix.EINTR) {
					return true
				}
			}
		})
		if err != nil || n <= 0 {
			return
		}
		if _, err := o.to.Write(buffer[:n]); err != nil {
			return
		}
	}
}

func (o *out) stop() { o.from.Close() }

// in is the way in. The file to read is the caller's: it must not be made
// non-blocking, and not a byte may be taken from it once the command has ended.
type in struct {
	from         int // its number: the file may be closed before run has begun
	to           *os.File
	typed        bool     // from is a terminal; one that is gone no longer looks like one
	terminal     bool     // to is one: it has no end, but a letter for it
	waiting, off *os.File // a pipe that is closed to stop
}

// typing copies from a file of the caller's.
func typing(from, to *os.File) (*in, error) {
	waiting, off, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	return &in{from: int(from.Fd()), to: to, typed: isTerminal(from), waiting: waiting, off: off}, nil
}

func (i *in) run(hangup chan<- struct{}) {
	defer i.waiting.Close()
	poll := []unix.PollFd{{Fd: int32(i.from), Events: unix.POLLIN}, {Fd: int32(i.waiting.Fd()), Events: unix.POLLIN}}
	buffer := make([]byte, piece)
	last := byte('\n')
	for {
		_, err := unix.Poll(poll, -1)
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case err != nil || poll[1].Revents != 0:
			return
		}
		n, err := unix.Read(i.from, buffer)
		switch {
		case errors.Is(err, unix.EINTR), errors.Is(err, unix.EAGAIN):
			continue
		case err != nil || n == 0:
			i.end(last, hangup)
			return
		}
		last = buffer[n-1]
		if _, err := i.to.Write(buffer[:n]); err != nil {
			return // nobody reads it
		}
	}
}

// endOfInput is Ctrl-D: at the beginning of a line a terminal takes it for the
// end, elsewhere for the end of a piece.
const endOfInput = "\x04"

// end says that nothing more comes.
func (i *in) end(last byte, hangup chan<- struct{}) {
	switch {
	case !i.terminal:
		i.to.Close()
	case i.typed: // in raw mode it ends with the terminal itself
		hangup <- struct{}{}
	default:
		text := endOfInput
		if last != '\n' {
			text += endOfInput
		}
		_, _ = i.to.WriteString(text) // nobody may be there to read it
	}
}

func (i *in) finish() {}

func (i *in) stop() {
	i.off.Close()
	if !i.terminal { // which is the display's to close
		i.to.Close()
	}
}
