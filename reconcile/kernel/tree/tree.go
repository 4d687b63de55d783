// Package tree drives archives that are unpacked into folders.
//
// A tree counts when it has its name, and it gets its name when it is whole: it
// is unpacked under another one, written out to disk, and renamed. What a crash
// leaves under the other name is thrown away.
package tree

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"coppice.dev/reconcile/fault"
	"coppice.dev/reconcile/kernel/durable"
	"coppice.dev/reconcile/kernel/home"
	"coppice.dev/reconcile/layout"
	"coppice.dev/reconcile/object"
)

// unfinished ends the name of a tree that is being unpacked. A base's key and a
// session's name hold no dot.
const unfinished = ".unpacking"

// Driver drives object.Tree.
type Driver struct {
	Layout  layout.Layout
	Trashed func()
	// Progress is told how many bytes of the archive have been read, and of how
	// many. It may be nil, and must not block.
	Progress func(id object.ID, done, total int64)
}

// Owners implements driver.Finder.
func (d Driver) Owners(context.Context) ([]object.Owner, error) {
	entries, err := os.ReadDir(d.Layout.BaseTrees())
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("look for unpacked archives: %w", err)
	}
	var owners []object.Owner
	for _, e := range entries {
		name := e.Name()
		if filepath.Ext(name) == unfinished {
			name = name[:len(name)-len(unfinished)]
		}
		if layout.IsBase(name) && e.IsDir() {
			owners = append(owners, object.BaseOwner(name))
		}
	}
	return owners, nil
}

// path is where an owner's tree is.
func (d Driver) path(owner object.Owner) string {
	if owner.Class == object.Base {
		return d.Layout.BaseTree(owner.Name)
	}
	return d.Layout.Tree(owner.Name)
}

// Observe implements driver.Driver. A tree is at the only place where its
// owner's can be, and a base's name is a hash of what it was unpacked from.
func (d Driver) Observe(_ context.Context, owner object.Owner, known []object.Object) ([]object.Observed, error) {
	path := d.path(owner)
	seen := object.Observed{
		ID:   object.ID{Owner: owner, Address: object.At(object.GroupLayer, "tree")},
		Kind: object.KindTree, Name: path,
	}
	whole, err := exists(path)
	if err != nil {
		return nil, err
	}
	begun, err := exists(path + unfinished)
	if err != nil {
		return nil, err
	}
	switch {
	case !whole && !begun:
		return nil, nil
	case !whole:
		seen.Damage = "unpacking it was interrupted"
	}
	noted, err := d.saved(owner)
	if err != nil {
		return nil, err
	}
	for _, o := range known {
		spec, is := o.Spec.(object.Tree)
		if is {
			spec.Save = noted.Save
			seen.Spec, seen.Print = spec, object.PrintOf(spec)
		}
	}
	return []object.Observed{seen}, nil
}

func exists(path string) (bool, error) {
	_, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("look for tree: %w", err)
	}
	return true, nil
}

// Create implements driver.Driver.
func (d Driver) Create(ctx context.Context, o object.Object, _ []object.Object) error {
	spec := o.Spec.(object.Tree)
	making := spec.Path + unfinished
	// An archive may hold set-uid programs of any age: only sessions show it.
	if err := os.MkdirAll(filepath.Dir(making), 0o700); err != nil {
		return fault.Disk("make folder for the tree", err)
	}
	if err := home.ToTrash(d.Layout, making, d.Trashed); err != nil {
		return err
	}
	archive, total, err := open(spec)
	if err != nil {
		return err
	}
	defer archive.Close()
	if err := os.Mkdir(making, 0o755); err != nil {
		return fault.Disk("make folder for the tree", err)
	}
	// Not what the umask left of it: an archive need not say how its root is.
	if err := os.Chmod(making, 0o755); err != nil {
		return fault.Disk("make folder for the tree", err)
	}
	counted := &counter{Reader: archive, total: total, report: func(done int64) {
		if d.Progress != nil {
			d.Progress(o.ID, done, total)
		}
	}}
	if err := unpack(ctx, counted, making, spec.Archive); err != nil {
		return errors.Join(err, home.ToTrash(d.Layout, making, d.Trashed))
	}
	if err := writeOut(making); err != nil {
		return err
	}
	if err := os.Rename(making, spec.Path); err != nil {
		return fmt.Errorf("publish tree: %w", err)
	}
	// A session may write into it: what looks half unpacked after a power cut is
	// unpacked anew, and that would be lost.
	if err := durable.Flush(filepath.Dir(spec.Path)); err != nil {
		return fault.Disk("write tree to disk", err)
	}
	return nil
}

// open opens the archive and makes sure that it is the one that was admitted.
func open(spec object.Tree) (*os.File, int64, error) {
	doing := "open archive " + spec.Archive
	file, err := os.OpenFile(spec.Archive, os.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, 0, &fault.Fault{Reason: fault.SourceMissing, Doing: doing, Err: err, Hint: "put the archive there, or change the path in the manifest"}
	}
	if err != nil {
		return nil, 0, fault.Source(doing, err)
	}
	var st unix.Stat_t
	if err := unix.Fstat(int(file.Fd()), &st); err != nil {
		file.Close()
		return nil, 0, fmt.Errorf("%s: %w", doing, err)
	}
	// The device's number says nothing: a btrfs or an LVM volume has another one
	// after a reboot.
	if now := (object.FileIdentity{Device: spec.Contents.Device, Inode: st.Ino, Size: st.Size, ModTime: st.Mtim.Nano()}); now != spec.Contents {
		file.Close()
		return nil, 0, &fault.Fault{
			Reason: fault.SourceUnusable, Doing: doing, Err: errors.New("it is another file than when the session began"),
			Hint: "recreate the session to use the new one",
		}
	}
	return file, st.Size, nil
}

// writeOut puts the tree on disk before it gets its name: a tree whose files a
// power cut emptied would look whole.
func writeOut(path string) error {
	folder, err := os.Open(path)
	if err != nil {
		return err
	}
	defer folder.Close()
	if err := unix.Syncfs(int(folder.Fd())); err != nil {
		return fault.Disk("write tree to disk", err)
	}
	return nil
}

// Amend implements driver.Driver: it packs the tree into the archive's place.
func (d Driver) Amend(ctx context.Context, o object.Object) error {
	return d.save(ctx, o)
}

// Destroy implements driver.Driver.
func (d Driver) Destroy(_ context.Context, seen object.Observed) error {
	if err := d.forgetSaved(seen.Owner); err != nil {
		return err
	}
	path := d.path(seen.Owner)
	for _, p := range []string{path, path + unfinished} {
		if err := home.ToTrash(d.Layout, p, d.Trashed); err != nil {
			return err
		}
	}
	return nil
}
