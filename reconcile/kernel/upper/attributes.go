package upper

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"coppice.dev/reconcile/fault"
	"coppice.dev/reconcile/object"
)

// copyAttributes gives the folder the owner, mode and extended attributes of the
// model, since the upper becomes the "/" that people see.
func copyAttributes(model object.Layer, to string) error {
	from, err := openModel(model)
	if err != nil {
		return err
	}
	defer unix.Close(from)
	var st unix.Stat_t
	if err := unix.Fstat(from, &st); err != nil {
		return fmt.Errorf("look at %s: %w", model.Path, err)
	}
	if err := copyXattrs(from, to); err != nil {
		return fmt.Errorf("copy attributes of %s: %w", model.Path, err)
	}
	if err := os.Chown(to, int(st.Uid), int(st.Gid)); err != nil {
		return err
	}
	return unix.Chmod(to, st.Mode&0o7777)
}

func openModel(model object.Layer) (int, error) {
	root, err := unix.Open(model.Path, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return -1, &fault.Fault{Reason: fault.SourceMissing, Doing: "open " + model.Path, Err: err, Hint: "make the folder, or change the path in the manifest"}
	}
	if err != nil || model.Location == "" {
		return root, err
	}
	defer unix.Close(root)
	fd, err := unix.Openat2(root, model.Location, &unix.OpenHow{
		Flags:   unix.O_RDONLY | unix.O_DIRECTORY | unix.O_CLOEXEC,
		Resolve: unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_MAGICLINKS,
	})
	if err != nil {
		return -1, &fault.Fault{
			Reason: fault.SourceMissing, Doing: fmt.Sprintf("open location %s below %s", model.Location, model.Path), Err: err,
			Hint: "change the location in the chroot's source",
		}
	}
	return fd, nil
}

// copyXattrs copies what a lower layer's folder may hand on. overlayfs keeps its
// own notes in trusted.overlay.*, which must not be copied.
func copyXattrs(from int, to string) error {
	size, err := unix.Flistxattr(from, nil)
	if errors.Is(err, unix.ENOTSUP) || err == nil && size == 0 {
		return nil
	}
	if err != nil {
		return err
	}
	names := make([]byte, size)
	if size, err = unix.Flistxattr(from, names); err != nil {
		return err
	}
	for name := range strings.SplitSeq(strings.TrimRight(string(names[:size]), "\x00"), "\x00") {
		if name == "" || strings.HasPrefix(name, "trusted.overlay.") {
			continue
		}
		value := make([]byte, 64<<10) // the most an attribute can hold
		n, err := unix.Fgetxattr(from, name, value)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		if err := unix.Setxattr(to, name, value[:n], 0); err != nil && !errors.Is(err, unix.ENOTSUP) {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}
