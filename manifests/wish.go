package manifests

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/google/renameio/v2"
)

// Wishes is a folder with a small file for each session that somebody wants to
// go, in so many words. It tells a manifest that was taken away on purpose from
// one that vanished with others.
type Wishes struct{ Folder string }

// Wish is what one of the files says.
type Wish struct {
	// UID is the session's, so that the wish can never hit a later one of the same
	// name; empty if it was not known.
	UID string
	// At is when it was said.
	At time.Time
}

// Wish says that a session is to go. Its manifest is taken away afterwards.
func (w Wishes) Wish(session, uid string) error {
	if err := os.MkdirAll(w.Folder, 0o700); err != nil {
		return fmt.Errorf("make folder of wishes: %w", err)
	}
	if err := renameio.WriteFile(w.path(session), []byte(uid+"\n"), 0o600); err != nil {
		return fmt.Errorf("say that session %s is to go: %w", session, err)
	}
	return nil
}

// Wished returns the wish that a session goes; ok is false if there is none.
func (w Wishes) Wished(session string) (wish Wish, ok bool) {
	file, err := os.Open(w.path(session))
	if err != nil {
		return Wish{}, false
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return Wish{}, false
	}
	uid := make([]byte, 64)
	n, _ := file.Read(uid) // an empty one names no UID
	return Wish{UID: strings.TrimSpace(string(uid[:n])), At: info.ModTime()}, true
}

// Forget forgets a wish. Of none: no error.
func (w Wishes) Forget(session string) error {
	if err := os.Remove(w.path(session)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("forget a wish: %w", err)
	}
	return nil
}

func (w Wishes) path(session string) string { return filepath.Join(w.Folder, filepath.Base(session)) }

// Nudge has a watched folder looked at, as if something had changed in it.
func Nudge(folder string) error {
	file, err := os.CreateTemp(folder, ".nudge-") // hidden: no look takes it for a manifest
	if err != nil {
		return fmt.Errorf("have %s looked at: %w", folder, err)
	}
	return errors.Join(file.Close(), os.Remove(file.Name()))
}
