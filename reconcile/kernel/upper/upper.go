// Package upper drives sessions' own layers on disk: the upper and work folders
// that an overlay writes to. It never looks at what is written there.
package upper

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"coppice.dev/reconcile/fault"
	"coppice.dev/reconcile/kernel/home"
	"coppice.dev/reconcile/layout"
	"coppice.dev/reconcile/object"
)

// Driver drives object.Upper.
type Driver struct {
	Layout  layout.Layout
	Trashed func()
}

// Observe implements driver.Driver.
//
// The upper folder is made under another name and renamed when it is whole, so
// that it counts or does not. The work folder is made before it.
func (d Driver) Observe(_ context.Context, owner object.Owner, known []object.Object) ([]object.Observed, error) {
	dir := d.Layout.Upper(owner.Name)
	seen := object.Observed{
		ID:   object.ID{Owner: owner, Address: object.At(object.GroupWrite, "upper")},
		Kind: object.KindUpper, Name: dir,
	}
	for _, path := range []string{dir, d.Layout.Work(owner.Name)} {
		if _, err := os.Lstat(path); errors.Is(err, fs.ErrNotExist) {
			seen.Damage = path + " is missing"
		} else if err != nil {
			return nil, fmt.Errorf("look at upper layer: %w", err)
		}
	}
	if seen.Damage != "" {
		// Without its upper folder there is nothing to lose.
		if _, err := os.Lstat(dir); errors.Is(err, fs.ErrNotExist) {
			return nil, nil
		}
	}
	for _, o := range known {
		seen.Spec, seen.Print = o.Spec, object.PrintOf(o.Spec)
		break
	}
	if spec, is := seen.Spec.(object.Upper); is && spec.Volatile && seen.Damage == "" {
		if same, err := d.sameBoot(owner.Name); err != nil {
			return nil, err
		} else if !same {
			seen.Damage = "it was written without syncs before the machine went down"
		}
	}
	return []object.Observed{seen}, nil
}

// Create implements driver.Driver.
func (d Driver) Create(_ context.Context, o object.Object, _ []object.Object) error {
	spec := o.Spec.(object.Upper)
	making := spec.Dir + ".new"
	for _, left := range []string{making, spec.Work} {
		if err := home.ToTrash(d.Layout, left, d.Trashed); err != nil {
			return err
		}
	}
	if err := os.Mkdir(spec.Work, 0o700); err != nil {
		return fault.Disk("make work folder", err)
	}
	if err := os.Mkdir(making, 0o700); err != nil {
		return fault.Disk("make upper folder", err)
	}
	if err := copyAttributes(spec.Model, making); err != nil {
		return err
	}
	boot, err := bootID()
	if err != nil {
		return err
	}
	if err := os.WriteFile(d.bootFile(o.Owner.Name), boot, 0o600); err != nil {
		return fault.Disk("note the boot", err)
	}
	if err := os.Rename(making, spec.Dir); err != nil {
		return fmt.Errorf("publish upper folder: %w", err)
	}
	return nil
}

// Amend implements driver.Driver; nothing of an upper can be changed in place.
func (d Driver) Amend(context.Context, object.Object) error { return nil }

// Destroy implements driver.Driver.
func (d Driver) Destroy(_ context.Context, seen object.Observed) error {
	for _, path := range []string{d.Layout.Upper(seen.Owner.Name), d.Layout.Work(seen.Owner.Name), d.Layout.Upper(seen.Owner.Name) + ".new"} {
		if err := home.ToTrash(d.Layout, path, d.Trashed); err != nil {
			return err
		}
	}
	return nil
}

// bootFile tells in which boot an upper was made. A volatile one is lost with it.
func (d Driver) bootFile(session string) string { return d.Layout.Upper(session) + ".boot" }

func (d Driver) sameBoot(session string) (bool, error) {
	made, err := os.ReadFile(d.bootFile(session))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return false, fmt.Errorf("read when the upper was made: %w", err)
	}
	now, err := bootID()
	return bytes.Equal(made, now), err
}

func bootID() ([]byte, error) {
	id, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return nil, fmt.Errorf("read the boot's id: %w", err)
	}
	return id, nil
}

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
		if strings.HasPrefix(name, "trusted.overlay.") {
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
