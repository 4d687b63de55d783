// Package meter reads what sessions use: from their cgroups, of whichever version, from
// /proc, and from the folders that they write to. Any user of the host may read the first
// two.
//
// It changes nothing, and asks no controller.
package meter

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"coppice.dev/reconcile/kernel/cgroup"
	"coppice.dev/reconcile/kernel/mounttable"
	"coppice.dev/reconcile/layout"
)

// Meter knows where the figures of one controller's sessions are.
type Meter struct {
	// group is the cgroup of version 2 that the sessions' groups are in, old that of
	// version 1 which counts memory; "" for none.
	group, old string
}

// Use is what a session uses.
type Use struct {
	// Processes counts those inside.
	Processes int
	// CPU is the processor time that it has used since it began, all processors
	// together, those that have ended included where a cgroup counts.
	CPU time.Duration
	// Memory is what it holds in bytes, without what the kernel can drop at any time.
	Memory int64
	// Counted is set if a cgroup tells of the memory. Else it is added up process by
	// process, and what two of them share counts twice.
	Counted bool
}

// Open looks where the figures are of the controller of a run-time folder.
func Open(l layout.Layout) (*Meter, error) {
	id, err := os.ReadFile(filepath.Join(l.Run, "id"))
	if err != nil {
		return nil, fmt.Errorf("look who the controller is: %w", err)
	}
	table, err := mounttable.Host()
	if err != nil {
		return nil, err
	}
	m := &Meter{}
	name := "coppice-" + strings.TrimSpace(string(id))
	for _, e := range table {
		group := filepath.Join(e.Mountpoint, name)
		switch {
		case e.FSType == "cgroup2" && m.group == "" && isFolder(group):
			m.group = group
		case e.FSType == "cgroup" && m.old == "" && slices.Contains(strings.Split(e.VFSOptions, ","), "memory") && isFolder(group):
			m.old = group
		}
	}
	return m, nil
}

func isFolder(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

// Read returns what a session uses now. known are processes that are known to be inside,
// for where no cgroup tells.
func (m *Meter) Read(session string, known []int) (Use, error) {
	pids := known
	var use Use
	group := ""
	if m.group != "" {
		group = filepath.Join(m.group, session)
		members, err := cgroup.Members(group)
		if err != nil {
			return Use{}, err
		}
		pids = members
	}
	var memory int64
	var cpu time.Duration
	for _, pid := range pids {
		p, err := processOf(pid)
		if gone(err) {
			continue
		}
		if err != nil {
			return Use{}, err
		}
		use.Processes++
		memory += p.memory
		cpu += p.cpu
	}
	use.Memory, use.CPU = memory, cpu
	if counted, is := cpuOf(group); is {
		use.CPU = counted
	}
	if counted, is := m.memoryOf(group, session); is {
		use.Memory, use.Counted = counted, true
	}
	return use, nil
}

// cpuOf returns the processor time of a group and of all that was in it; version 2
// counts that without a controller.
func cpuOf(group string) (time.Duration, bool) {
	if group == "" {
		return 0, false
	}
	micros, is := stat(filepath.Join(group, "cpu.stat"), "usage_usec")
	return time.Duration(micros) * time.Microsecond, is
}

// memoryOf returns the memory of a group, where it is counted: version 2 needs the
// controller for that, and in version 1 a session has a group if it has a limit.
func (m *Meter) memoryOf(group, session string) (int64, bool) {
	type source struct{ folder, file, droppable string }
	sources := []source{{group, "memory.current", "inactive_file"}}
	if m.old != "" {
		sources = append(sources, source{filepath.Join(m.old, session), "memory.usage_in_bytes", "total_inactive_file"})
	}
	for _, s := range sources {
		if s.folder == "" {
			continue
		}
		text, err := os.ReadFile(filepath.Join(s.folder, s.file))
		if err != nil {
			continue
		}
		total, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
		if err != nil {
			continue
		}
		cache, _ := stat(filepath.Join(s.folder, "memory.stat"), s.droppable) // not known is nothing
		return max(0, total-cache), true
	}
	return 0, false
}

// stat returns a value of a file of lines "name value".
func stat(path, name string) (int64, bool) {
	text, err := os.ReadFile(path)
	if err != nil {
		return 0, false
	}
	for line := range strings.Lines(string(text)) {
		if value, is := strings.CutPrefix(line, name+" "); is {
			n, err := strconv.ParseInt(strings.TrimSpace(value), 10, 64)
			return n, err == nil
		}
	}
	return 0, false
}

// gone reports whether there is no such process any more.
func gone(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, errEnded)
}
