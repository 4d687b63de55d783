package namespace

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
	"k8s.io/apimachinery/pkg/util/validation"

	"coppice.dev/reconcile/fault"
	"coppice.dev/reconcile/kernel/enter"
	"coppice.dev/reconcile/kernel/holders"
	"coppice.dev/reconcile/kernel/mounttable"
	"coppice.dev/reconcile/object"
)

// Views drives object.View.
//
// A view is a clone of the session's root, mounted on the host. What it was made
// with, and of which making of the namespace, stands in the name of a file
// beside the mount point, written before the mount: a view without one, or of
// another making, is damaged and made anew. In the file stands which mounts it
// shows beside the root.
type Views struct{ *Room }

// markPrefix begins the names of the files that tell of what a view is.
const markPrefix = "view."

// Owners implements driver.Finder. A folder with something else in it than what
// belongs to a view is not ours.
func (d Views) Owners(context.Context) ([]object.Owner, error) {
	entries, err := os.ReadDir(d.layout.Views())
	if err != nil {
		return nil, fmt.Errorf("look for views: %w", err)
	}
	var owners []object.Owner
	for _, e := range entries {
		if !e.IsDir() || len(validation.IsDNS1123Label(e.Name())) > 0 {
			continue
		}
		if ours, err := isView(filepath.Join(d.layout.Views(), e.Name())); err != nil {
			return owners, err
		} else if ours {
			owners = append(owners, object.SessionOwner(e.Name()))
		}
	}
	return owners, nil
}

// isView reports whether a folder holds nothing but a mount point and marks.
func isView(folder string) (bool, error) {
	entries, err := os.ReadDir(folder)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return false, fmt.Errorf("look for views: %w", err)
	}
	for _, e := range entries {
		if e.Name() != "root" && !strings.HasPrefix(e.Name(), markPrefix) {
			return false, nil
		}
	}
	return true, nil
}

// Observe implements driver.Driver.
func (d Views) Observe(_ context.Context, owner object.Owner, _ []object.Object) ([]object.Observed, error) {
	path := d.layout.View(owner.Name)
	seen := object.Observed{
		ID:   object.ID{Owner: owner, Address: object.At(object.GroupView, "root")},
		Kind: object.KindView, Name: path,
	}
	is, err := isMount(path)
	if errors.Is(err, fs.ErrNotExist) {
		if _, err := os.Lstat(filepath.Dir(path)); errors.Is(err, fs.ErrNotExist) {
			return nil, nil
		}
		seen.Damage = "it is half made"
		return []object.Observed{seen}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("look at view %s: %w", path, err)
	}
	if !is {
		seen.Damage = "nothing is mounted there"
		return []object.Observed{seen}, nil
	}
	print, instance := d.mark(path)
	if print == (object.Print{}) {
		if err := d.madeByUs(path, owner.Name); err != nil {
			return nil, err
		}
	}
	seen.Print = print
	now, ok, err := d.livePin(owner.Name)
	switch {
	case err != nil:
		return nil, err
	case print == (object.Print{}):
		seen.Damage = "nothing says what it shows"
	case !ok || now.instance != instance:
		seen.Damage = "it shows a root that is gone"
	}
	return []object.Observed{seen}, nil
}

// mark reads what the view at the path was made with.
func (d Views) mark(path string) (object.Print, string) {
	marks, err := filepath.Glob(filepath.Join(filepath.Dir(path), markPrefix+"*"))
	if err != nil || len(marks) != 1 {
		return object.Print{}, ""
	}
	parts := strings.Split(filepath.Base(marks[0]), ".")
	if len(parts) != 4 {
		return object.Print{}, ""
	}
	return object.ParsePrint(parts[1] + "." + parts[2]), parts[3]
}

