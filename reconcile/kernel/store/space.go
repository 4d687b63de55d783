package store

import (
	"fmt"

	"golang.org/x/sys/unix"

	"coppice.dev/reconcile/fault"
	"coppice.dev/reconcile/kernel/filling"
	"coppice.dev/reconcile/object"
)

// spaceAt looks at the file system that is mounted at a path, and whether it can be
// written to.
func spaceAt(path string) (s filling.Space, readOnly bool, err error) {
	var st unix.Statfs_t
	if err := unix.Statfs(path, &st); err != nil {
		return filling.Space{}, false, fmt.Errorf("look how full %s is: %w", path, err)
	}
	// What the file system keeps back for itself nobody can use.
	used := st.Blocks - st.Bfree
	return filling.Space{
		Used: int64(used) * st.Bsize, Limit: int64(used+st.Bavail) * st.Bsize,
		Files: int64(st.Files - st.Ffree), MostFiles: int64(st.Files),
	}, st.Flags&unix.ST_RDONLY != 0, nil
}

// judge tells how a mounted store is.
func judge(seen *object.Observed, path string, image bool) {
	sp, readOnly, err := spaceAt(path)
	seen.Used, seen.Limit = sp.Used, sp.Limit
	switch {
	case err != nil:
		seen.Failing, seen.FailingReason = err.Error(), string(fault.DiskFailing)
	case !image:
		seen.Failing, seen.FailingReason = "the image of its upper layer was removed: what is written goes with its last mount; recreate the session", string(fault.StateLost)
	case readOnly:
		seen.Failing, seen.FailingReason = "what was written could not be put on disk, so that nothing more can be written: see whether the disk of the state folder is full (df -h) and dmesg, then recreate the session", string(fault.DiskFailing)
	default:
		if seen.Failing = sp.Full(); seen.Failing != "" {
			seen.FailingReason = string(fault.NoSpace)
		}
	}
}

// Usage returns how much of the disk a session's store takes, in bytes; 0 if it has none.
func (d *Driver) Usage(session string) int64 {
	var st unix.Stat_t
	if unix.Lstat(d.layout.StoreImage(session), &st) != nil {
		return 0
	}
	return st.Blocks * 512 // the unit of st_blocks, whatever the file system's is
}
