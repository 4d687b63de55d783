// Package journal keeps what cannot be read back from the world: which tasks
// were done for a session. One small file a task, in the session's home, is
// written before the task is begun and again when it is done. It carries the
// task's spec, so that what was done can be undone when nobody else remembers.
package journal

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/google/renameio/v2"

	"coppice.dev/reconcile/fault"
	"coppice.dev/reconcile/layout"
	"coppice.dev/reconcile/object"
)

// State is how far a task has come.
type State string

// The states.
const (
	// Begun: it may have been done, in part or whole.
	Begun State = "begun"
	// Failed: it was begun, and it said so.
	Failed State = "failed"
	// Done: it was done. A stop hook is done when it is armed.
	Done State = "done"
)

// Entry is what is known of one task.
type Entry struct {
	Object object.Object `json:"object"`
	State  State         `json:"state"`
	// Instance is the making of the namespace that the task was done in.
	Instance string `json:"instance,omitempty"`
	// Attempts counts how often undoing it has failed.
	Attempts int `json:"attempts,omitempty"`
}

// Journal keeps the entries of all sessions.
type Journal struct{ Layout layout.Layout }

// Read returns a session's entries of one kind in the order of making. An entry
// that cannot be read, as after a power cut, is left out: its task is done anew.
func (j Journal) Read(session string, kind object.Kind) ([]Entry, error) {
	folder := j.Layout.Journal(session)
	names, err := os.ReadDir(folder)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read journal: %w", err)
	}
	var entries []Entry
	for _, name := range names {
		text, err := os.ReadFile(filepath.Join(folder, name.Name()))
		if err != nil {
			return nil, fmt.Errorf("read journal: %w", err)
		}
		var e Entry
		if json.Unmarshal(text, &e) != nil || e.Object.Spec == nil || e.Object.Kind() != kind || e.Object.Owner != object.SessionOwner(session) {
			continue
		}
		entries = append(entries, e)
	}
	slices.SortFunc(entries, func(a, b Entry) int { return a.Object.Compare(b.Object.ID) })
	return entries, nil
}

// Find returns the entry of one task.
func (j Journal) Find(id object.ID, kind object.Kind) (Entry, bool, error) {
	entries, err := j.Read(id.Owner.Name, kind)
	for _, e := range entries {
		if e.Object.Address == id.Address {
			return e, true, nil
		}
	}
	return Entry{}, false, err
}

// Write notes an entry, whole or not at all, on disk when it returns.
func (j Journal) Write(e Entry) error {
	text, err := json.Marshal(e)
	if err != nil {
		return fmt.Errorf("encode journal of %s: %w", e.Object.ID, err)
	}
	if err := os.Mkdir(j.Layout.Journal(e.Object.Owner.Name), 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return fault.Disk("make journal", err)
	}
	if err := renameio.WriteFile(j.path(e.Object.ID), text, 0o600); err != nil {
		return fault.Disk("write journal of "+e.Object.String(), err)
	}
	return nil
}

// Remove forgets a task.
func (j Journal) Remove(id object.ID) error {
	if err := os.Remove(j.path(id)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove journal entry: %w", err)
	}
	return nil
}

// path is where the entry of a task is kept. Addresses that end alike after a
// long path are told apart by their print.
func (j Journal) path(id object.ID) string {
	const most = 200
	name := strings.NewReplacer("%", "%25", "/", "%2F").Replace(string(id.Address))
	if len(name) > most {
		name = name[:most] + object.PrintOf(object.File{Target: string(id.Address)}).Whole
	}
	return filepath.Join(j.Layout.Journal(id.Owner.Name), name)
}
