package processes

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/sys/unix"

	"coppice.dev/reconcile/kernel/cgroup"
	"coppice.dev/reconcile/kernel/mounttable"
	"coppice.dev/reconcile/object"
)

// Limiter knows how the kernel is told of limits: by cgroup v2, or for what that
// is not told of here, by the older trees of cgroup v1, in which a session then
// has a group of the same name.
type Limiter struct {
	// offered are the controllers of the v2 tree, old the mount points of the v1
	// trees, by controller.
	offered []string
	old     map[string]string

	mu sync.Mutex
	// refused are the v2 controllers that could not be switched on, and why.
	refused map[string]string
}

// FindLimits looks where limits can be set; groups is the mount point of the v2
// tree, if there is one.
func FindLimits(groups string) (*Limiter, error) {
	table, err := mounttable.Host()
	if err != nil {
		return nil, err
	}
	l := &Limiter{old: map[string]string{}, refused: map[string]string{}}
	for _, e := range table {
		if e.FSType != "cgroup" {
			continue
		}
		for option := range strings.SplitSeq(e.Options+","+e.VFSOptions, ",") {
			for _, k := range knobs {
				if option == k.controller && l.old[option] == "" {
					l.old[option] = e.Mountpoint
				}
			}
		}
	}
	if groups != "" {
		text, err := os.ReadFile(filepath.Join(groups, "cgroup.controllers"))
		if err != nil {
			return nil, fmt.Errorf("look for cgroup controllers: %w", err)
		}
		l.offered = strings.Fields(string(text))
	}
	return l, nil
}

// knob is one limit of a group.
type knob struct {
	controller string
	of         func(*object.Limits) *int64
	// file and old are where it is set in the two versions; write and read turn
	// the one into the other. No limit is 0.
	file, old string
	write     func(limit int64, old bool) string
	read      func(text string) int64
}

// The period in microseconds that processor time is counted in, and what the
// kernel says of no limit of memory in version 1.
const (
	period   = 100_000
	noMemory = 1 << 62
)

var knobs = []knob{
	{
		"memory", func(l *object.Limits) *int64 { return &l.Memory }, "memory.max", "memory.limit_in_bytes",
		number,
		func(text string) int64 {
			if n := count(text); n < noMemory {
				return n
			}
			return 0
		},
	},
	{
		"pids", func(l *object.Limits) *int64 { return &l.PIDs }, "pids.max", "pids.max",
		func(limit int64, _ bool) string { return number(limit, false) },
		count,
	},
	{
		"cpu", func(l *object.Limits) *int64 { return &l.CPU }, "cpu.max", "cpu.cfs_quota_us",
		func(limit int64, old bool) string {
			quota := number(limit*period/1000, old)
			if old {
				return quota
			}
			return quota + " " + strconv.Itoa(period)
		},
		func(text string) int64 {
			quota, of, _ := strings.Cut(text, " ")
			per := int64(period)
			if n := count(of); n > 0 {
				per = n
			}
			return count(quota) * 1000 / per
		},
	},
}

// number writes a limit; version 1 says -1 for none.
func number(limit int64, old bool) string {
	switch {
	case limit > 0:
		return strconv.FormatInt(limit, 10)
	case old:
		return "-1"
	}
	return "max"
}

// count reads a limit; whatever is none is 0.
func count(text string) int64 {
	n, err := strconv.ParseInt(strings.TrimSpace(text), 10, 64)
	if err != nil || n < 0 {
		return 0
	}
	return n
}

// limits tells what limits a session has, given which ones are wanted, and why
// one that is wanted is not enforced: then it counts as there, since nothing can
// be done about it.
func (d Driver) limits(session string, wanted object.Limits) (object.Limits, string, error) {
	var has object.Limits
	var notes []string
	for _, k := range knobs {
		want, have := *k.of(&wanted), k.of(&has)
		file, _, why := d.limitFile(session, k)
		if file == "" {
			*have = want
			if want > 0 {
				notes = append(notes, fmt.Sprintf("the limit of %s is not enforced: %s", k.controller, why))
			}
			continue
		}
		text, err := os.ReadFile(file)
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENODEV) {
			continue // to be made
		}
		if err != nil {
			return has, "", fmt.Errorf("read limit: %w", err)
		}
		*have = k.read(strings.TrimSpace(string(text)))
		// The kernel counts whole pages.
		if want > 0 && *have == want-want%int64(os.Getpagesize()) {
			*have = want
		}
	}
	return has, strings.Join(notes, "; "), nil
}

