package manifests

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/google/renameio/v2"
)

// FileName is the name of the file that a client keeps an object in.
func FileName(key Key) string { return strings.ToLower(key.Kind) + "-" + key.Name + ".yaml" }

// Drop puts an object's manifest into a watched folder, whole or not at all. It
// reports whether that changed anything.
func Drop(folder string, key Key, text []byte) (changed bool, err error) {
	path := filepath.Join(folder, FileName(key))
	if before, err := os.ReadFile(path); err == nil && bytes.Equal(before, text) {
		return false, nil
	}
	// The temporary file is hidden, so that no look takes it for a manifest.
	if err := renameio.WriteFile(path, text, 0o644); err != nil {
		return false, fmt.Errorf("write manifest: %w", err)
	}
	return true, flush(folder)
}

// Remove takes an object's manifest out of a folder. It reports whether there
// was one.
func Remove(folder string, key Key) (there bool, err error) {
	if there, err = Withdraw(folder, key); err != nil || !there {
		return there, err
	}
	return true, flush(folder)
}

// Withdraw is Remove for a folder that does not outlive a power cut, nor do the sessions
// that are asked for there: nothing is put on disk.
func Withdraw(folder string, key Key) (there bool, err error) {
	err = os.Remove(filepath.Join(folder, FileName(key)))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("remove manifest: %w", err)
	}
	return true, nil
}

// flush puts a folder's names on disk: a session must not outlive a power cut
// that its manifest does not, since it would be swept, nor the other way round.
func flush(folder string) error {
	dir, err := os.Open(folder)
	if err == nil {
		err = errors.Join(dir.Sync(), dir.Close())
	}
	if err != nil {
		return fmt.Errorf("flush folder of manifests: %w", err)
	}
	return nil
}

// DropNew is Drop for an object that nobody else has asked for yet: if there is
// a manifest of it, the error is fs.ErrExist.
func DropNew(folder string, key Key, text []byte) error {
	draft, err := os.CreateTemp(folder, ".new-") // hidden: no look takes it for a manifest
	if err != nil {
		return fmt.Errorf("write manifest: %w", err)
	}
	_, err = draft.Write(text)
	if err = errors.Join(err, draft.Chmod(0o644), draft.Close()); err == nil {
		// Unlike rename(2), link(2) takes nobody's place.
		err = os.Link(draft.Name(), filepath.Join(folder, FileName(key)))
	}
	if err = errors.Join(err, os.Remove(draft.Name())); err != nil {
		return fmt.Errorf("write manifest: %w", err)
	}
	return nil
}
