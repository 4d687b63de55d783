package namespace

import (
	"errors"
	"fmt"
	"path"

	"golang.org/x/sys/unix"

	"coppice.dev/reconcile/fault"
)

// root is an open root folder whose inside is not to be trusted.
type root struct {
	fd    int
	mount uint64          // the id of the root's mount
	inode uint64          // of the root folder
	own   map[uint64]bool // ids of the mounts that missing folders may be made on
}

// openRoot opens the thread's root. The caller closes it.
func openRoot() (*root, error) {
	fd, err := unix.Open("/", unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("open root: %w", err)
	}
	place, err := look(fd)
	if err != nil {
		unix.Close(fd)
		return nil, err
	}
	return &root{fd, place.Mnt_id, place.Ino, map[uint64]bool{place.Mnt_id: true}}, nil
}

func (r *root) close() { unix.Close(r.fd) }

// look returns the attributes of an open file, the id of its mount among them.
func look(fd int) (unix.Statx_t, error) {
	var st unix.Statx_t
	if err := unix.Statx(fd, "", unix.AT_EMPTY_PATH|unix.AT_NO_AUTOMOUNT|unix.AT_STATX_DONT_SYNC, unix.STATX_BASIC_STATS|unix.STATX_MNT_ID, &st); err != nil {
		return st, fmt.Errorf("statx: %w", err)
	}
	return st, nil
}

// open resolves a path inside the root: links are followed as if the root were
// "/", and no link of /proc leads out.
func (r *root) open(name string) (int, error) {
	return openBelow(r.fd, name)
}

// has reports whether there is something at a path inside the root.
func (r *root) has(name string) bool {
	fd, err := r.open(name)
	if err != nil {
		return !errors.Is(err, unix.ENOENT)
	}
	unix.Close(fd)
	return true
}

func openBelow(root int, name string) (int, error) {
	return unix.Openat2(root, name, &unix.OpenHow{
		Flags:   unix.O_PATH | unix.O_CLOEXEC,
		Resolve: unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_MAGICLINKS,
	})
}

// target opens the place that a mount is to be attached to and makes it if it is
// missing: a folder, or an empty file.
func (r *root) target(name string, folder bool) (int, error) {
	fd, err := r.open(name)
	if errors.Is(err, unix.ENOENT) {
		fd, err = r.make(name, folder)
	}
	if err != nil {
		return -1, unusable(name, err)
	}
	place, err := look(fd)
	switch {
	case err != nil:
	case place.Mnt_id == r.mount && place.Ino == r.inode:
		err = errors.New("it leads to the root itself")
	case folder && place.Mode&unix.S_IFMT != unix.S_IFDIR:
		err = errors.New("it is no folder")
	case !folder && place.Mode&unix.S_IFMT == unix.S_IFDIR:
		err = errors.New("it is a folder, and the source is none")
	default:
		return fd, nil
	}
	unix.Close(fd)
	return -1, unusable(name, err)
}

// errNoPlace is of a mount point that is not there and may not be made.
var errNoPlace = errors.New("is missing")

// make makes a missing folder or file, and the folders above it, but only on
// mounts that are the session's own.
func (r *root) make(name string, folder bool) (int, error) {
	parent, base := path.Split(path.Clean(name))
	up, err := r.open(parent)
	if errors.Is(err, unix.ENOENT) && parent != "/" {
		up, err = r.make(parent, true)
	}
	if err != nil {
		return -1, err
	}
	defer unix.Close(up)
	place, err := look(up)
	if err != nil {
		return -1, err
	}
	if !r.own[place.Mnt_id] {
		return -1, fmt.Errorf("%s %w, and %s belongs to the host", base, errNoPlace, parent)
	}
	if folder {
		err = unix.Mkdirat(up, base, 0o755)
	} else {
		var fd int
		if fd, err = unix.Openat(up, base, unix.O_CREAT|unix.O_EXCL|unix.O_WRONLY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o644); err == nil {
			unix.Close(fd)
		}
	}
	if errors.Is(err, unix.EEXIST) {
		return -1, fmt.Errorf("%s is a link to nowhere", base)
	}
	if err != nil {
		return -1, fmt.Errorf("make %s: %w", base, err)
	}
	return r.open(name)
}

func unusable(name string, err error) error {
	f := &fault.Fault{Reason: fault.TargetUnusable, Doing: fmt.Sprintf("use %s inside the session as a mount point", name), Err: err}
	switch {
	case errors.Is(err, unix.ENOSPC), errors.Is(err, unix.EDQUOT):
		f.Reason, f.Hint = fault.NoSpace, "free some space below the state folder, or give the upper a larger size"
	case errors.Is(err, unix.EROFS):
		f.Hint = "make the folder in the chroot's source, or give the chroot a union"
	default:
		f.Hint = "change the mount's target, or the chroot's source"
	}
	return f
}
