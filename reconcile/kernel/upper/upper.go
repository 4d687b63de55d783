// Package upper drives sessions' own layers on disk: the upper and work folders
// that an overlay writes to. It never looks at what is written there.
//
// A small file in the home says what they were made with, and in which boot. They lie
// in the home; if they are limited, in a folder of it (see the package quota) or in the
// session's store (see the package store), which may not be mounted: the file then
// tells of what is in it.
package upper

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"coppice.dev/reconcile/fault"
	"coppice.dev/reconcile/kernel/durable"
	"coppice.dev/reconcile/kernel/rmtree"
	"coppice.dev/reconcile/layout"
	"coppice.dev/reconcile/object"
)

// Driver drives object.Upper.
type Driver struct {
	Layout layout.Layout
	// Trashed is told when something was put into the trash. It must not block.
	Trashed func()
}

// making is the upper's own note.
type making struct {
	Boot string        `json:"boot"` // a volatile upper is lost with it
	Spec *object.Upper `json:"spec,omitempty"`
}

// Observe implements driver.Driver.
//
// The upper folder is made under another name and renamed when it is whole, so
// that it counts or does not. The work folder is made before it.
func (d Driver) Observe(_ context.Context, owner object.Owner, known []object.Object) ([]object.Observed, error) {
	at, err := d.place(owner.Name)
	if err != nil {
		return nil, err
	}
	seen := object.Observed{
		ID:   object.ID{Owner: owner, Address: object.At(object.GroupWrite, "upper")},
		Kind: object.KindUpper, Name: at.dir,
	}
	made, err := d.made(owner.Name)
	if err != nil {
		return nil, err
	}
	if at.shut {
		if made.Spec == nil {
			return nil, nil // what is in it is looked at when it is mounted
		}
		seen.Note = "the store that it lies in is not mounted"
	} else if _, err := os.Lstat(at.dir); errors.Is(err, fs.ErrNotExist) {
		return nil, nil // a work folder alone is nothing; the next Create clears it away
	} else if err != nil {
		return nil, fmt.Errorf("look at upper layer: %w", err)
	}
	if made.Spec != nil {
		seen.Spec = *made.Spec
	} else if len(known) > 0 {
		seen.Spec = known[0].Spec // the note was lost, as in a power cut
	}
	if seen.Spec == nil {
		return []object.Observed{seen}, nil
	}
	seen.Print = object.PrintOf(seen.Spec)
	if _, err := os.Lstat(at.work); errors.Is(err, fs.ErrNotExist) && !at.shut {
		// What was written is whole; Amend makes the work folder.
		seen.Print.Whole, seen.Note = "", "its work folder is missing"
	} else if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("look at work folder: %w", err)
	}
	if spec, is := seen.Spec.(object.Upper); is && spec.Volatile {
		now, err := bootID()
		if err != nil {
			return nil, err
		}
		if made.Boot != now {
			seen.Damage = "it was written without syncs before the machine went down"
		}
	}
	return []object.Observed{seen}, nil
}

// Create implements driver.Driver.
func (d Driver) Create(ctx context.Context, o object.Object, _ []object.Object) error {
	spec := o.Spec.(object.Upper)
	if err := d.clear(ctx, o.Owner.Name, spec); err != nil {
		return err
	}
	unfinished := spec.Dir + ".new"
	if err := os.Mkdir(spec.Work, 0o700); err != nil {
		return fault.Disk("make work folder", err)
	}
	if err := os.Mkdir(unfinished, 0o700); err != nil {
		return fault.Disk("make upper folder", err)
	}
	if err := copyAttributes(spec.Model, unfinished); err != nil {
		return err
	}
	if err := d.note(o.Owner.Name, spec); err != nil {
		return err
	}
	if err := os.Rename(unfinished, spec.Dir); err != nil {
		return fmt.Errorf("publish upper folder: %w", err)
	}
	if spec.Volatile {
		return nil
	}
	// What people sync inside must not hang on a name that a power cut takes.
	if err := errors.Join(durable.Flush(spec.Dir), durable.Flush(filepath.Dir(spec.Dir))); err != nil {
		return fault.Disk("make upper folder", err)
	}
	return nil
}

// clear takes away what is left of an upper that was not made whole.
func (d Driver) clear(ctx context.Context, session string, spec object.Upper) error {
	_, err := os.Lstat(spec.Dir)
	if err == nil {
		err = fs.ErrExist // its work folder may be in use; it must not be taken away
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("make upper folder %s: %w", spec.Dir, err)
	}
	at := d.home(session)
	switch spec.Dir {
	case d.Layout.StoredUpper(session):
		at = d.stored(session)
	case d.Layout.LayerUpper(session):
		at = d.counted(session)
	}
	if at.shut {
		return fmt.Errorf("make upper folder %s: its store is not mounted: %w", spec.Dir, fs.ErrNotExist)
	}
	for _, left := range []string{spec.Dir + ".new", spec.Work} {
		if err := d.discard(at, left); err != nil {
			return err
		}
	}
	if at.in == "" {
		return nil
	}
	// What a former upper held went here in no time, and has its time now.
	return rmtree.Remove(ctx, at.in, gone)
}

// Amend implements driver.Driver: it makes a work folder that is missing. That is
// all that can be done to an upper without losing what was written.
func (d Driver) Amend(_ context.Context, o object.Object) error {
	err := os.Mkdir(o.Spec.(object.Upper).Work, 0o700)
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return fault.Disk("make work folder", err)
	}
	return nil
}

// Destroy implements driver.Driver.
func (d Driver) Destroy(_ context.Context, seen object.Observed) error {
	session := seen.Owner.Name
	for _, at := range []place{d.home(session), d.stored(session), d.counted(session)} {
		if at.shut {
			continue // it goes with its store
		}
		for _, path := range []string{at.dir, at.work, at.dir + ".new"} {
			if err := d.discard(at, path); err != nil {
				return err
			}
		}
	}
	if err := os.Remove(d.noteFile(session)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove the upper's note: %w", err)
	}
	return nil
}

func (d Driver) noteFile(session string) string { return d.Layout.Upper(session) + ".boot" }

// note writes what the upper is made with.
func (d Driver) note(session string, spec object.Upper) error {
	boot, err := bootID()
	if err != nil {
		return err
	}
	text, err := json.Marshal(making{boot, &spec})
	if err != nil {
		return fmt.Errorf("encode the upper's note: %w", err)
	}
	write := durable.Write
	if spec.Volatile {
		write = durable.Replace // a power cut takes what it tells of as well
	}
	if err := write(d.noteFile(session), text, 0o600); err != nil {
		return fault.Disk("note what the upper is made with", err)
	}
	return nil
}

// made reads the note; nothing, if there is none that can be read.
func (d Driver) made(session string) (making, error) {
	text, err := os.ReadFile(d.noteFile(session))
	if errors.Is(err, fs.ErrNotExist) || durable.Lost(err) {
		return making{}, nil
	}
	if err != nil {
		return making{}, fmt.Errorf("read what the upper was made with: %w", err)
	}
	var m making
	if json.Unmarshal(text, &m) != nil { // what a power cut left of it
		m = making{}
	}
	return m, nil
}

func bootID() (string, error) {
	id, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return "", fmt.Errorf("read the boot's id: %w", err)
	}
	return strings.TrimSpace(string(id)), nil
}