// Create implements driver.Driver.
func (d Views) Create(_ context.Context, o object.Object, _ []object.Object) error {
	spec := o.Spec.(object.View)
	p, ok, err := d.livePin(o.Owner.Name)
	if err != nil {
		return err
	}
	if !ok {
		return fmt.Errorf("make view %s: the session has no namespace: %w", spec.Path, fs.ErrNotExist)
	}
	folder := filepath.Dir(spec.Path)
	if err := os.MkdirAll(spec.Path, 0o755); err != nil {
		return fmt.Errorf("make mount point: %w", err)
	}
	if is, err := isMount(spec.Path); err != nil || is {
		return errors.Join(err, fmt.Errorf("make view %s: something is mounted there: %w", spec.Path, unix.EBUSY))
	}
	if err := removeMarks(folder); err != nil {
		return err
	}
	name := markPrefix + object.PrintOf(spec).String() + "." + p.instance
	if err := os.WriteFile(filepath.Join(folder, name), []byte(strings.Join(spec.Shows, "\n")), 0o644); err != nil {
		return fmt.Errorf("note what the view shows: %w", err)
	}
	tree, err := cloneRoot(p.path, spec.Tree)
	if err != nil {
		return fmt.Errorf("make view %s: %w", spec.Path, err)
	}
	defer unix.Close(tree)
	if err := disarm(tree); err != nil {
		return fmt.Errorf("make view %s: %w", spec.Path, err)
	}
	if err := unix.MoveMount(tree, "", unix.AT_FDCWD, spec.Path, unix.MOVE_MOUNT_F_EMPTY_PATH); err != nil {
		return fmt.Errorf("attach view %s: %w", spec.Path, err)
	}
	return nil
}

// disarm takes from a view what a root could do to the host by it. Everybody there can
// go to it, and whoever made the root may have put into it a set-uid program or a
// device that anybody may write to. Inside they work as ever: this is another mount.
func disarm(view int) error {
	change := unix.MountAttr{Attr_set: unix.MOUNT_ATTR_NOSUID | unix.MOUNT_ATTR_NODEV}
	if err := unix.MountSetattr(view, "", unix.AT_EMPTY_PATH, &change); err != nil {
		return fmt.Errorf("keep the host from its set-uid programs and devices: %w", err)
	}
	return nil
}

// cloneRoot clones the root of a pinned namespace. The kernel lets only a thread
// inside clone what is mounted there.
func cloneRoot(pin string, tree bool) (fd int, err error) {
	namespace, err := os.Open(pin)
	if err != nil {
		return -1, err
	}
	defer namespace.Close()
	err = enter.Do(namespace, func(enter.Thread) (err error) {
		fd, err = clone(unix.AT_FDCWD, "/", tree)
		return err
	})
	return fd, err
}

// Amend implements driver.Driver; nothing of a view can be changed in place.
func (d Views) Amend(context.Context, object.Object) error { return nil }

// Destroy implements driver.Driver. It never unmounts lazily: who is still in
// the way is named, and nothing of the session is lost from sight.
func (d Views) Destroy(_ context.Context, seen object.Observed) error {
	path := d.layout.View(seen.Owner.Name)
	below, err := mounttable.HostBelow(path)
	if err != nil {
		return err
	}
	if err := d.foreign(path, seen.Owner.Name, below); err != nil {
		return err
	}
	for _, e := range below {
		if err := unmount(e.Mountpoint); errors.Is(err, unix.EBUSY) {
			return &fault.Fault{
				Reason: fault.Busy, Doing: "unmount " + e.Mountpoint, Err: err, Holders: inTheWay(path, e),
				Hint: "end these processes, or leave the folder with them",
			}
		} else if err != nil {
			return fmt.Errorf("unmount %s: %w", e.Mountpoint, err)
		}
	}
	// Removing the mount point makes the kernel drop copies of the mount that
	// other namespaces got of it.
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove mount point: %w", err)
	}
	folder := filepath.Dir(path)
	if err := removeMarks(folder); err != nil {
		return err
	}
	if err := os.Remove(folder); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove the view's folder: %w", err)
	}
	return nil
}

// inTheWay are the processes on the host that use the mount: those that see it
// by its path. Whoever is inside the session uses another mount of the same
// file system.
func inTheWay(path string, e *mounttable.Entry) []object.Process {
	if found := slices.Concat(holders.Below(path), holders.Loops(path)); len(found) > 0 {
		return found
	}
	return holders.OfDevice(unix.Mkdev(uint32(e.Major), uint32(e.Minor)))
}

func removeMarks(folder string) error {
	marks, err := filepath.Glob(filepath.Join(folder, markPrefix+"*"))
	if err != nil {
		return err
	}
	for _, m := range marks {
		if err := os.Remove(m); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("remove the view's mark: %w", err)
		}
	}
	return nil
}
