// Package mounttable reads mount tables: the host's, and that of a namespace
// from a thread inside it. It changes nothing.
package mounttable

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/moby/sys/mountinfo"

	"coppice.dev/reconcile/kernel/enter"
)

// Entry is one mount, as in proc_pid_mountinfo(5).
type Entry = mountinfo.Info

// Host returns the mount table of the host, in the order of mounting.
func Host() ([]*Entry, error) {
	file, err := os.Open("/proc/self/mountinfo")
	if err != nil {
		return nil, fmt.Errorf("read the host's mount table: %w", err)
	}
	defer file.Close()
	return read(file)
}

// Inside returns the mount table of the namespace that the thread is in.
func Inside(t enter.Thread) ([]*Entry, error) {
	file, err := t.Open("mountinfo")
	if err != nil {
		return nil, fmt.Errorf("read the mount table of a namespace: %w", err)
	}
	defer file.Close()
	return read(file)
}

func read(r io.Reader) ([]*Entry, error) {
	entries, err := mountinfo.GetMountsFromReader(r, nil)
	if err != nil {
		return nil, fmt.Errorf("parse mount table: %w", err)
	}
	return entries, nil
}

// Below returns the mounts at the path and below it, deepest and latest first:
// the order in which they can be unmounted.
func Below(entries []*Entry, path string) []*Entry {
	path = filepath.Clean(path)
	var found []*Entry
	for _, e := range entries {
		if e.Mountpoint == path || path == "/" || strings.HasPrefix(e.Mountpoint, path+"/") {
			found = append(found, e)
		}
	}
	slices.Reverse(found)
	slices.SortStableFunc(found, func(a, b *Entry) int { return strings.Count(b.Mountpoint, "/") - strings.Count(a.Mountpoint, "/") })
	return found
}

// Option returns the value of a file system's own option, such as upperdir.
func Option(e *Entry, name string) (string, bool) {
	for option := range strings.SplitSeq(e.VFSOptions, ",") {
		if value, is := strings.CutPrefix(option, name+"="); is {
			return value, true
		}
	}
	return "", false
}
