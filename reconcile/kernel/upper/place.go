package upper

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"coppice.dev/reconcile/fault"
	"coppice.dev/reconcile/kernel/home"
)

// place is where an upper lies.
type place struct {
	dir, work string
	// in is what limits it, and what it lies in: a store's mount, or a folder with a
	// quota; "" for one that lies in the home.
	in string
	// shut is set while a store is not mounted.
	shut bool
}

// gone is the folder of a store that takes what is removed in it: the trash is on
// another file system. In a folder with a quota, what is removed counts until it is
// gone for good, wherever it lies; here it is known whose it is.
const gone = "gone"

func (d Driver) home(session string) place {
	return place{dir: d.Layout.Upper(session), work: d.Layout.Work(session)}
}

func (d Driver) stored(session string) place {
	store := d.Layout.Store(session)
	return place{dir: d.Layout.StoredUpper(session), work: d.Layout.StoredWork(session), in: store, shut: !mounted(store)}
}

func (d Driver) counted(session string) place {
	return place{dir: d.Layout.LayerUpper(session), work: d.Layout.LayerWork(session), in: d.Layout.Layer(session)}
}

// place tells where a session's upper is, or was to be: in what limits it if there is
// such a thing.
func (d Driver) place(session string) (place, error) {
	for _, of := range []struct {
		path string
		at   func(session string) place
	}{{d.Layout.StoreImage(session), d.stored}, {d.Layout.Store(session), d.stored}, {d.Layout.Layer(session), d.counted}} {
		if _, err := os.Lstat(of.path); err == nil {
			return of.at(session), nil
		} else if !errors.Is(err, fs.ErrNotExist) {
			return place{}, fmt.Errorf("look for what the upper lies in: %w", err)
		}
	}
	return d.home(session), nil
}

// mounted reports whether something is mounted at a path, by the file systems that it
// and the folder above it are on.
func mounted(path string) bool {
	var at, above unix.Stat_t
	return unix.Lstat(path, &at) == nil && unix.Lstat(filepath.Dir(path), &above) == nil && at.Dev != above.Dev
}

// discard takes a tree out of the way. It is removed elsewhere, or with what it lies in.
func (d Driver) discard(at place, path string) error {
	if at.in == "" {
		return home.ToTrash(d.Layout, path, d.Trashed)
	}
	if _, err := os.Lstat(path); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	trash := filepath.Join(at.in, gone)
	if err := os.Mkdir(trash, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return fault.Disk("make a folder for what goes", err)
	}
	var unique [6]byte
	rand.Read(unique[:]) // never fails
	if err := os.Rename(path, filepath.Join(trash, filepath.Base(path)+"-"+hex.EncodeToString(unique[:]))); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("take the upper out of the way: %w", err)
	}
	return nil
}
