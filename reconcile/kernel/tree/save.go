package tree

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"coppice.dev/reconcile/fault"
	"coppice.dev/reconcile/kernel/durable"
	"coppice.dev/reconcile/object"
)

// saved is what is noted beside a session's tree of the archives that it was
// packed into.
type saved struct {
	// Save is the last one that is done, and Archive which file is there since.
	Save    int                 `json:"save"`
	Archive object.FileIdentity `json:"archive"`
	// Place is where the archive really is, and Draft where the next one is packed,
	// beside it; Expected is which file may be replaced by it.
	Place    string              `json:"place,omitempty"`
	Draft    string              `json:"draft,omitempty"`
	Expected object.FileIdentity `json:"expected"`
	// Next is the one that is packed and about to take its place, as Packed.
	Next   int                 `json:"next,omitempty"`
	Packed object.FileIdentity `json:"packed"`
}

func (d Driver) saved(owner object.Owner) (saved, error) {
	var s saved
	if owner.Class != object.Session {
		return s, nil
	}
	text, err := os.ReadFile(d.Layout.Saved(owner.Name))
	if errors.Is(err, fs.ErrNotExist) {
		return s, nil
	}
	if err != nil {
		return s, fmt.Errorf("read what was saved: %w", err)
	}
	if err := json.Unmarshal(text, &s); err != nil {
		return s, fmt.Errorf("read what was saved, %s: %w", d.Layout.Saved(owner.Name), err)
	}
	return s, nil
}

func (d Driver) note(owner object.Owner, s saved) error {
	text, err := json.Marshal(s)
	if err == nil {
		err = durable.Write(d.Layout.Saved(owner.Name), text, 0o600)
	}
	if err != nil {
		return fault.Disk("note what is saved", err)
	}
	return nil
}

// save packs a session's tree into a new archive beside the old one, and puts it
// into its place in one call. The old one has to be that which the session began
// with, or the last that it packed: what others put there meanwhile is not lost.
//
// The note tells after a crash whether the new one has its place: a rename keeps
// the file's identity.
func (d Driver) save(ctx context.Context, o object.Object) error {
	spec := o.Spec.(object.Tree)
	noted, err := d.saved(o.Owner)
	if err != nil || spec.Save <= noted.Save || o.Owner.Class != object.Session {
		return err
	}
	if placed(noted) {
		if noted, err = d.settle(o.Owner, noted); err != nil || spec.Save <= noted.Save {
			return err
		}
	}
	if noted.Place, err = filepath.EvalSymlinks(spec.Archive); err != nil {
		return fault.Source("look for archive", err)
	}
	// Its name says whose it is.
	noted.Draft = filepath.Join(filepath.Dir(noted.Place), "."+filepath.Base(noted.Place)+".coppice-"+o.Owner.Name)
	noted.Next, noted.Expected = 0, spec.Contents
	if noted.Save > 0 {
		noted.Expected = noted.Archive
	}
	if now, err := identify(noted.Place); err != nil {
		return err
	} else if !same(now, noted.Expected) {
		return changed(noted.Place)
	}
	if err := d.note(o.Owner, noted); err != nil {
		return err
	}
	if err := discard(noted.Draft); err != nil { // packed in part
		return err
	}
	if err := d.pack(ctx, o.ID, spec.Path, noted.Place, noted.Draft); err != nil {
		return errors.Join(err, discard(noted.Draft))
	}
	if noted.Packed, err = identify(noted.Draft); err != nil {
		return err
	}
	noted.Next = spec.Save
	if err := d.note(o.Owner, noted); err != nil {
		return err
	}
	return d.publish(o.Owner, noted)
}

// placed reports whether a new archive has its place, and that was not noted.
func placed(noted saved) bool {
	if noted.Next == 0 {
		return false
	}
	now, err := identify(noted.Place)
	return err == nil && same(now, noted.Packed)
}

// publish gives the new archive the place of the old one. The two change places,
// so that what was there is still there if it turns out to be somebody's.
func (d Driver) publish(owner object.Owner, noted saved) error {
	err := exchange(noted)
	if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOSYS) {
		// A file system that cannot do that: look once more, and be quick.
		now, lookErr := identify(noted.Place)
		if lookErr != nil {
			return lookErr
		}
		if !same(now, noted.Expected) {
			return errors.Join(changed(noted.Place), discard(noted.Draft))
		}
		err = os.Rename(noted.Draft, noted.Place)
	}
	if err != nil {
		return fault.Disk("put the new archive into its place", err)
	}
	_, err = d.settle(owner, noted)
	return err
}

func exchange(noted saved) error {
	return unix.Renameat2(unix.AT_FDCWD, noted.Draft, unix.AT_FDCWD, noted.Place, unix.RENAME_EXCHANGE)
}

// settle is what is left to do when the new archive has its place.
func (d Driver) settle(owner object.Owner, noted saved) (saved, error) {
	old, err := identify(noted.Draft)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return noted, err
	case !same(old, noted.Expected):
		if err := exchange(noted); err != nil {
			return noted, fmt.Errorf("put back the archive that somebody else made: %w", err)
		}
		return noted, errors.Join(changed(noted.Place), discard(noted.Draft))
	}
	if err := durable.Flush(filepath.Dir(noted.Place)); err != nil {
		return noted, fault.Disk("write the archive's folder to disk", err)
	}
	draft := noted.Draft
	noted = saved{Save: noted.Next, Archive: noted.Packed, Place: noted.Place, Draft: draft, Expected: noted.Packed}
	if err := d.note(owner, noted); err != nil {
		return noted, err
	}
	return noted, discard(draft)
}

// forgetSaved removes what a save that was interrupted has left beside the
// archive. What it had packed goes with it, unless it has its place already.
func (d Driver) forgetSaved(owner object.Owner) error {
	noted, err := d.saved(owner)
	if err != nil || noted.Draft == "" {
		return err
	}
	if placed(noted) {
		_, err := d.settle(owner, noted)
		if fault.ReasonOf(err) == fault.SourceUnusable {
			err = nil // what others made is in its place again
		}
		return err
	}
	return discard(noted.Draft)
}

func identify(path string) (object.FileIdentity, error) {
	var st unix.Stat_t
	if err := unix.Lstat(path, &st); err != nil {
		return object.FileIdentity{}, &fs.PathError{Op: "lstat", Path: path, Err: err}
	}
	return object.FileIdentity{Device: st.Dev, Inode: st.Ino, Size: st.Size, ModTime: st.Mtim.Nano()}, nil
}

// same reports whether it is the file that it was. The device's number says
// nothing: it may be another one after a reboot.
func same(a, b object.FileIdentity) bool {
	a.Device, b.Device = 0, 0
	return a == b
}

func changed(place string) error {
	return &fault.Fault{
		Reason: fault.SourceUnusable, Doing: "put what was written into the place of " + place,
		Err:  errors.New("somebody changed it since the session began, and that would be lost"),
		Hint: "copy what is needed out of the session with coppice cp, and end it",
	}
}

func discard(draft string) error {
	if err := os.Remove(draft); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove %s: %w", draft, err)
	}
	return nil
}
