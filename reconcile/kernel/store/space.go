package store

import (
	"fmt"

	"golang.org/x/sys/unix"

	"coppice.dev/reconcile/fault"
	"coppice.dev/reconcile/object"
	"coppice.dev/spec"
)

// space is how much of a store is used, in bytes and in files.
type space struct {
	used, limit      int64
	files, mostFiles int64
}

// spaceAt looks at the file system that is mounted at a path, and whether it can be
// written to.
func spaceAt(path string) (s space, readOnly bool, err error) {
	var st unix.Statfs_t
	if err := unix.Statfs(path, &st); err != nil {
		return space{}, false, fmt.Errorf("look how full %s is: %w", path, err)
	}
	// What the file system keeps back for itself nobody can use.
	used := st.Blocks - st.Bfree
	return space{
		used: int64(used) * st.Bsize, limit: int64(used+st.Bavail) * st.Bsize,
		files: int64(st.Files - st.Ffree), mostFiles: int64(st.Files),
	}, st.Flags&unix.ST_RDONLY != 0, nil
}

// percent is how full it is: of what is fuller, bytes or files.
func (s space) percent() int { return max(part(s.used, s.limit), part(s.files, s.mostFiles)) }

func part(used, limit int64) int {
	if limit <= 0 {
		return 0
	}
	return int(float64(used) / float64(limit) * 100)
}

// full says that it is near its limit, and what to do; "" if it is not.
func (s space) full() string {
	const advice = "; remove what is not needed inside, or write a larger union.upper.size"
	switch {
	case s.percent() < spec.DefaultFillThreshold:
		return ""
	case part(s.used, s.limit) < s.percent():
		return fmt.Sprintf("the session's own layer is nearly full: %d of %d files (%d%%)%s", s.files, s.mostFiles, s.percent(), advice)
	}
	return fmt.Sprintf("the session's own layer is nearly full: %s of %s (%d%%)%s", units(s.used), units(s.limit), s.percent(), advice)
}

// judge tells how a mounted store is.
func judge(seen *object.Observed, path string, image bool) {
	sp, readOnly, err := spaceAt(path)
	seen.Used, seen.Limit = sp.used, sp.limit
	switch {
	case err != nil:
		seen.Failing, seen.FailingReason = err.Error(), string(fault.DiskFailing)
	case !image:
		seen.Failing, seen.FailingReason = "the image of its upper layer was removed: what is written goes with its last mount; recreate the session", string(fault.StateLost)
	case readOnly:
		seen.Failing, seen.FailingReason = "what was written could not be put on disk, so that nothing more can be written: see whether the disk of the state folder is full (df -h) and dmesg, then recreate the session", string(fault.DiskFailing)
	default:
		if seen.Failing = sp.full(); seen.Failing != "" {
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

// units writes a number of bytes for people.
func units(n int64) string {
	const step = 1024
	value, unit := float64(n), "bytes"
	for _, next := range []string{"KiB", "MiB", "GiB", "TiB", "PiB"} {
		if value < step {
			break
		}
		value, unit = value/step, next
	}
	if unit == "bytes" || value >= 100 {
		return fmt.Sprintf("%.0f %s", value, unit)
	}
	return fmt.Sprintf("%.1f %s", value, unit)
}
