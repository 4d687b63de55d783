package manifests

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/google/renameio/v2"

	"coppice.dev/spec"
)

// Suspensions is a folder with a small file for each session that somebody wants to
// be left as it is, whatever its manifest says.
type Suspensions struct{ Folder string }

// Suspend says that a session is left as it is from now on; why is a line for people.
func (s Suspensions) Suspend(session, why string) error {
	if err := s.prepare(); err != nil {
		return fmt.Errorf("make folder of suspensions: %w", err)
	}
	if err := renameio.WriteFile(s.path(session), []byte(why+"\n"), 0o600); err != nil {
		return fmt.Errorf("suspend session %s: %w", session, err)
	}
	return flush(s.Folder)
}

// prepare makes the folder, and has it outlive a power cut.
func (s Suspensions) prepare() error {
	err := os.Mkdir(s.Folder, 0o700)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return flush(filepath.Dir(s.Folder))
}

// Suspended returns why a session is left as it is; ok is false if it is not.
func (s Suspensions) Suspended(session string) (why string, ok bool, err error) {
	text, err := os.ReadFile(s.path(session))
	if errors.Is(err, fs.ErrNotExist) {
		return "", false, nil
	}
	if err != nil {
		return "", false, fmt.Errorf("see whether session %s is suspended: %w", session, err)
	}
	return cmp.Or(strings.TrimSpace(string(text)), "somebody suspended it"), true, nil
}

// Names returns the sessions of which that was said, be they there or not.
func (s Suspensions) Names() ([]string, error) {
	entries, err := os.ReadDir(s.Folder)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("see which sessions are suspended: %w", err)
	}
	var names []string
	for _, e := range entries {
		if spec.ValidName(e.Name()) { // else a file that was being written
			names = append(names, e.Name())
		}
	}
	return names, nil
}

// Resume takes that back. Of a session that is not suspended: no error.
func (s Suspensions) Resume(session string) error {
	err := os.Remove(s.path(session))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("resume session %s: %w", session, err)
	}
	return flush(s.Folder)
}

func (s Suspensions) path(session string) string {
	return filepath.Join(s.Folder, filepath.Base(session))
}
