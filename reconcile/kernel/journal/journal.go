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

	"coppice.dev/reconcile/fault"
	"coppice.dev/reconcile/kernel/durable"
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
	// Lost: there is an entry, and it cannot be read, as after a power cut.
	Lost State = "lost"
)

// Entry is what is known of one task.
type Entry struct {
	Object object.Object `json:"object"`
	State  State         `json:"state"`
	// Instance is the making of the namespace that the task was done in.
	Instance string `json:"instance,omitempty"`
	// Attempts counts how often undoing it has failed.
	Attempts int `json:"attempts,omitempty"`
	// Process is the one that does the task, where nothing better tells whose it
	// is: on machines without cgroup v2.
	Process *Process `json:"process,omitempty"`
}

// Process names one process, and no other that is given its number later.
type Process struct {
	PID int `json:"pid"`
	// Start is when it began, in the kernel's ticks since the boot.
	Start uint64 `json:"start"`
	// Boot is which boot that was.
	Boot string `json:"boot"`
}

// Journal keeps the entries of all sessions.
type Journal struct{ Layout layout.Layout }

// Read returns a session's entries of one kind in the order of making. Of one
// that cannot be read its file's name is left: it is Lost if that is the name of
// a task among the known, and left out if not, so that the task is done anew.
func (j Journal) Read(session string, kind object.Kind, known ...object.Object) ([]Entry, error) {
	folder := j.Layout.Journal(session)
	names, err := os.ReadDir(folder)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, unreadable(folder, err)
	}
	var entries []Entry
	lost := map[string]object.Object{}
	for _, o := range slices.Backward(known) { // the first counts
		if o.Kind() == kind {
			lost[fileName(o.ID)] = o
		}
	}
	for _, name := range names {
		text, err := os.ReadFile(filepath.Join(folder, name.Name()))
		if err != nil {
			return nil, unreadable(filepath.Join(folder, name.Name()), err)
		}
		var e Entry
		if json.Unmarshal(text, &e) != nil || e.Object.Spec == nil {
			if o, is := lost[name.Name()]; is {
				entries = append(entries, Entry{Object: o, State: Lost})
			}
			continue
		}
		if e.Object.Kind() != kind {
			continue
		}
		if e.Object.Owner != object.SessionOwner(session) || fileName(e.Object.ID) != name.Name() {
			continue // another's, or one that was being written when something died
		}
		entries = append(entries, e)
	}
	slices.SortFunc(entries, func(a, b Entry) int { return a.Object.Compare(b.Object.ID) })
	return entries, nil
}

// unreadable explains why nothing is done before somebody has decided: whether
// hooks have run is not to be guessed.
func unreadable(path string, err error) error {
	if !durable.Lost(err) {
		return fmt.Errorf("read journal: %w", err)
	}
	return &fault.Fault{
		Reason: fault.DiskFailing, Doing: "read journal", Err: err,
		Hint: "repair its file system; or remove " + path + ": hooks noted there are then run anew, or not undone if the session is to end",
	}
}

// Find returns the entry of a task.
func (j Journal) Find(o object.Object) (Entry, bool, error) {
	entries, err := j.Read(o.Owner.Name, o.Kind(), o)
	for _, e := range entries {
		if e.Object.Address == o.Address {
			return e, true, nil
		}
	}
	return Entry{}, false, err
}

// Write notes an entry, whole or not at all. It is on disk when it returns, with
// the names of the folders that it is in, but for files: a power cut takes the
// root that they were written into as well.
func (j Journal) Write(e Entry) error {
	text, err := json.Marshal(e)
	if err != nil {
		return fmt.Errorf("encode journal of %s: %w", e.Object.ID, err)
	}
	if err := os.Mkdir(j.Layout.Journal(e.Object.Owner.Name), 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return fault.Disk("make journal", err)
	}
	path, session := j.path(e.Object.ID), e.Object.Owner.Name
	if e.Object.Kind() == object.KindFile {
		err = durable.Replace(path, text, 0o600)
	} else {
		// What a hook did may outlive the power cut, whatever else does not: then
		// it is undone by what stands here.
		_, unknown := os.Lstat(path)
		if err = durable.Write(path, text, 0o600); err == nil && unknown != nil {
			err = errors.Join(durable.Flush(j.Layout.Home(session)), durable.Flush(j.Layout.Homes()))
		}
	}
	if err != nil {
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

func (j Journal) path(id object.ID) string {
	return filepath.Join(j.Layout.Journal(id.Owner.Name), fileName(id))
}

// fileName is the name of the file with the entry of a task. Addresses too long
// for a name are told apart by a hash.
func fileName(id object.ID) string {
	const most = 200
	name := strings.NewReplacer("%", "%25", "/", "%2F").Replace(string(id.Address))
	if len(name) > most {
		name = name[:most] + object.PrintOf(object.File{Target: string(id.Address)}).Whole
	}
	return name
}
