package status

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/fsnotify/fsnotify"
)

// Change is one object's new status.
type Change struct {
	Kind string
	Name string
	// File is nil when the object is gone.
	File *File
}

// Events from the kernel are hints only. The folders are looked at again after
// these times even so: soon as long as one is not there to be watched, since a
// daemon may be about to make it.
const (
	lookForFolders = 200 * time.Millisecond
	lookAtAll      = 15 * time.Second
)

// Watch yields the status of every object of the kinds, and then each change of
// one, until the context is done; then it closes the channel. What changes while
// the reader is busy is told once, as it is in the end. A folder that is not
// there holds no objects, and may come later.
func Watch(ctx context.Context, dir string, kinds ...string) (<-chan Change, error) {
	return begin(ctx, watch{dir: dir, kinds: kinds})
}

// WatchOne is Watch for one object. None of the others is read, however many there are.
func WatchOne(ctx context.Context, dir, kind, name string) (<-chan Change, error) {
	return begin(ctx, watch{dir: dir, kinds: []string{kind}, only: Path(dir, kind, name)})
}

func begin(ctx context.Context, w watch) (<-chan Change, error) {
	notify, err := fsnotify.NewWatcher()
	if err != nil {
		return nil, fmt.Errorf("watch status: %w", err)
	}
	w.notify, w.changes, w.watched, w.known = notify, make(chan Change), map[string]os.FileInfo{}, map[string]seen{}
	go w.run(ctx)
	return w.changes, nil
}

type watch struct {
	dir   string
	kinds []string
	// only is the path of the one file that is read; "" for all of them.
	only    string
	notify  *fsnotify.Watcher
	changes chan Change

	// watched are the kinds' folders that the kernel watches, as they were then:
	// one that was made anew needs a new watch.
	watched map[string]os.FileInfo
	// known is what was told of each file, by path.
	known map[string]seen
}

type seen struct {
	kind, name string
	text       []byte
}

func (w *watch) run(ctx context.Context) {
	defer close(w.changes)
	defer func() { _ = w.notify.Close() }()
	for {
		pause := lookAtAll
		if !w.lookAtFolders(ctx) {
			pause = lookForFolders
		}
		if !w.wait(ctx, pause) {
			return
		}
	}
}

// wait handles events until it is time to look at everything again; it returns
// false when the context is done.
func (w *watch) wait(ctx context.Context, pause time.Duration) bool {
	timer := time.NewTimer(pause)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return false
		case <-timer.C:
			return true
		case err := <-w.notify.Errors: // events were lost, most of all
			return err != nil
		case event := <-w.notify.Events:
			for _, folder := range w.kinds {
				if event.Name == w.folder(folder) {
					// It went, or was made anew. Another may be there already, with
					// the same number as this one had, and nobody watches it.
					delete(w.watched, event.Name)
					return true
				}
			}
			w.lookAt(ctx, event.Name)
		}
	}
}

func (w *watch) folder(kind string) string { return folder(w.dir, kind) }

// lookAtFolders looks at every file there is or was; it reports whether all
// folders are watched. The watch comes first: what changes after the look is
// then noticed.
func (w *watch) lookAtFolders(ctx context.Context) bool {
	all := true
	for _, kind := range w.kinds {
		all = w.watchFolder(w.folder(kind)) && all
		if w.only != "" {
			w.lookAt(ctx, w.only)
			continue
		}
		entries, err := os.ReadDir(w.folder(kind))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			continue // not known to be gone
		}
		for _, entry := range entries {
			w.lookAt(ctx, filepath.Join(w.folder(kind), entry.Name()))
		}
	}
	for path := range w.known {
		w.lookAt(ctx, path)
	}
	return all
}

func (w *watch) watchFolder(path string) bool {
	info, err := os.Stat(path)
	if err != nil {
		delete(w.watched, path)
		return false
	}
	if old := w.watched[path]; old != nil && os.SameFile(old, info) {
		return true
	}
	_ = w.notify.Remove(path) // an error says that it is not watched
	if err := w.notify.Add(path); err != nil {
		return false
	}
	w.watched[path] = info
	return true
}

// lookAt tells what one file now says, if that is new.
func (w *watch) lookAt(ctx context.Context, path string) {
	if !visible(filepath.Base(path)) || w.only != "" && path != w.only {
		return
	}
	before, wasThere := w.known[path]
	text, err := os.ReadFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if wasThere && w.tell(ctx, Change{Kind: before.kind, Name: before.name}) {
			delete(w.known, path)
		}
		return
	case err != nil, wasThere && bytes.Equal(before.text, text):
		return
	}
	file, err := parse(path, text)
	if err != nil || !strings.EqualFold(file.Kind, filepath.Base(filepath.Dir(path))) {
		return // not written by a Writer
	}
	if w.tell(ctx, Change{file.Kind, file.Metadata.Name, &file}) {
		w.known[path] = seen{file.Kind, file.Metadata.Name, text}
	}
}

func (w *watch) tell(ctx context.Context, c Change) bool {
	select {
	case w.changes <- c:
		return true
	case <-ctx.Done():
		return false
	}
}
