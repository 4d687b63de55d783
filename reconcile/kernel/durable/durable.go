// Package durable writes small files that a power cut must not lose or cut: what
// a home remembers, what a journal says, who a controller is.
package durable

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// making ends the name of a file that is not whole. The name is always the same,
// so that what a crash leaves is written over by the next attempt and nothing
// gathers; there must be one writer at a time.
const making = ".new"

// Write puts the data at the path, whole or not at all, and on disk when it
// returns: the file is flushed before it gets its name, and the folder after.
func Write(path string, data []byte, mode fs.FileMode) error {
	if err := replace(path, data, mode, (*os.File).Sync); err != nil {
		return err
	}
	return Flush(filepath.Dir(path))
}

// Replace is Write for what only the running machine needs: a crash of the
// process leaves it whole or not there, a power cut may leave anything.
func Replace(path string, data []byte, mode fs.FileMode) error {
	return replace(path, data, mode, func(*os.File) error { return nil })
}

func replace(path string, data []byte, mode fs.FileMode, flush func(*os.File) error) error {
	file, err := os.OpenFile(path+making, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, mode)
	if err != nil {
		return err
	}
	_, err = file.Write(data)
	// Chmod, since the umask counts, and so does what was left there.
	if err = errors.Join(err, file.Chmod(mode), flush(file), file.Close()); err == nil {
		err = os.Rename(path+making, path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(path+making))
	}
	return nil
}

// Lost reports whether reading a file failed since what it held is lost: by a
// sector that cannot be read, by a broken file system, by something else in its
// place. Nobody will ever read it, unlike one that could not be opened just now.
func Lost(err error) bool {
	for _, errno := range []unix.Errno{unix.EIO, unix.EISDIR, unix.ENOTDIR, unix.ELOOP, unix.EBADMSG, unix.EUCLEAN} {
		if errors.Is(err, errno) {
			return true
		}
	}
	return false
}

// Flush puts a folder's entries on disk: what was made, renamed and removed.
func Flush(folder string) error {
	handle, err := os.Open(folder)
	if err != nil {
		return err
	}
	return errors.Join(handle.Sync(), handle.Close())
}
