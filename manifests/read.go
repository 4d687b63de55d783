package manifests

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"coppice.dev/spec"
)

// file is one file of a pass.
type file struct {
	path string
	data []byte
	// problem says why it was not read.
	problem string
	// missing is set when there is none, open when somebody is writing it.
	missing, open bool
	// same is set when it is the very file that was read before, and what was read
	// still holds.
	same bool
	// stamp is that of the file as it was read, as far as it can be relied on later;
	// seen is the same without a doubt about that.
	stamp, seen stamp
}

// stamp tells whether a file may have changed since it was read: which one it is,
// how long, and when it and what it holds were last changed.
type stamp struct {
	device, inode, size uint64
	modified, changed   int64 // ns; the latter cannot be set by anybody (utimensat(2))
	uid                 uint32
	mode                uint16
}

// settling is for how long after a change another one may leave no trace, since
// clocks of file systems tick: two seconds on the coarsest.
const settling = 3 * time.Second

// settled returns the stamp of a file that is read now; none, if it was changed so
// lately that another change could look the same.
func settled(st unix.Statx_t, now time.Time) stamp {
	s := stampOf(st)
	if age := now.Sub(time.Unix(0, s.changed)); age < settling {
		return stamp{}
	}
	return s
}

func stampOf(st unix.Statx_t) stamp {
	return stamp{
		unix.Mkdev(st.Dev_major, st.Dev_minor), st.Ino, st.Size,
		nanoseconds(st.Mtime), nanoseconds(st.Ctime), st.Uid, st.Mode,
	}
}

// nanoseconds since 1970.
func nanoseconds(t unix.StatxTimestamp) int64 { return t.Sec*1e9 + int64(t.Nsec) }

// Considered tells manifests from what editors and sync tools leave beside them:
// hidden files, backups, and everything with another ending.
func Considered(name string) bool {
	switch filepath.Ext(name) {
	case ".yaml", ".yml", ".json":
		return !strings.HasPrefix(name, ".") && !strings.HasPrefix(name, "#") && !strings.HasPrefix(name, "~")
	}
	return false
}

const beingWritten = "it is being written"

// reading is how files of a folder are read.
type reading struct {
	dir    *os.File
	folder string // its path
	known  versions[string, fileState]
	// alone refuses a file also if it cannot be told whether somebody is writing it.
	alone bool
}

// read reads one file. Nothing but a regular file is ever opened, since a FIFO
// would block and a device might act; O_PATH opens nothing (open(2)).
func (r reading) read(name string) file {
	f := file{path: filepath.Join(r.folder, name)}
	was := r.known.At(f.path).stamp
	if was != (stamp{}) { // most have not changed, and are no links
		var st unix.Statx_t
		err := unix.Statx(int(r.dir.Fd()), name, unix.AT_SYMLINK_NOFOLLOW, unix.STATX_BASIC_STATS, &st)
		if f.same = err == nil && was == stampOf(st); f.same {
			return f
		}
	}
	how := unix.OpenHow{Flags: unix.O_PATH | unix.O_CLOEXEC, Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_MAGICLINKS}
	held, err := unix.Openat2(int(r.dir.Fd()), name, &how)
	switch {
	case errors.Is(err, unix.EXDEV):
		f.problem = "it is a link out of the folder; put the file itself there"
		return f
	case err != nil:
		f.problem, f.missing = fmt.Sprintf("it cannot be opened: %v", err), errors.Is(err, fs.ErrNotExist)
		return f
	}
	defer unix.Close(held)
	before, err := statx(held, "")
	if err == nil && was != (stamp{}) && was == stampOf(before) {
		f.same = true
		return f
	}
	switch {
	case err != nil:
		f.problem = err.Error()
	case before.Mode&unix.S_IFMT != unix.S_IFREG:
		f.problem = "it is no regular file, and was not opened"
	case before.Size > spec.MaxSize:
		f.problem = fmt.Sprintf("it has %d bytes; a manifest may have %d: split it", before.Size, spec.MaxSize)
	default:
		f.problem = untrusted(f.path, before)
	}
	if f.problem != "" {
		return f
	}
	content, err := os.Open(fmt.Sprintf("/proc/self/fd/%d", held)) // the very file that was looked at
	if err != nil {
		f.problem = fmt.Sprintf("it cannot be opened: %v", errors.Unwrap(err))
		return f
	}
	defer content.Close()
	if is, sure := written(content); is || r.alone && !sure {
		f.problem, f.open = beingWritten, true
		return f
	}
	now := time.Now()
	f.data, err = io.ReadAll(io.LimitReader(content, spec.MaxSize+1))
	if err != nil {
		f.problem = fmt.Sprintf("it cannot be read: %v", err)
		return f
	}
	if after, err := statx(held, ""); err != nil || after.Mtime != before.Mtime || after.Size != before.Size || int(after.Size) != len(f.data) {
		f.problem, f.open = beingWritten, true
	} else {
		f.stamp, f.seen = settled(after, now), stampOf(after)
	}
	return f
}

// untrusted says why what anybody may write to is not obeyed, and what to run.
func untrusted(path string, st unix.Statx_t) string {
	if st.Uid != 0 && int(st.Uid) != os.Geteuid() {
		return fmt.Sprintf("it belongs to user %d, who could have anything run as root: chown root %s", st.Uid, path)
	}
	if st.Mode&0o022 != 0 {
		return fmt.Sprintf("others than its owner may write to it, and so could have anything run as root: chmod go-w %s", path)
	}
	return ""
}

func placeOf(path string) (place, error) {
	st, err := statx(unix.AT_FDCWD, path)
	return placeFrom(st), err
}

func placeFrom(st unix.Statx_t) place {
	return place{unix.Mkdev(st.Dev_major, st.Dev_minor), st.Ino, st.Mnt_id}
}

func statx(fd int, path string) (unix.Statx_t, error) {
	var st unix.Statx_t
	if err := unix.Statx(fd, path, unix.AT_EMPTY_PATH, unix.STATX_BASIC_STATS|unix.STATX_MNT_ID, &st); err != nil {
		return st, &fs.PathError{Op: "statx", Path: path, Err: err}
	}
	return st, nil
}
