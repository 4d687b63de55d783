package status

import (
	"fmt"
	"os"
	"slices"
	"time"
)

const (
	// mostReads is how often a folder is read that changes all the time.
	mostReads = 4
	// grain is more than the steps that a file system's times go in: a change may
	// bear a time that is so much older than it is (4 to 10 ms; CONFIG_HZ).
	grain = 20 * time.Millisecond
)

// names returns the names of the files in a folder, in order, and leaves out none
// that was there all the time.
//
// One read of a folder may: what readdir(3) tells of a file that another one is
// renamed over meanwhile is not specified, and tmpfs before Linux 6.6 tells of
// neither if it had passed the place where the new one is. Status files are
// replaced so, again and again. So a folder is read once more if it changed while
// it was read, or just before, and what was there once is taken for there: who opens
// it finds out.
func names(folder string, read func(string) ([]os.DirEntry, error)) ([]string, error) {
	var all []string
	for range mostReads {
		before, err := os.Stat(folder)
		if err != nil {
			return nil, fmt.Errorf("look at folder: %w", err)
		}
		began := time.Now()
		entries, err := read(folder)
		if err != nil {
			return nil, fmt.Errorf("read folder: %w", err)
		}
		for _, entry := range entries {
			all = append(all, entry.Name())
		}
		after, err := os.Stat(folder)
		if err != nil {
			return nil, fmt.Errorf("look at folder: %w", err)
		}
		if after.ModTime().Equal(before.ModTime()) && began.Sub(after.ModTime()).Abs() > grain {
			break
		}
	}
	slices.Sort(all)
	return slices.Compact(all), nil
}
