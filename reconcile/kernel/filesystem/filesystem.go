// Package filesystem mounts what a block device holds, attached to nothing yet,
// and puts into words why that did not work. Where the mount goes, whose it is
// and who may use the device is for others to say.
package filesystem

import (
	"fmt"
	"strings"

	"golang.org/x/sys/unix"
)

// Spec is how a file system is mounted.
type Spec struct {
	Type     string // ext4, xfs, btrfs, squashfs, erofs
	ReadOnly bool
	Options  []string // of mount(8), one an entry
}

// Mount returns a detached mount of the file system on the device (fsmount(2)).
func Mount(device string, spec Spec) (int, error) {
	context, err := unix.Fsopen(spec.Type, unix.FSOPEN_CLOEXEC)
	if err != nil {
		return -1, err
	}
	defer unix.Close(context)
	if err := unix.FsconfigSetString(context, "source", device); err != nil {
		return -1, err
	}
	options := spec.Options
	if spec.ReadOnly {
		options = append([]string{"ro"}, options...)
	}
	if spec.Type == "xfs" {
		// Images are copied and volumes have snapshots, and xfs refuses a second
		// one of the same UUID.
		options = append([]string{"nouuid"}, options...)
	}
	var attributes int
	for _, o := range options {
		if a, is := mountAttributes[o]; is {
			attributes |= a
			continue
		}
		name, value, hasValue := strings.Cut(o, "=")
		if hasValue {
			err = unix.FsconfigSetString(context, name, value)
		} else {
			err = unix.FsconfigSetFlag(context, name)
		}
		if err != nil {
			return -1, said(context, fmt.Errorf("option %s: %w", o, err))
		}
	}
	if err := unix.FsconfigCreate(context); err != nil {
		return -1, said(context, err)
	}
	if spec.ReadOnly {
		attributes |= unix.MOUNT_ATTR_RDONLY
	}
	return unix.Fsmount(context, unix.FSMOUNT_CLOEXEC, attributes)
}

// Attach puts a detached mount at a path, cut off from any propagation: a mount
// that lands on a shared one becomes shared itself.
func Attach(mount int, path string) error {
	if err := unix.MoveMount(mount, "", unix.AT_FDCWD, path, unix.MOVE_MOUNT_F_EMPTY_PATH); err != nil {
		return fmt.Errorf("attach the mount to %s: %w", path, err)
	}
	private := unix.MountAttr{Propagation: unix.MS_PRIVATE}
	if err := unix.MountSetattr(mount, "", unix.AT_EMPTY_PATH, &private); err != nil {
		return fmt.Errorf("make the mount at %s private: %w", path, err)
	}
	return nil
}

// mountAttributes are the options that belong to the mount, not the file system.
var mountAttributes = map[string]int{
	"nosuid": unix.MOUNT_ATTR_NOSUID, "nodev": unix.MOUNT_ATTR_NODEV, "noexec": unix.MOUNT_ATTR_NOEXEC,
	"noatime": unix.MOUNT_ATTR_NOATIME, "nodiratime": unix.MOUNT_ATTR_NODIRATIME, "strictatime": unix.MOUNT_ATTR_STRICTATIME,
	"nosymfollow": unix.MOUNT_ATTR_NOSYMFOLLOW,
	// What is so anyway, or says something to mount(8) alone.
	"relatime": 0, "atime": 0, "diratime": 0, "suid": 0, "dev": 0, "exec": 0, "rw": 0, "defaults": 0, "auto": 0, "noauto": 0, "nofail": 0, "_netdev": 0,
}

// said adds what the kernel wrote about an error to the context.
func said(context int, err error) error {
	buffer := make([]byte, 1024)
	if n, readErr := unix.Read(context, buffer); readErr == nil && n > 0 {
		return fmt.Errorf("%w (%s)", err, strings.TrimPrefix(strings.TrimSpace(string(buffer[:n])), "e "))
	}
	return err
}
