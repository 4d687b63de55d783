package processes

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"coppice.dev/reconcile/kernel/cgroup"
	"coppice.dev/reconcile/kernel/mounttable"
)

// FindGroups returns the mount point of the cgroup v2 tree, or "" if the machine
// has none that can be written to, as in many containers (cgroups(7)).
func FindGroups() (string, error) {
	table, err := mounttable.Host()
	if err != nil {
		return "", err
	}
	var found []string
	for _, e := range table {
		readOnly := slices.Contains(strings.Split(e.Options+","+e.VFSOptions, ","), "ro")
		if e.FSType == "cgroup2" && !readOnly {
			found = append(found, e.Mountpoint)
		}
	}
	// A container's tree may be mounted elsewhere as well, and show a part only.
	for _, usual := range []string{"/sys/fs/cgroup", "/sys/fs/cgroup/unified"} {
		if slices.Contains(found, usual) {
			return usual, nil
		}
	}
	if len(found) == 0 {
		return "", nil
	}
	return found[0], nil
}

// hookPrefix begins the name of a group below a session's own that a hook runs
// in, so that what an interrupted one left can be told from what people do, and
// from what another hook has started.
const hookPrefix = "hook-"

// keepers is the group beside those of the sessions of the processes that run
// commands for people. It is nobody's session.
const keepers = ".keepers"

// group is a session's cgroup; "" where there is no cgroup v2.
func (d Driver) group(session string) string {
	if d.Groups == "" {
		return ""
	}
	return filepath.Join(d.parent(), session)
}

// parent is the group of all sessions of this controller.
func (d Driver) parent() string { return filepath.Join(d.Groups, d.name()) }

// name is what that group is called.
func (d Driver) name() string { return "coppice-" + d.Controller }

// Join opens the group that a command of the session is to be started in, for
// syscall.SysProcAttr.CgroupFD. It is nil where there is no cgroup v2.
func (d Driver) Join(session string) (*os.File, error) { return d.open(d.group(session)) }

// JoinHook is Join for the hook with that name, one of a session's.
func (d Driver) JoinHook(session, name string) (*os.File, error) {
	return d.open(d.hookGroup(session, name))
}

func (d Driver) hookGroup(session, name string) string {
	return filepath.Join(d.group(session), hookPrefix+strings.ReplaceAll(name, "/", "-"))
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

// LeaveHook removes the group of a hook, unless the hook has left something
// running in it.
func (d Driver) LeaveHook(session, name string) error {
	if d.Groups == "" {
		return nil
	}
	if err := cgroup.Remove(d.hookGroup(session, name)); !errors.Is(err, unix.EBUSY) {
		return err
	}
	return nil
}

// KillHook ends what is left of a hook, and its group.
//
// A group that was ever killed must not be used again: Linux 6.18 kills at once
// whatever is cloned into it, since it compares the group's count of kills with
// that of the group of the process that clones.
func (d Driver) KillHook(session, name string) error {
	if d.Groups == "" {
		return nil
	}
	group := d.hookGroup(session, name)
	deadline := time.Now().Add(patience)
	for {
		err := cgroup.Remove(group)
		if !errors.Is(err, unix.EBUSY) {
			return err
		}
		left, err := cgroup.Members(group)
		if err != nil {
			return err
		}
		if time.Now().After(deadline) {
			return busy("end hook "+name+" of session "+session, left, hung)
		}
		if err := cgroup.Kill(group); err != nil {
			return err
		}
		time.Sleep(time.Millisecond) // the kernel ends them in its own time
	}
}

// members returns the processes in the session's group.
func (d Driver) members(session string) ([]int, error) {
	if d.Groups == "" {
		return nil, nil
	}
	return cgroup.Members(d.group(session))
}

// inGroup reports whether a process is in the session's group now. Its own word
// is cheaper to ask for than the group's, and names the group by the end of its
// path: the beginning depends on where the tree is mounted.
func (d Driver) inGroup(session string, pid int) bool {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", pid))
	if err != nil {
		return false
	}
	group := "/" + filepath.Base(d.parent()) + "/" + session + "/"
	for line := range strings.Lines(string(text)) {
		if path, is := strings.CutPrefix(line, "0::"); is {
			return strings.Contains(strings.TrimSuffix(path, "\n")+"/", group)
		}
	}
	return false
}

// Path returns the folder of the session's group; "" where there is no cgroup v2.
func (d Driver) Path(session string) string { return d.group(session) }

// anySession reports whether there is the group of a session.
func (d Driver) anySession() bool {
	entries, err := os.ReadDir(d.parent())
	return err == nil && slices.ContainsFunc(entries, func(e fs.DirEntry) bool { return e.IsDir() && e.Name() != keepers })
}

// Close removes the group of all sessions if there are none.
func (d Driver) Close() error {
	if d.Groups == "" {
		return nil
	}
	// The keepers' is empty when nobody waits for a command. The last may just be
	// leaving, after its session.
	err := unix.Rmdir(filepath.Join(d.parent(), keepers))
	for range 20 {
		if !errors.Is(err, unix.EBUSY) || d.anySession() {
			break
		}
		time.Sleep(5 * time.Millisecond)
		err = unix.Rmdir(filepath.Join(d.parent(), keepers))
	}
	if errors.Is(err, unix.EBUSY) {
		return nil
	}
	err = unix.Rmdir(d.parent())
	if err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, unix.ENOTEMPTY) && !errors.Is(err, unix.EBUSY) {
		return fmt.Errorf("remove cgroup %s: %w", d.parent(), err)
	}
	return nil
}