// limitFile returns the file that a limit is set in, whether it is an old one,
// or why there is none.
func (d Driver) limitFile(session string, k knob) (file string, old bool, why string) {
	if d.Limiter == nil {
		return "", false, "limits are not set here"
	}
	if slices.Contains(d.Limiter.offered, k.controller) {
		if why := d.Limiter.why(k.controller); why != "" {
			return "", false, why
		}
		return filepath.Join(d.group(session), k.file), false, ""
	}
	if tree := d.Limiter.old[k.controller]; tree != "" {
		return filepath.Join(tree, d.name(), session, k.old), true, ""
	}
	return "", false, "the kernel offers no cgroup controller for it here"
}

func (l *Limiter) why(controller string) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.refused[controller]
}

// has reports whether a list of controllers names one.
func has(file, controller string) bool {
	text, err := os.ReadFile(file)
	return err == nil && slices.Contains(strings.Fields(string(text)), controller)
}

// setLimits gives a session the limits it is to have, and takes away others.
func (d Driver) setLimits(session string, wanted object.Limits) error {
	for _, k := range knobs {
		want := *k.of(&wanted)
		file, old, _ := d.limitFile(session, k)
		if file == "" {
			continue // Observe tells of it
		}
		if want == 0 {
			if _, err := os.Stat(file); err != nil {
				continue // it never had one
			}
		} else if old {
			if err := d.joinOld(session, filepath.Dir(file)); err != nil {
				return err
			}
		} else if !d.switchOn(k.controller) {
			continue
		}
		if err := os.WriteFile(file, []byte(k.write(want, old)), 0); err != nil {
			return fmt.Errorf("limit %s of session %s: %w", k.controller, session, err)
		}
	}
	return nil
}

// switchOn gives the groups of sessions a controller of cgroup v2; what keeps it
// from that is remembered.
func (d Driver) switchOn(controller string) bool {
	for _, group := range []string{d.Groups, d.parent()} {
		file := filepath.Join(group, "cgroup.subtree_control")
		if has(file, controller) {
			continue
		}
		if err := os.WriteFile(file, []byte("+"+controller), 0); err != nil {
			why := fmt.Sprintf("the controller cannot be switched on in %s: %v", group, errors.Unwrap(err))
			d.Limiter.mu.Lock()
			d.Limiter.refused[controller] = why
			d.Limiter.mu.Unlock()
			return false
		}
	}
	return true
}

// joinOld makes a session's group in a tree of version 1, and puts into it those
// who are inside already.
func (d Driver) joinOld(session, group string) error {
	if _, err := os.Stat(group); err == nil {
		return nil
	}
	if err := os.MkdirAll(group, 0o755); err != nil {
		return fmt.Errorf("make cgroup: %w", err)
	}
	pids, err := d.members(session)
	if err != nil {
		return err
	}
	for _, pid := range pids {
		err := os.WriteFile(filepath.Join(group, "cgroup.procs"), []byte(strconv.Itoa(pid)), 0)
		if err != nil && !errors.Is(err, unix.ESRCH) {
			return fmt.Errorf("limit process %d: %w", pid, err)
		}
	}
	return nil
}

// Tasks returns the files by which a thread joins the groups of version 1 that
// limit a session.
func (d Driver) Tasks(session string) []string {
	var files []string
	for _, group := range d.oldGroups(session) {
		if file := filepath.Join(group, "tasks"); exists(file) {
			files = append(files, file)
		}
	}
	return files
}

// oldGroups returns where a session's groups of version 1 are, or would be.
func (d Driver) oldGroups(session string) []string {
	if d.Limiter == nil {
		return nil
	}
	var groups []string
	for _, k := range knobs {
		if tree := d.Limiter.old[k.controller]; tree != "" {
			groups = append(groups, filepath.Join(tree, d.name(), session))
		}
	}
	return groups
}

// removeOld removes a session's groups of version 1, and with the last session
// what they were in.
func (d Driver) removeOld(session string) error {
	for _, group := range d.oldGroups(session) {
		if !exists(group) {
			continue
		}
		if err := cgroup.Remove(group); err != nil {
			return err
		}
		if err := unix.Rmdir(filepath.Dir(group)); err != nil && !errors.Is(err, unix.EBUSY) && !errors.Is(err, unix.ENOTEMPTY) && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("remove cgroup: %w", err)
		}
	}
	return nil
}

// oldSessions returns the sessions that have groups of version 1.
func (d Driver) oldSessions() ([]string, error) {
	var names []string
	for _, group := range d.oldGroups("") {
		entries, err := os.ReadDir(group)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("look for cgroups: %w", err)
		}
		for _, e := range entries {
			if e.IsDir() {
				names = append(names, e.Name())
			}
		}
	}
	return names, nil
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
