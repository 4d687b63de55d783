package kernel

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"coppice.dev/reconcile/fault"
	"coppice.dev/reconcile/kernel/durable"
	"coppice.dev/reconcile/layout"
)

// dying is how long a controller that was killed may take to be gone.
const dying = time.Second

// lockState takes the lock of the state folder. The kernel lets go of it when
// the process ends, however it ends.
func lockState(path string) (*os.File, error) {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fault.Disk("open the lock", err)
	}
	err = unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	for deadline := time.Now().Add(dying); errors.Is(err, unix.EWOULDBLOCK) && time.Now().Before(deadline); {
		time.Sleep(10 * time.Millisecond)
		err = unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	}
	if errors.Is(err, unix.EWOULDBLOCK) {
		err = ErrInUse
	}
	if err != nil {
		file.Close()
		return nil, fmt.Errorf("lock the state folder %s: %w", filepath.Dir(path), err)
	}
	return file, nil
}

var validID = regexp.MustCompile(`^[0-9a-f]{8}$`)

// identity returns who this controller is: a number that was drawn when its
// state folder was new. It is kept in the run-time folder too: if the state is
// lost, what the kernel still has of it can be told from other people's things.
// A power cut may lose both: nothing that bears the number outlives it either,
// so another one is as good.
//
// A copy of a state folder holds the same number. Whoever starts a controller on
// it beside the first one must not end the first one's processes for it, so a
// folder that was copied gets the number of its run-time folder, or a new one.
func identity(l layout.Layout) (string, error) {
	inRun := filepath.Join(l.Run, "id")
	id, err := readID(l.ID())
	if err != nil {
		return "", err
	}
	place, moved, err := placeOf(l)
	if err != nil {
		return "", err
	}
	if id == "" || moved {
		if id, err = readID(inRun); err != nil {
			return "", err
		}
	}
	if id == "" {
		var b [4]byte
		rand.Read(b[:]) // never fails
		id = hex.EncodeToString(b[:])
	}
	for _, copied := range []struct {
		path  string
		write func(string, []byte, fs.FileMode) error
	}{{l.ID(), durable.Write}, {inRun, durable.Replace}} {
		if known, err := readID(copied.path); err != nil {
			return "", err
		} else if known == id {
			continue
		}
		if err := copied.write(copied.path, []byte(id+"\n"), 0o644); err != nil {
			return "", fault.Disk("write the controller's identity", err)
		}
	}
	if known, err := os.ReadFile(l.Place()); err != nil || string(known) != place {
		if err := durable.Write(l.Place(), []byte(place), 0o644); err != nil {
			return "", fault.Disk("write which folder the state is in", err)
		}
	}
	return id, nil
}

var validPlace = regexp.MustCompile(`^inode [0-9]+\n$`)

// placeOf tells the state folder from all others by the number of its inode,
// which a copy does not share, and whether it was another one when that was
// noted last.
func placeOf(l layout.Layout) (place string, moved bool, err error) {
	var st unix.Stat_t
	if err := unix.Stat(l.State, &st); err != nil {
		return "", false, fault.Disk("look at the state folder", err)
	}
	place = fmt.Sprintf("inode %d\n", st.Ino)
	known, err := os.ReadFile(l.Place())
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", false, fmt.Errorf("read which folder the state is in: %w", err)
	}
	// A file that is missing or empty, as after a power cut, says nothing.
	said := validPlace.Match(known)
	return place, said && string(known) != place, nil
}

// readID returns the identity in a file; "" if there is none, or what a power
// cut left of one.
func readID(path string) (string, error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("read the controller's identity: %w", err)
	}
	id := strings.TrimSpace(string(text))
	if !validID.MatchString(id) {
		return "", nil
	}
	return id, nil
}
