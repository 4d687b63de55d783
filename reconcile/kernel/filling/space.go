package filling

import (
	"fmt"

	"coppice.dev/spec"
)

// Space is how much is used of what a session's own layer may hold, in bytes and in
// files. A limit of 0 is none.
type Space struct {
	Used, Limit      int64
	Files, MostFiles int64
}

// Percent is how full it is: of what is fuller, bytes or files.
func (s Space) Percent() int { return max(part(s.Used, s.Limit), part(s.Files, s.MostFiles)) }

func part(used, limit int64) int {
	if limit <= 0 {
		return 0
	}
	return int(float64(used) / float64(limit) * 100)
}

// Full says that it is near its limit, and what to do; "" if it is not.
func (s Space) Full() string {
	const advice = "; remove what is not needed inside, or write a larger union.upper.size"
	switch {
	case s.Percent() < spec.DefaultFillThreshold:
		return ""
	case part(s.Used, s.Limit) < s.Percent():
		return fmt.Sprintf("the session's own layer is nearly full: %d of %d files (%d%%)%s", s.Files, s.MostFiles, s.Percent(), advice)
	}
	return fmt.Sprintf("the session's own layer is nearly full: %s of %s (%d%%)%s", units(s.Used), units(s.Limit), s.Percent(), advice)
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
