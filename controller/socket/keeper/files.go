package keeper

import (
	"errors"
	"io"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"coppice.dev/controller/socket/wire/frame"
)

// standard are the three standard files; nil where none was sent.
type standard [3]*os.File

// receive takes the client's standard files, and refuses those that are no files
// to read from or to write to: a folder leads out of the session, and what was
// opened with O_PATH can do nothing else.
func receive(conn *frame.Conn) (standard, error) {
	var std standard
	if err := conn.SetReadDeadline(time.Now().Add(patience)); err != nil {
		return std, err
	}
	said, files, err := conn.Receive()
	if errors.Is(err, io.EOF) {
		return std, errors.New("the client has gone")
	}
	if err != nil {
		return std, invalid("the standard files did not come: %v", err)
	}
	if err := conn.SetReadDeadline(time.Time{}); err != nil {
		return std, err
	}
	std, err = assign(said, files)
	if err != nil {
		for _, file := range files {
			file.Close()
		}
		return standard{}, err
	}
	return std, nil
}

// assign puts the files that rode on a frame where the frame says.
func assign(said frame.Frame, files []*os.File) (standard, error) {
	var std standard
	if said.Signal != nil || said.Started != nil || said.Exited != nil || said.Failed != nil {
		return std, invalid("the first frame must be the standard files")
	}
	if len(said.Files) != len(files) {
		return std, invalid("%d standard files were announced, and %d came", len(said.Files), len(files))
	}
	for i, number := range said.Files {
		if number < 0 || number >= len(std) {
			return std, invalid("there is no standard file %d", number)
		}
		if std[number] != nil {
			return std, invalid("standard file %d came twice", number)
		}
		if err := usable(number, files[i]); err != nil {
			return std, err
		}
		std[number] = files[i]
	}
	return std, nil
}

// usable refuses what a command must not be given.
func usable(number int, file *os.File) error {
	fd := file.Fd()
	var st unix.Stat_t
	if err := unix.Fstat(int(fd), &st); err != nil {
		return invalid("standard file %d cannot be looked at: %v", number, err)
	}
	flags, err := unix.FcntlInt(fd, unix.F_GETFL, 0)
	switch {
	case err != nil:
		return invalid("standard file %d cannot be looked at: %v", number, err)
	case st.Mode&unix.S_IFMT == unix.S_IFDIR:
		return invalid("standard file %d is a folder", number)
	case flags&unix.O_PATH != 0:
		return invalid("standard file %d was opened with O_PATH: it cannot be read or written", number)
	}
	return nil
}
