package lease

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"coppice.dev/reconcile/kernel/cgroup"
	"coppice.dev/reconcile/object"
)

// Sessions names the sessions that something is noted of.
func (b Book) Sessions() ([]string, error) {
	if b.Folder == "" {
		return nil, nil // nothing is kept account of
	}
	entries, err := os.ReadDir(b.Folder)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("look for leases: %w", err)
	}
	var names []string
	for _, e := range entries {
		if e.IsDir() {
			names = append(names, e.Name())
		}
	}
	return names, nil
}

// Knows reports whether there is a lease of that name.
func (b Book) Knows(session, id string) bool {
	_, err := os.Stat(b.lease(session, id).File)
	return err == nil
}

// Failure returns where the keeper notes that the command failed that the session
// was begun for.
func (b Book) Failure(session string) string { return filepath.Join(b.Folder, session, failure) }

// failure is a file's name that no lease has.
const failure = "failed"

// Visits returns what is noted of those who were inside. A folder changes when a
// lease in it begins or ends.
func (b Book) Visits(session string) (object.Visits, error) {
	var v object.Visits
	if b.Folder == "" {
		return v, nil
	}
	folder := filepath.Join(b.Folder, session)
	info, err := os.Stat(folder)
	if errors.Is(err, fs.ErrNotExist) {
		return v, nil
	}
	if err != nil {
		return v, fmt.Errorf("look for leases: %w", err)
	}
	v.Last = info.ModTime()
	records, err := filepath.Glob(filepath.Join(folder, "[^.]*.json"))
	if err != nil {
		return v, fmt.Errorf("look for leases: %w", err)
	}
	v.Open = len(records)
	text, err := os.ReadFile(b.Failure(session))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return v, fmt.Errorf("look for leases: %w", err)
	}
	v.Failed = string(text)
	return v, nil
}

// List returns a session's leases, the oldest first, and removes those that are
// over.
func (b Book) List(session string) ([]Lease, error) {
	if b.Folder == "" {
		return nil, nil
	}
	entries, err := os.ReadDir(filepath.Join(b.Folder, session))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("look for leases: %w", err)
	}
	var list []Lease
	for _, e := range entries {
		id, is := strings.CutSuffix(e.Name(), ".json")
		if !is || strings.HasPrefix(id, ".") {
			continue
		}
		l := b.lease(session, id)
		text, err := os.ReadFile(l.File)
		if errors.Is(err, fs.ErrNotExist) {
			continue // it has just ended
		}
		if err != nil {
			return nil, fmt.Errorf("read lease: %w", err)
		}
		if err := json.Unmarshal(text, &l.Record); err != nil {
			l.Command = "?" // spoiled; it is still somebody's
		}
		alive, err := b.look(&l)
		if err != nil {
			return nil, err
		}
		if alive {
			list = append(list, l)
		}
	}
	slices.SortFunc(list, func(a, b Lease) int { return cmp.Or(a.Since.Compare(b.Since), cmp.Compare(a.ID, b.ID)) })
	return list, nil
}

// look tells whether a lease lasts, and removes one that does not.
func (b Book) look(l *Lease) (bool, error) {
	if l.Group != "" {
		var err error
		if l.PIDs, err = cgroup.Members(l.Group); err != nil {
			return false, err
		}
	}
	if len(l.PIDs) > 0 || l.Keeper.runs() || l.Keeper.PID == 0 && (l.Starter.runs() || time.Since(l.Since) < starting) {
		return true, nil
	}
	if l.Group != "" {
		err := cgroup.Remove(l.Group)
		if errors.Is(err, unix.EBUSY) {
			return true, nil // somebody is just coming or going
		}
		if err != nil {
			return false, err
		}
	}
	return false, remove(l.File)
}

// keeperOf returns the process that has a number now.
func keeperOf(pid int) (Keeper, error) {
	started, err := StartOf(pid)
	return Keeper{PID: pid, Started: started}, err
}

// runs reports whether the keeper is there.
func (k Keeper) runs() bool {
	if k.PID <= 0 {
		return false
	}
	now, err := keeperOf(k.PID)
	return err == nil && now == k
}

// StartOf returns when a process was started, field 22 of proc_pid_stat(5). One
// that has ended and was not waited for is gone: fs.ErrNotExist.
func StartOf(pid int) (uint64, error) {
	fields, err := stat(pid)
	if err != nil {
		return 0, err
	}
	return strconv.ParseUint(fields[19], 10, 64)
}

// FamilyOf returns the parent of a process and its session (setsid(2)); zeros if
// it is gone.
func FamilyOf(pid int) (parent, session int) {
	fields, err := stat(pid)
	if err != nil {
		return 0, 0
	}
	parent, _ = strconv.Atoi(fields[1]) // the kernel writes numbers
	session, _ = strconv.Atoi(fields[3])
	return parent, session
}

// stat returns the fields of proc_pid_stat(5) from the third on.
func stat(pid int) ([]string, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if errors.Is(err, unix.ESRCH) {
		err = fs.ErrNotExist
	}
	if err != nil {
		return nil, err
	}
	// The second field is a name in brackets, which may hold anything.
	fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
	if len(fields) < 20 {
		return nil, fmt.Errorf("read state of process %d: it has %d fields", pid, len(fields))
	}
	if fields[0] == "Z" || fields[0] == "X" {
		return nil, fs.ErrNotExist
	}
	return fields, nil
}
