package disk

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"coppice.dev/reconcile/fault"
	"coppice.dev/reconcile/object"
)

// note says what the mount at an owner's place is. It is the text of a symbolic
// link, which is there whole or not at all.
type note struct {
	print object.Print
	mount uint64 // the mount's number, as statx(2) and mountinfo have it
}

// note reads the note of an owner's mount; the zero note if there is none, or
// nothing that can be read.
func (d Driver) note(owner object.Owner) (note, error) {
	text, err := os.Readlink(d.Layout.DiskNote(owner))
	if errors.Is(err, fs.ErrNotExist) {
		return note{}, nil
	}
	if err != nil {
		return note{}, fmt.Errorf("read note of mount: %w", err)
	}
	var print string
	var mount uint64
	if _, err := fmt.Sscanf(text, "%s %d", &print, &mount); err != nil {
		return note{}, nil //nolint:nilerr // whoever wrote it, it says nothing
	}
	return note{object.ParsePrint(print), mount}, nil
}

// write puts the note there, in the place of one before it.
func (d Driver) write(owner object.Owner, n note) error {
	path := d.Layout.DiskNote(owner)
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fault.Disk("note what is mounted", err)
	}
	if err := os.Symlink(fmt.Sprintf("%s %d", n.print, n.mount), path); err != nil {
		return fault.Disk("note what is mounted", err)
	}
	return nil
}
