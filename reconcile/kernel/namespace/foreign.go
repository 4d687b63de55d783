package namespace

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"coppice.dev/reconcile/fault"
	"coppice.dev/reconcile/kernel/enter"
	"coppice.dev/reconcile/kernel/mounttable"
)

// madeByUs fails if what is mounted at a view's place is not known to be a view:
// it has no mark, and does not carry the session's label either. It may be
// anybody's, and stays.
func (d Views) madeByUs(path, session string) error {
	if marks, err := filepath.Glob(filepath.Join(filepath.Dir(path), markPrefix+"*")); err != nil || len(marks) > 0 {
		return err // somebody spoilt it, but it is one
	}
	mounts, err := mounttable.HostBelow(path)
	if err != nil {
		return err
	}
	for _, e := range mounts {
		if e.Mountpoint != path {
			continue
		}
		if _, ours := d.ours(e.Source, session); !ours {
			return inOurPlace(e)
		}
	}
	return nil
}

// foreign fails if one of the mounts at a view and below it is not the view's:
// what somebody mounted over it, or into it. A view is a clone of what was in the
// session's namespace; as long as that is there, it tells what belongs in the
// view, as do the view's mark and the mounts' labels.
func (d Views) foreign(path, session string, mounts []*mounttable.Entry) error {
	namespace, err := d.Open(session)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer namespace.Close()
	shown, err := pointsOf(namespace)
	if err != nil {
		return err
	}
	noted, err := shows(filepath.Dir(path))
	if err != nil {
		return err
	}
	shown = append(shown, noted...)
	for i, e := range mounts { // the last mounted first
		if e.Mountpoint == path {
			if i < len(mounts)-1 {
				return inOurPlace(e) // the view itself is under it
			}
			continue
		}
		_, ours := d.ours(e.Source, session)
		inside := strings.TrimPrefix(e.Mountpoint, path)
		if !ours && !slices.ContainsFunc(shown, func(at string) bool {
			return at != "/" && strings.HasPrefix(inside+"/", at+"/") // what is recursive has more below
		}) {
			return inOurPlace(e)
		}
	}
	return nil
}

// shows returns what a view's mark says that it shows.
func shows(folder string) ([]string, error) {
	marks, err := filepath.Glob(filepath.Join(folder, markPrefix+"*"))
	var targets []string
	for _, mark := range marks {
		text, readErr := os.ReadFile(mark)
		if readErr != nil {
			return nil, fmt.Errorf("read the view's mark: %w", readErr)
		}
		for line := range strings.Lines(string(text)) {
			target, _, _ := strings.Cut(strings.TrimSpace(line), " ")
			if target != "" {
				targets = append(targets, target)
			}
		}
	}
	return targets, err
}

// pointsOf returns where something is mounted in a namespace.
func pointsOf(namespace *os.File) (points []string, err error) {
	err = enter.Do(namespace, func(t enter.Thread) error {
		table, err := mounttable.Inside(t)
		for _, e := range table {
			points = append(points, e.Mountpoint)
		}
		return err
	})
	return points, err
}

func inOurPlace(e *mounttable.Entry) error {
	return &fault.Fault{
		Reason: fault.TargetUnusable, Doing: "look at " + e.Mountpoint,
		Err:  fmt.Errorf("%s (%s) is mounted there, which is not ours", e.Source, e.FSType),
		Hint: "unmount it: umount " + e.Mountpoint,
	}
}
