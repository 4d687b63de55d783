package files

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path"

	"golang.org/x/sys/unix"

	"coppice.dev/reconcile/object"
)

// linksFollowed is how many links may stand in for a file before it is taken for
// a circle, as in path_resolution(7).
const linksFollowed = 40

// write puts the content at the path inside the root, whole or not at all.
//
// A link at the end of the path is followed inside the root if the folder that
// it leads to is there; else the file takes the place of the link. So
// /etc/resolv.conf works in roots where it points to a service that never ran.
func write(root int, name, draft string, c content) error {
	parent, base, err := find(root, name, openFolder)
	if err != nil {
		return err
	}
	defer unix.Close(parent)
	return replace(parent, base, draft, c)
}

// abandon removes what an interrupted write left beside the file that was meant.
func abandon(root int, name, draft string) error {
	parent, _, err := find(root, name, openBelow)
	if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENOTDIR) || errors.Is(err, unix.ELOOP) {
		return nil // there is no such folder, so there is nothing in it
	}
	if err != nil {
		return err
	}
	defer unix.Close(parent)
	if err := unix.Unlinkat(parent, draft, 0); err != nil && !errors.Is(err, unix.ENOENT) {
		return fmt.Errorf("remove %s: %w", draft, err)
	}
	return nil
}

// find opens the folder that a path inside the root leads to, and returns the
// file's name in it.
func find(root int, name string, open func(root int, folder string) (int, error)) (parent int, base string, err error) {
	for range linksFollowed {
		folder, base := path.Split(path.Clean(name))
		parent, err := open(root, folder)
		if err != nil {
			return -1, "", err
		}
		next := leadsTo(root, parent, folder, base)
		if next == "" {
			return parent, base, nil
		}
		unix.Close(parent)
		name = next
	}
	return -1, "", fmt.Errorf("%s: %w", name, unix.ELOOP)
}

// draftOf is the name that a file has while it is being written. It is always
// the same for one file of one session, so that a crash leaves at most one and
// the next attempt finds it; two sessions may have one root.
func draftOf(id object.ID) string {
	sum := sha256.Sum256([]byte(id.String()))
	return ".coppice-" + hex.EncodeToString(sum[:8])
}

// leadsTo returns where the link at base leads, if it is one and the folder it
// leads to is there; else "".
func leadsTo(root, parent int, folder, base string) string {
	buffer := make([]byte, unix.PathMax)
	n, err := unix.Readlinkat(parent, base, buffer)
	if err != nil || n == 0 {
		return ""
	}
	to := string(buffer[:n])
	if !path.IsAbs(to) {
		to = path.Join(folder, to)
	}
	fd, err := openBelow(root, path.Dir(path.Clean("/"+to)))
	if err != nil {
		return ""
	}
	unix.Close(fd)
	return path.Clean("/" + to)
}

func openBelow(root int, name string) (int, error) {
	return unix.Openat2(root, name, &unix.OpenHow{
		Flags:   unix.O_PATH | unix.O_DIRECTORY | unix.O_CLOEXEC,
		Resolve: unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_MAGICLINKS,
	})
}

// openFolder opens a folder inside the root, and makes it if it is missing. It
// must lie on the root's own mount: what is bound from the host is the host's.
func openFolder(root int, name string) (int, error) {
	fd, err := openBelow(root, name)
	if errors.Is(err, unix.ENOENT) && path.Clean(name) != "/" {
		up, upErr := openFolder(root, path.Dir(path.Clean(name)))
		if upErr != nil {
			return -1, upErr
		}
		err = unix.Mkdirat(up, path.Base(name), 0o755)
		unix.Close(up)
		if err != nil {
			return -1, fmt.Errorf("make %s: %w", name, err)
		}
		fd, err = openBelow(root, name)
	}
	if err != nil {
		return -1, fmt.Errorf("open %s: %w", name, err)
	}
	same, err := sameMount(root, fd)
	if err == nil && !same {
		err = fmt.Errorf("%s lies on another mount than the root", name)
	}
	if err != nil {
		unix.Close(fd)
		return -1, err
	}
	return fd, nil
}

func sameMount(a, b int) (bool, error) {
	var first, second unix.Statx_t
	for fd, st := range map[int]*unix.Statx_t{a: &first, b: &second} {
		if err := unix.Statx(fd, "", unix.AT_EMPTY_PATH, unix.STATX_MNT_ID, st); err != nil {
			return false, fmt.Errorf("statx: %w", err)
		}
	}
	return first.Mnt_id == second.Mnt_id, nil
}

// replace writes a draft beside the file that is meant and renames it over it. If
// that is the very file that is copied from, as in a session whose root is the
// host's own folder, there is nothing to do.
func replace(parent int, base, draft string, c content) error {
	var st unix.Stat_t
	err := unix.Fstatat(parent, base, &st, unix.AT_SYMLINK_NOFOLLOW)
	switch {
	case err == nil && c.inode != 0 && st.Ino == c.inode && st.Dev == c.device:
		return nil
	case err == nil && st.Mode&unix.S_IFMT == unix.S_IFDIR:
		return fmt.Errorf("%s: %w", base, unix.EISDIR)
	case err != nil && !errors.Is(err, unix.ENOENT):
		return err
	}
	if err := unix.Unlinkat(parent, draft, 0); err != nil && !errors.Is(err, unix.ENOENT) {
		return fmt.Errorf("remove an earlier draft: %w", err)
	}
	fd, err := unix.Openat(parent, draft, unix.O_CREAT|unix.O_EXCL|unix.O_WRONLY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return fmt.Errorf("make file: %w", err)
	}
	file := os.NewFile(uintptr(fd), draft)
	_, err = io.Copy(file, c)
	err = errors.Join(err, unix.Fchown(fd, c.uid, c.gid), unix.Fchmod(fd, c.mode), file.Close())
	if err == nil {
		err = unix.Renameat(parent, draft, parent, base)
	}
	if err != nil {
		err = errors.Join(err, unix.Unlinkat(parent, draft, 0))
	}
	return err
}
