package status

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"

	"golang.org/x/sync/errgroup"
	"sigs.k8s.io/yaml"

	"coppice.dev/spec"
)

// Writer keeps the status files below one folder. There must be only one for a
// folder at a time.
type Writer struct {
	dir string
	// Told is called whenever a status is another than its file said; nil for nobody. It
	// must not block, and must not call the writer.
	Told func()

	mu sync.Mutex
	// written holds what the files say, by kind and name.
	written map[key]content
	// unread is set while what a former daemon left could not be read.
	unread bool
}

type key struct{ kind, name string }

type content struct {
	file File
	text []byte // of the file as JSON, which tells whether anything changed
}

// New returns the writer of the files below dir, which it makes. What a former
// daemon left is read, so that its story goes on; what of it cannot be read is
// removed, since nothing depends on it.
//
// There is a writer even if there is an error: nothing depends on statuses, so
// who tells them goes on without. It tries again with each one that it is given.
func New(dir string) (*Writer, error) {
	w := &Writer{dir: dir, written: map[key]content{}, unread: true}
	return w, w.begin()
}

// begin makes the folder and reads what is there, if that was not done yet. It
// needs the lock, but for New.
func (w *Writer) begin() error {
	if !w.unread {
		return nil
	}
	if err := os.MkdirAll(w.dir, 0o755); err != nil {
		return fmt.Errorf("make status folder: %w", err)
	}
	kinds, err := os.ReadDir(w.dir)
	if err != nil {
		return fmt.Errorf("read status folder: %w", err)
	}
	for _, kind := range kinds {
		if kind.IsDir() {
			if err := w.load(filepath.Join(w.dir, kind.Name())); err != nil {
				return err
			}
		}
	}
	w.unread = false
	return nil
}

// load reads one kind's folder.
func (w *Writer) load(folder string) error {
	entries, err := os.ReadDir(folder)
	if err != nil {
		return fmt.Errorf("read status folder: %w", err)
	}
	var all errgroup.Group
	all.SetLimit(runtime.GOMAXPROCS(0)) // there may be many, and they take long to parse
	var mu sync.Mutex
	for _, entry := range entries {
		if !entry.Type().IsRegular() {
			continue
		}
		all.Go(func() error {
			found, err := w.left(filepath.Join(folder, entry.Name()))
			if err != nil || found == nil {
				return err
			}
			mu.Lock()
			defer mu.Unlock()
			w.written[key{found.file.Kind, found.file.Metadata.Name}] = *found
			return nil
		})
	}
	return all.Wait()
}

// left reads a file that a former daemon left; what is no status is removed, and nil.
func (w *Writer) left(path string) (*content, error) {
	file, err := readFile(path)
	if err != nil || !visible(filepath.Base(path)) || Path(w.dir, file.Kind, file.Metadata.Name) != path {
		if err := os.Remove(path); err != nil {
			return nil, fmt.Errorf("remove what is left of a status file: %w", err)
		}
		return nil, nil
	}
	text, err := json.Marshal(file)
	if err != nil {
		return nil, fmt.Errorf("read status %s: %w", path, err)
	}
	return &content{file, text}, nil
}

// Get returns what was last written of an object, be it by a former daemon. The
// caller must not change what the result's slices hold.
func (w *Writer) Get(kind, name string) (File, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	c, ok := w.written[key{kind, name}]
	return c.file, ok
}

// Names returns the names of a kind's objects that have a status, sorted.
func (w *Writer) Names(kind string) []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	var names []string
	for k := range w.written {
		if k.kind == kind {
			names = append(names, k.name)
		}
	}
	slices.Sort(names)
	return names
}

// Put writes the status of an object, if it is not what its file says already.
// The file must not be changed afterwards.
func (w *Writer) Put(file File) error {
	file.APIVersion = spec.APIVersion
	if file.Status.Leases == nil {
		file.Status.Leases = []Lease{} // "none", where null would be "not known"
	}
	text, err := json.Marshal(file)
	if err == nil && !harmless(text) {
		if file.Status, err = disarmed(file.Status); err == nil {
			text, err = json.Marshal(file)
		}
	}
	if err != nil {
		return fmt.Errorf("write status of %s %s: %w", file.Kind, file.Metadata.Name, err)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := w.begin(); err != nil {
		return err
	}
	k := key{file.Kind, file.Metadata.Name}
	path := Path(w.dir, k.kind, k.name)
	if last, ok := w.written[k]; ok && bytes.Equal(last.text, text) {
		// Somebody may have cleared the folder since.
		if _, err := os.Lstat(path); err == nil {
			return nil
		}
	} else {
		w.tell()
	}
	if err := write(path, text); err != nil {
		return fmt.Errorf("write status of %s %s: %w", k.kind, k.name, err)
	}
	w.written[k] = content{file, text}
	return nil
}

// Remove removes the status of an object that is no more.
func (w *Writer) Remove(kind, name string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := removeIfThere(Path(w.dir, kind, name)); err != nil {
		return fmt.Errorf("remove status of %s %s: %w", kind, name, err)
	}
	delete(w.written, key{kind, name})
	w.tell()
	return nil
}

func (w *Writer) tell() {
	if w.Told != nil {
		w.Told()
	}
}

// write puts a file with the text, as YAML, at the path in one act. The folder
// is gone after a reboot: nothing is synced to a disk.
func write(path string, text []byte) error {
	text, err := yaml.JSONToYAML(text)
	if err != nil {
		return err
	}
	// Dot first: no reader takes it for a status file.
	temporary := filepath.Join(filepath.Dir(path), "."+strings.TrimSuffix(filepath.Base(path), extension)+".new")
	err = os.WriteFile(temporary, text, 0o644)
	if errors.Is(err, fs.ErrNotExist) {
		if err = os.MkdirAll(filepath.Dir(path), 0o755); err == nil {
			err = os.WriteFile(temporary, text, 0o644)
		}
	}
	if err == nil {
		err = os.Rename(temporary, path)
	}
	if err != nil {
		err = errors.Join(err, removeIfThere(temporary))
	}
	return err
}

// removeIfThere asks whether there is a file when it cannot be removed: a read-only
// file system says that of itself before it looks for the file.
func removeIfThere(path string) error {
	err := os.Remove(path)
	if err == nil || absent(err) {
		return nil
	}
	if _, found := os.Lstat(path); absent(found) {
		return nil
	}
	return err
}

// absent reports whether the error says that there is no such file, be it for a file
// in its folder's place.
func absent(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR)
}
