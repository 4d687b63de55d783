// Package processes knows and ends what runs inside a session: the processes in
// the session's cgroup, and whoever else has entered its mount namespace.
//
// It ends processes of one session and of no other. Each is looked at again
// under a pidfd before it is sent a signal, so that a number that was given to
// somebody else meanwhile hits nobody.
package processes

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"coppice.dev/reconcile/kernel/mounttable"
)

// FindGroups returns the mount point of the cgroup v2 tree, or "" if the machine
// has none (cgroups(7)).
func FindGroups() (string, error) {
	table, err := mounttable.Host()
	if err != nil {
		return "", err
	}
	for _, e := range table {
		if e.FSType == "cgroup2" {
			return e.Mountpoint, nil
		}
	}
	return "", nil
}

// hookGroup is the group below a session's own in which hooks run, so that what
// an interrupted one left can be told from what people do.
const hookGroup = "hook"

// group is a session's cgroup; "" where there is no cgroup v2.
func (d Driver) group(session string) string {
	if d.Groups == "" {
		return ""
	}
	return filepath.Join(d.parent(), session)
}

// parent is the group of all sessions of this controller.
func (d Driver) parent() string { return filepath.Join(d.Groups, "coppice-"+d.Controller) }

// Join opens the group that a command of the session is to be started in, for
// syscall.SysProcAttr.CgroupFD. It is nil where there is no cgroup v2.
func (d Driver) Join(session string) (*os.File, error) { return d.open(d.group(session)) }

// JoinHook is Join for hooks.
func (d Driver) JoinHook(session string) (*os.File, error) {
	if d.Groups == "" {
		return nil, nil
	}
	return d.open(filepath.Join(d.group(session), hookGroup))
}

func (d Driver) open(path string) (*os.File, error) {
	if d.Groups == "" {
		return nil, nil
	}
	if err := os.MkdirAll(path, 0o755); err != nil {
		return nil, fmt.Errorf("make cgroup: %w", err)
	}
	group, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("open cgroup: %w", err)
	}
	return group, nil
}

// KillHooks ends what is left of a session's hooks, and the group with it.
//
// A group that was ever killed must not be used again: Linux 6.18 kills at once
// whatever is cloned into it, since it compares the group's count of kills with
// that of the parent's group.
func (d Driver) KillHooks(session string) error {
	if d.Groups == "" {
		return nil
	}
	group := filepath.Join(d.group(session), hookGroup)
	deadline := time.Now().Add(patience)
	for {
		left, err := members(group)
		if err != nil {
			return err
		}
		if len(left) == 0 {
			return removeGroup(group)
		}
		if time.Now().After(deadline) {
			return busy("end a hook of session "+session, left, "the kernel does not let go of them; look for a hung disk or network mount")
		}
		if err := killGroup(group); err != nil {
			return err
		}
		time.Sleep(time.Millisecond) // the kernel ends them in its own time
	}
}

// killGroup sends KILL to all in the group and below (cgroup.kill, 5.14).
func killGroup(path string) error {
	err := os.WriteFile(filepath.Join(path, "cgroup.kill"), []byte("1"), 0)
	if err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, unix.ENODEV) {
		return fmt.Errorf("kill cgroup: %w", err)
	}
	return nil
}

// members returns the processes in the group and below.
func members(path string) ([]int, error) {
	var pids []int
	err := filepath.WalkDir(path, func(name string, e fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) || err == nil && !e.IsDir() {
			return nil
		}
		if err != nil {
			return err
		}
		text, err := os.ReadFile(filepath.Join(name, "cgroup.procs"))
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENODEV) {
			return nil // removed meanwhile
		}
		for line := range strings.Lines(string(text)) {
			if pid, err := strconv.Atoi(strings.TrimSpace(line)); err == nil && pid > 0 {
				pids = append(pids, pid)
			}
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read cgroup: %w", err)
	}
	return pids, nil
}

// removeGroup removes the group and those below it, deepest first.
func removeGroup(path string) error {
	entries, err := os.ReadDir(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("remove cgroup: %w", err)
	}
	for _, e := range entries {
		if e.IsDir() {
			if err := removeGroup(filepath.Join(path, e.Name())); err != nil {
				return err
			}
		}
	}
	if err := unix.Rmdir(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove cgroup %s: %w", path, err)
	}
	return nil
}

// Path returns the folder of the session's group; "" where there is no cgroup v2.
func (d Driver) Path(session string) string { return d.group(session) }

// Close removes the group of all sessions if there are none.
func (d Driver) Close() error {
	if d.Groups == "" {
		return nil
	}
	err := unix.Rmdir(d.parent())
	if err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, unix.ENOTEMPTY) && !errors.Is(err, unix.EBUSY) {
		return fmt.Errorf("remove cgroup %s: %w", d.parent(), err)
	}
	return nil
}
