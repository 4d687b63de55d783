package manifests

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/fsnotify/fsnotify"
)

// watch keeps inotify watches on all folders in which a change may mean one to
// what is watched.
type watch struct {
	notify  *fsnotify.Watcher // nil if there can be none
	watched map[string]place
	failed  bool
	trouble func(error)
	told    bool
}

// deaf reports whether changes may go unheard.
func (w *watch) deaf() bool { return w.notify == nil || w.failed }

func (w *watch) fail(err error) {
	w.failed = true
	if w.trouble != nil && !w.told {
		w.told = true
		w.trouble(fmt.Errorf("nothing tells of changes in the watched folders (%w), so they are looked at every %s; %s", err, poll, advice(err)))
	}
}

// advice says what to do about an error of inotify(7).
func advice(err error) string {
	switch {
	case errors.Is(err, syscall.EMFILE):
		return "raise sysctl fs.inotify.max_user_instances, or the limit of open files"
	case errors.Is(err, syscall.ENOSPC):
		return "raise sysctl fs.inotify.max_user_watches"
	default:
		return "it is tried again each time"
	}
}

// open begins to hear, if that did not work before.
func (w *watch) open() error {
	if w.notify != nil {
		return nil
	}
	notify, err := fsnotify.NewWatcher()
	if err == nil {
		w.notify = notify
	}
	return err
}

func (w *watch) close() {
	if w.notify != nil {
		_ = w.notify.Close() // nothing is lost with it
	}
}

// errors returns the channel of what went wrong while hints were waited for, such as
// too many of them at once. It has to be read: nothing is heard before that was.
func (w *watch) errors() <-chan error {
	if w.notify == nil {
		return nil
	}
	return w.notify.Errors
}

// events returns the channel of hints; a nil one, which is never ready, if there
// are none.
func (w *watch) events() <-chan fsnotify.Event {
	if w.notify == nil {
		return nil
	}
	return w.notify.Events
}

// heard takes note of a folder that went. Another may be there already, with the
// same number as this one had: it is to be watched all the same.
func (w *watch) heard(e fsnotify.Event) {
	if e.Has(fsnotify.Remove) || e.Has(fsnotify.Rename) {
		delete(w.watched, e.Name)
	}
}

// follow watches where the folders at the paths are now, and also those that are where
// they are said to be. A folder that was replaced is another one, although its path is
// the same.
func (w *watch) follow(paths, also []string) {
	w.failed = false
	if err := w.open(); err != nil {
		w.fail(err)
		return
	}
	defer func() {
		if w.told && !w.failed {
			w.told = false
			w.trouble(nil)
		}
	}()
	wanted := map[string]place{}
	for _, path := range paths {
		also = append(also, watchPoints(path)...)
	}
	for _, point := range also {
		if at, err := placeOf(point); err == nil {
			wanted[point] = at
		}
	}
	for point, at := range w.watched {
		if now, still := wanted[point]; !still || now != at {
			_ = w.notify.Remove(point) // gone by itself if the folder is
			delete(w.watched, point)
		}
	}
	for point, at := range wanted {
		if _, is := w.watched[point]; is {
			continue
		}
		if err := w.notify.Add(point); err != nil {
			if !errors.Is(err, fs.ErrNotExist) { // else it vanished meanwhile: look again
				w.fail(err)
			}
			continue
		}
		w.watched[point] = at
	}
}

// linksFollowed is how many links a path may hold before it is a circle.
const linksFollowed = 40

// watchPoints returns the folders in which a change may mean that the path leads
// elsewhere, or to something else: the folder of every link on the way, what the
// path leads to, and, if it leads nowhere, the last folder that is there.
func watchPoints(path string) []string {
	var points []string
	at, rest := "/", strings.Split(strings.Trim(filepath.Clean(path), "/"), "/")
	for links := 0; len(rest) > 0 && links < linksFollowed; {
		next := filepath.Join(at, rest[0])
		info, err := os.Lstat(next)
		if err != nil {
			return append(points, at)
		}
		rest = rest[1:]
		if info.Mode()&fs.ModeSymlink == 0 {
			if len(rest) == 0 {
				// Its parent too: a folder can be renamed and another take its name.
				points = append(points, at)
			}
			at = next
			continue
		}
		links++
		points = append(points, at)
		to, err := os.Readlink(next)
		if err != nil {
			return points
		}
		if filepath.IsAbs(to) {
			at = "/"
		}
		rest = append(strings.Split(strings.Trim(filepath.Clean(to), "/"), "/"), rest...)
	}
	return append(points, at)
}
