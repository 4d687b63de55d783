package frame

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// MaxFrame is the most bytes that a frame may have, and maxFiles the most open
// files that may ride on one.
const (
	MaxFrame = 64 << 10
	maxFiles = 3
)

// Socket is a unix socket that does not block: a net.UnixConn, or an os.File.
type Socket interface {
	SyscallConn() (syscall.RawConn, error)
	SetReadDeadline(t time.Time) error
	SetWriteDeadline(t time.Time) error
	Close() error
}

// Conn sends and receives frames. One goroutine may receive while others send.
type Conn struct {
	Socket

	send sync.Mutex
}

// NewConn returns a connection over an upgraded one, of which nothing may have
// been read ahead: the files on what was read would be lost.
func NewConn(s Socket) *Conn { return &Conn{Socket: s} }

// Send sends a frame, with files riding on it. They stay open here.
func (c *Conn) Send(f Frame, files ...*os.File) error {
	text, err := json.Marshal(f)
	if err != nil {
		return fmt.Errorf("encode frame: %w", err)
	}
	if len(text) > MaxFrame {
		return fmt.Errorf("send frame: it has %d bytes, and may have %d", len(text), MaxFrame)
	}
	message := binary.LittleEndian.AppendUint32(nil, uint32(len(text)))
	message = append(message, text...)
	var rights []byte
	if len(files) > 0 {
		fds := make([]int, 0, len(files))
		for _, file := range files {
			fds = append(fds, int(file.Fd()))
		}
		rights = unix.UnixRights(fds...)
	}
	c.send.Lock()
	defer c.send.Unlock()
	if err := c.write(message, rights); err != nil {
		return fmt.Errorf("send frame: %w", err)
	}
	return nil
}

// write sends all of a message; the rights ride on its first byte.
func (c *Conn) write(message, rights []byte) error {
	raw, err := c.SyscallConn()
	if err != nil {
		return err
	}
	for len(message) > 0 {
		var n int
		var failed error
		if err := raw.Write(func(fd uintptr) bool {
			n, failed = unix.SendmsgN(int(fd), message, rights, nil, unix.MSG_NOSIGNAL)
			return !again(failed)
		}); err != nil {
			return err
		}
		if failed != nil && !errors.Is(failed, unix.EINTR) {
			return failed
		}
		if failed == nil {
			message, rights = message[n:], nil
		}
	}
	return nil
}

// read receives what there is. Files that come are close-on-exec.
func (c *Conn) read(into, rights []byte) (n, m, flags int, err error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return 0, 0, 0, err
	}
	for {
		var failed error
		if err := raw.Read(func(fd uintptr) bool {
			n, m, flags, _, failed = unix.Recvmsg(int(fd), into, rights, unix.MSG_CMSG_CLOEXEC)
			return !again(failed)
		}); err != nil {
			return 0, 0, 0, err
		}
		if failed == nil {
			return n, m, flags, nil
		}
		if !errors.Is(failed, unix.EINTR) {
			return 0, 0, 0, failed
		}
	}
}

// again reports whether the socket is to be waited for.
func again(err error) bool { return errors.Is(err, unix.EAGAIN) }

// Receive returns the next frame and the files that ride on it, close-on-exec.
// The error is io.EOF when the other side has closed.
func (c *Conn) Receive() (f Frame, files []*os.File, err error) {
	defer func() {
		if err != nil {
			for _, file := range files {
				file.Close()
			}
			files = nil
		}
	}()
	var length [4]byte
	if files, err = c.fill(length[:], true); err != nil {
		return f, files, err
	}
	n := binary.LittleEndian.Uint32(length[:])
	if n == 0 || n > MaxFrame {
		return f, files, fmt.Errorf("receive frame: it claims to have %d bytes; a frame has 1 to %d", n, MaxFrame)
	}
	text := make([]byte, n)
	if _, err := c.fill(text, false); err != nil {
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return f, files, err
	}
	if err := json.Unmarshal(text, &f); err != nil {
		return f, files, fmt.Errorf("decode frame: %w", err)
	}
	return f, files, nil
}

// fill reads as many bytes as there is room for. Files may come with the first;
// those that come with others are closed, since nobody was told of them.
func (c *Conn) fill(into []byte, first bool) (files []*os.File, err error) {
	for done := 0; done < len(into); {
		rights := make([]byte, unix.CmsgSpace(4*maxFiles))
		n, m, flags, err := c.read(into[done:], rights)
		got := open(rights[:m])
		// The room for three holds four, as it is rounded up (cmsg(3)).
		tooMany := flags&unix.MSG_CTRUNC != 0 || len(got) > maxFiles
		if done == 0 && first && !tooMany {
			files = got
		} else {
			for _, file := range got {
				file.Close()
			}
		}
		switch {
		case err != nil:
			return files, fmt.Errorf("receive frame: %w", err)
		case tooMany:
			return files, fmt.Errorf("receive frame: more than %d files ride on it", maxFiles)
		case n == 0 && done == 0:
			return files, io.EOF
		case n == 0:
			return files, io.ErrUnexpectedEOF
		}
		done += n
	}
	return files, nil
}

// open takes the files out of a control message.
func open(rights []byte) []*os.File {
	messages, err := unix.ParseSocketControlMessage(rights)
	if err != nil {
		return nil
	}
	var files []*os.File
	for _, m := range messages {
		fds, err := unix.ParseUnixRights(&m)
		if err != nil {
			continue
		}
		for _, fd := range fds {
			files = append(files, os.NewFile(uintptr(fd), fmt.Sprintf("file %d", len(files))))
		}
	}
	return files
}
