package wire

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"

	"golang.org/x/sys/unix"
)

// MaxFrame is the most bytes that a frame may have, and maxFiles the most open
// files that may ride on one.
const (
	MaxFrame = 64 << 10
	maxFiles = 3
)

// Conn sends and receives frames. One goroutine may receive while others send.
type Conn struct {
	conn *net.UnixConn
	send sync.Mutex
}

// NewConn returns a connection over an upgraded one, of which nothing may have
// been read ahead: the files on what was read would be lost.
func NewConn(c *net.UnixConn) *Conn { return &Conn{conn: c} }

// Close ends the connection.
func (c *Conn) Close() error { return c.conn.Close() }

// Unix returns the socket itself, for deadlines.
func (c *Conn) Unix() *net.UnixConn { return c.conn }

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
	n, _, err := c.conn.WriteMsgUnix(message, rights, nil)
	if err == nil && n < len(message) {
		_, err = c.conn.Write(message[n:])
	}
	if err != nil {
		return fmt.Errorf("send frame: %w", err)
	}
	return nil
}

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
		n, m, flags, _, err := c.conn.ReadMsgUnix(into[done:], rights)
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
		case err != nil && !errors.Is(err, io.EOF):
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

// open takes the files out of a control message. Go has set close-on-exec.
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
