// Package presence lets the commands find out whether a controller is at work
// on a run-time folder, and with which folders.
//
// The controller keeps a file in the run-time folder locked for as long as it
// lives (an open-file-description lock, fcntl(2)). The kernel drops the lock
// with the process, however that ends, so the answer is never out of date; and
// asking takes no lock, so that asking can never keep a controller from
// starting.
package presence

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

// file is the name of the locked file below the run-time folder.
const file = "coppiced.json"

// Facts is what a controller tells about itself.
type Facts struct {
	PID          int       `json:"pid"`
	Version      string    `json:"version"`
	Started      time.Time `json:"started"`
	StateDir     string    `json:"stateDir"`
	ManifestDirs []string  `json:"manifestDirs"`
	// Recursive is set if the folders in those are watched too.
	Recursive    bool   `json:"recursive,omitempty"`
	EphemeralDir string `json:"ephemeralDir"`
	// Log is where it logs to: "journal" for systemd's, else what its standard error is.
	Log string `json:"log,omitempty"`
	// UpperImages is set if uppers are limited by images even where quotas could do it.
	UpperImages bool `json:"upperImages,omitempty"`
}

// TakenError says that another controller is at work on the run-time folder.
type TakenError struct {
	// Facts is what the other one said about itself, as far as it could be read.
	Facts Facts
}

// Error names the other controller.
func (e *TakenError) Error() string {
	if e.Facts.PID == 0 {
		return "another coppiced works on it"
	}
	return fmt.Sprintf("coppiced with pid %d works on it", e.Facts.PID)
}

// Announce says that this process is the controller of the run-time folder, and
// fails with a TakenError if there is one already. Close takes it back.
func Announce(runDir string, facts Facts) (io.Closer, error) {
	path := filepath.Join(runDir, file)
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW, 0o644)
	if err != nil {
		return nil, err
	}
	lock := unix.Flock_t{Type: unix.F_WRLCK}
	if err := unix.FcntlFlock(f.Fd(), unix.F_OFD_SETLK, &lock); err != nil {
		defer f.Close()
		if errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EACCES) {
			taken := &TakenError{}
			taken.Facts, _ = read(f) // without its words the error is still right
			return nil, fmt.Errorf("lock run-time folder %s: %w", runDir, taken)
		}
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	if err := write(f, facts); err != nil {
		f.Close()
		return nil, fmt.Errorf("write %s: %w", path, err)
	}
	return f, nil
}

// write puts facts into the file in one call, over all that was there: whoever
// reads meanwhile finds the last one's or these, never none.
func write(f *os.File, facts Facts) error {
	text, err := json.Marshal(facts)
	if err != nil {
		return err
	}
	text = append(text, '\n')
	length := len(text)
	if info, err := f.Stat(); err == nil && int(info.Size()) > length {
		text = append(text, bytes.Repeat([]byte(" "), int(info.Size())-length)...)
	}
	if _, err := f.WriteAt(text, 0); err != nil {
		return err
	}
	return f.Truncate(int64(length))
}

// Look returns the facts of the controller of the run-time folder. running is
// false if none is at work there; the facts are then those of the last one.
func Look(runDir string) (facts Facts, running bool, err error) {
	f, err := os.Open(filepath.Join(runDir, file))
	if errors.Is(err, os.ErrNotExist) {
		return Facts{}, false, nil
	}
	if err != nil {
		return Facts{}, false, err
	}
	defer f.Close()
	lock := unix.Flock_t{Type: unix.F_WRLCK}
	if err := unix.FcntlFlock(f.Fd(), unix.F_OFD_GETLK, &lock); err != nil {
		return Facts{}, false, fmt.Errorf("ask for the lock of %s: %w", f.Name(), err)
	}
	running = lock.Type != unix.F_UNLCK
	facts, err = read(f)
	if err != nil && !running {
		return Facts{}, false, nil // the last one died while it wrote
	}
	for try := 0; err != nil && try < tries; try++ { // the first one there is writes just now
		time.Sleep(pause)
		facts, err = read(f)
	}
	return facts, running, err
}

// How often, and how long after each other, it is looked for what one that has
// just begun says of itself.
const (
	tries = 20
	pause = 5 * time.Millisecond
)

func read(f *os.File) (Facts, error) {
	var facts Facts
	text, err := io.ReadAll(io.NewSectionReader(f, 0, 1<<20))
	if err != nil {
		return Facts{}, err
	}
	if err := json.Unmarshal(text, &facts); err != nil {
		return Facts{}, fmt.Errorf("read %s: %w", f.Name(), err)
	}
	return facts, nil
}
