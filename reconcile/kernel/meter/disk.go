package meter

import (
	"context"
	"errors"
	"io/fs"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// Disk adds up what is below a path, on its own file system, in bytes. It says nothing
// about what in it cannot be looked at, since it is a figure for people; but if that is the
// path itself, nothing is known, unless it is not there. It ends with the context.
func Disk(ctx context.Context, path string) (size int64, known bool) {
	var top unix.Stat_t
	if err := unix.Lstat(path, &top); err != nil {
		return 0, errors.Is(err, unix.ENOENT)
	}
	known = true
	linked := map[uint64]bool{}
	_ = filepath.WalkDir(path, func(at string, e fs.DirEntry, err error) error {
		if ctx.Err() != nil {
			known = false
			return fs.SkipAll
		}
		if err != nil && at == path {
			known = false
		}
		var st unix.Stat_t
		if err != nil || unix.Lstat(at, &st) != nil {
			return nil //nolint:nilerr // what is gone or cannot be read counts nothing
		}
		if st.Dev != top.Dev && e.IsDir() {
			return fs.SkipDir
		}
		if st.Nlink > 1 && !e.IsDir() {
			if linked[st.Ino] {
				return nil
			}
			linked[st.Ino] = true
		}
		size += st.Blocks * 512 // the unit of st_blocks, whatever the file system's is
		return nil
	})
	return size, known
}
