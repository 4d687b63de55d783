package namespace

import (
	"errors"
	"fmt"
	"strings"

	"golang.org/x/sys/unix"
)

// option is one setting of a file system: a flag if it has no value, a file
// descriptor if fd is set.
type option struct {
	name, value string
	fd          int
}

// fileSystem makes a file system and returns a mount of it that is attached
// nowhere; closing it drops the mount (fsopen(2), fsmount(2)).
func fileSystem(kind string, options []option, attributes int) (int, error) {
	context, err := unix.Fsopen(kind, unix.FSOPEN_CLOEXEC)
	if err != nil {
		return -1, fmt.Errorf("open file system %s: %w", kind, err)
	}
	defer unix.Close(context)
	for _, o := range options {
		if err := o.set(context); err != nil {
			return -1, said(context, fmt.Errorf("set %s option %s: %w", kind, o.name, err))
		}
	}
	if err := unix.FsconfigCreate(context); err != nil {
		return -1, said(context, fmt.Errorf("make file system %s: %w", kind, err))
	}
	mount, err := unix.Fsmount(context, unix.FSMOUNT_CLOEXEC, attributes)
	if err != nil {
		return -1, said(context, fmt.Errorf("mount file system %s: %w", kind, err))
	}
	return mount, nil
}

func (o option) set(context int) error {
	switch {
	case o.fd > 0:
		return unix.FsconfigSetFd(context, o.name, o.fd)
	case o.value != "":
		return unix.FsconfigSetString(context, o.name, o.value)
	default:
		return unix.FsconfigSetFlag(context, o.name)
	}
}

// said adds what the kernel wrote about an error to the context: lines such as
// "e overlay: workdir and upperdir must reside under the same mount".
func said(context int, err error) error {
	var words []string
	buffer := make([]byte, 1024)
	for {
		n, readErr := unix.Read(context, buffer)
		if readErr != nil || n <= 0 {
			break // ENODATA: no more
		}
		line := strings.TrimSpace(string(buffer[:n]))
		words = append(words, strings.TrimPrefix(line, "e "))
	}
	if len(words) == 0 {
		return err
	}
	return fmt.Errorf("%w (%s)", err, strings.Join(words, "; "))
}

// clone returns a detached copy of the mount that shows the folder or file, with
// its submounts if recursive, cut off from any propagation.
func clone(fd int, path string, recursive bool) (int, error) {
	flags := uint(unix.OPEN_TREE_CLONE | unix.OPEN_TREE_CLOEXEC)
	depth := uint(0)
	if recursive {
		depth = unix.AT_RECURSIVE
	}
	if path == "" {
		flags |= unix.AT_EMPTY_PATH
	}
	tree, err := unix.OpenTree(fd, path, flags|depth)
	if err != nil {
		return -1, fmt.Errorf("clone mount of %s: %w", path, err)
	}
	private := unix.MountAttr{Propagation: unix.MS_PRIVATE}
	if err := unix.MountSetattr(tree, "", unix.AT_EMPTY_PATH|unix.AT_RECURSIVE, &private); err != nil {
		unix.Close(tree)
		return -1, fmt.Errorf("make clone of %s private: %w", path, err)
	}
	return tree, nil
}

// attach puts a detached mount onto an open folder or file.
func attach(mount, target int) error {
	return unix.MoveMount(mount, "", target, "", unix.MOVE_MOUNT_F_EMPTY_PATH|unix.MOVE_MOUNT_T_EMPTY_PATH)
}

// attributes of a mount by the names they have in options (mount_setattr(2)).
var attributes = map[string]uint64{
	"ro":          unix.MOUNT_ATTR_RDONLY,
	"nosuid":      unix.MOUNT_ATTR_NOSUID,
	"nodev":       unix.MOUNT_ATTR_NODEV,
	"noexec":      unix.MOUNT_ATTR_NOEXEC,
	"nodiratime":  unix.MOUNT_ATTR_NODIRATIME,
	"noatime":     unix.MOUNT_ATTR_NOATIME,
	"nosymfollow": unix.MOUNT_ATTR_NOSYMFOLLOW,
}

// settable are the attributes that setAttributes clears when they are not asked for.
const settable = unix.MOUNT_ATTR_RDONLY | unix.MOUNT_ATTR_NOSUID | unix.MOUNT_ATTR_NODEV | unix.MOUNT_ATTR_NOEXEC |
	unix.MOUNT_ATTR_NODIRATIME | unix.MOUNT_ATTR_NOSYMFOLLOW | unix.MOUNT_ATTR__ATIME

// setAttributes gives the mount these attributes and no others.
func setAttributes(mount int, flags []string) error {
	change := unix.MountAttr{Attr_set: mask(flags), Attr_clr: settable}
	if err := unix.MountSetattr(mount, "", unix.AT_EMPTY_PATH, &change); err != nil {
		return fmt.Errorf("set mount attributes %s: %w", strings.Join(flags, ","), err)
	}
	return nil
}

// addAttributes gives a mount and its submounts these attributes as well: what
// the host mounted nosuid stays nosuid.
func addAttributes(mount int, flags []string) error {
	change := unix.MountAttr{Attr_set: mask(flags)}
	if change.Attr_set == 0 {
		return nil
	}
	if change.Attr_set&unix.MOUNT_ATTR__ATIME != 0 {
		change.Attr_clr = unix.MOUNT_ATTR__ATIME // the kernel wants the field cleared before it is set
	}
	if err := unix.MountSetattr(mount, "", unix.AT_EMPTY_PATH|unix.AT_RECURSIVE, &change); err != nil {
		return fmt.Errorf("add mount attributes %s: %w", strings.Join(flags, ","), err)
	}
	return nil
}

func mask(flags []string) uint64 {
	var m uint64
	for _, f := range flags {
		m |= attributes[f]
	}
	return m
}

// unsupported reports whether the kernel does not know a call or an option.
func unsupported(err error) bool {
	return errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOSYS) || errors.Is(err, unix.EOPNOTSUPP)
}
