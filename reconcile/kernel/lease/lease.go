// Package lease keeps account of the commands that people were let into
// sessions with: each has a cgroup of its own in the session's, and a small file
// that says whose it is. There is nothing else, so a daemon that is started again
// finds them all.
//
// The file is written before the command starts. Whoever runs the command (its
// keeper) removes group and file when it has ended and left nothing. What it did
// leave behind is still a part of the lease, which lasts as long as its cgroup
// has processes in it; then the next look at the session's leases removes it.
//
// Where the machine has no cgroup v2 a lease lasts as long as its keeper.
//
// The package starts nothing and ends nobody.
package lease

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Prefix begins the name of a lease's cgroup.
const Prefix = "lease-"

// starting is how long a lease may have no keeper after whoever took it has ended:
// that one may have started a keeper and not lived to note it.
const starting = time.Minute

// Record is what is known of a lease.
type Record struct {
	// UID and User are who asked for the command, not who it runs as.
	UID  int    `json:"uid"`
	User string `json:"user,omitempty"`
	// Command is what it is called.
	Command string    `json:"command"`
	Since   time.Time `json:"since"`
	// Keeper is the process that runs it; zero until it was started. Until then the
	// lease lasts as long as Starter does, which took it: a busy machine may need
	// minutes to start many keepers.
	Keeper  Keeper `json:"keeper"`
	Starter Keeper `json:"starter"`
}

// Keeper is a process. Its number may be given to another later, with another
// start (clock ticks since boot, proc_pid_stat(5)).
type Keeper struct {
	PID     int    `json:"pid"`
	Started uint64 `json:"started"`
}

// Lease is one command inside a session.
type Lease struct {
	Record
	Session string
	ID      string
	// Group is its cgroup; "" if the machine has none.
	Group string
	// File is where its record is; "" if there was no room for one.
	File string
	// Tasks are files by which a thread joins what limits the session beside.
	Tasks []string
	// PIDs are the processes in its cgroup.
	PIDs []int
}

// Book finds the leases of a controller's sessions. The zero Book has none.
type Book struct {
	// Folder has a folder for each session, with a file for each lease.
	Folder string
	// Group returns a session's cgroup; "" if the machine has no cgroup v2.
	Group func(session string) string
	// Tasks returns the files by which a thread joins what limits a session
	// beside that group; nil if there never are any.
	Tasks func(session string) []string
}

// ErrEnding is returned for a session that has no cgroup any more, or not yet.
var ErrEnding = errors.New("the session is just being made or ended")

// Take enters a lease for a command that is about to start.
func (b Book) Take(session string, r Record) (Lease, error) {
	l := b.lease(session, strings.ToLower(rand.Text()[:10]))
	l.Record = r
	var err error
	if l.Starter, err = keeperOf(os.Getpid()); err != nil {
		return l, fmt.Errorf("look at who takes the lease: %w", err)
	}
	if b.Tasks != nil {
		l.Tasks = b.Tasks(session)
	}
	if err := enter(l); err != nil {
		if l.Group == "" || !unwritable(err) {
			return l, err
		}
		l.File = ""
	}
	if l.Group == "" {
		return l, nil
	}
	// Not its parents: a session without a cgroup is none to start anything in.
	if err := os.Mkdir(l.Group, 0o755); err != nil {
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENODEV) {
			err = ErrEnding
		}
		err = errors.Join(fmt.Errorf("make the lease's cgroup: %w", err), remove(l.File))
		if l.File != "" {
			_ = os.Remove(filepath.Dir(l.File)) // if it is the only one: the session may be gone for good
		}
		return l, err
	}
	return l, nil
}

// enter writes the first record of a lease.
func enter(l Lease) error {
	if err := os.MkdirAll(filepath.Dir(l.File), 0o700); err != nil {
		return fmt.Errorf("enter lease: %w", err)
	}
	return write(l)
}

// unwritable reports whether a file system is the cause. People must be let in
// all the same, for they may have to put it right: the processes in the lease's
// cgroup are seen without a record too, only not whose they are.
func unwritable(err error) bool {
	return errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) || errors.Is(err, unix.EROFS)
}

// Begin notes the keeper, once it was started.
func (b Book) Begin(l Lease, keeper int) error {
	if l.File == "" {
		return nil
	}
	var err error
	if l.Keeper, err = keeperOf(keeper); errors.Is(err, fs.ErrNotExist) {
		return nil // it has ended already
	}
	if err != nil {
		return fmt.Errorf("look at keeper: %w", err)
	}
	// A keeper that has ended has removed the file, which must not come back.
	if _, err := os.Stat(l.File); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return write(l)
}

// Release removes a lease whose command was never started, or whose keeper has
// ended. One that has processes stays.
func (b Book) Release(l Lease) error {
	if l.Group != "" {
		err := unix.Rmdir(l.Group)
		if errors.Is(err, unix.EBUSY) {
			return nil
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("remove the lease's cgroup: %w", err)
		}
	}
	return remove(l.File)
}

// Forget removes what is noted of a session's leases. Their cgroups go with the
// session's.
func (b Book) Forget(session string) error {
	folder := filepath.Join(b.Folder, session)
	if _, err := os.Lstat(folder); b.Folder == "" || errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err := os.RemoveAll(folder); err != nil {
		return fmt.Errorf("forget leases: %w", err)
	}
	return nil
}

// lease returns where a lease is.
func (b Book) lease(session, id string) Lease {
	l := Lease{Session: session, ID: id, File: filepath.Join(b.Folder, session, id+".json")}
	if group := b.Group(session); group != "" {
		l.Group = filepath.Join(group, Prefix+id)
	}
	return l
}

// write writes a record; whoever reads it sees all of it or what was before.
func write(l Lease) error {
	text, err := json.Marshal(l.Record)
	if err != nil {
		return fmt.Errorf("encode lease: %w", err)
	}
	draft := filepath.Join(filepath.Dir(l.File), "."+filepath.Base(l.File))
	if err := os.WriteFile(draft, text, 0o600); err != nil {
		return errors.Join(fmt.Errorf("write lease: %w", err), remove(draft))
	}
	if err := os.Rename(draft, l.File); err != nil {
		return errors.Join(fmt.Errorf("write lease: %w", err), remove(draft))
	}
	return nil
}

func remove(file string) error {
	if file == "" {
		return nil
	}
	if err := os.Remove(file); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove lease: %w", err)
	}
	return nil
}
