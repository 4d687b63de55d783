// Package budget decides which of the sessions that wait may begin on a host that has
// only so much of everything. It is plain functions over values: who looks at the host,
// and who waits, is for others to know.
//
// Nothing here keeps a session from being repaired or taken down.
package budget

import "fmt"

// The reasons for which a session waits.
const (
	// DiskFull: a disk has less free than is to stay free.
	DiskFull = "DiskFull"
	// HostFull: there are as many sessions, loop devices or mounts as there may be.
	HostFull = "HostFull"
)

// Limits are what may be used, and what is to be left, by all together. Zero is no
// limit.
type Limits struct {
	Sessions int
	// Loops and Mounts are those of the host, whosever they are.
	Loops, Mounts int
	// Space and Files are what is to stay free on each disk.
	Space, Files Share
}

// Disk is a file system that sessions lie on. Files are none where there is no limit
// of them.
type Disk struct {
	Name             string // for people: the state folder
	Path             string
	Size, Free       int64 // bytes
	Files, FreeFiles int64
}

// Host is what a host has. What could not be found out is less than nothing.
type Host struct {
	Disks  []Disk
	Loops  int
	Mounts int
	// MostMounts is how many the kernel lets there be (fs.mount-max).
	MostMounts int
}

// Needs is what a session takes of what is counted, but for a place among the sessions.
type Needs struct{ Loops, Mounts int }

// Add returns the needs of both.
func (n Needs) Add(more Needs) Needs { return Needs{n.Loops + more.Loops, n.Mounts + more.Mounts} }

// Refusal says why a session has to wait; zero if it does not.
type Refusal struct{ Reason, Message string }

// Refused reports whether it is one.
func (r Refusal) Refused() bool { return r.Reason != "" }

// Decide tells of each of those in line, oldest first, whether it may begin now beside
// the sessions that are there. Who may takes what it needs before those behind it; who
// may not takes nothing from them, but is before them as soon as there is what it waits
// for, so nobody waits for ever.
func Decide(l Limits, h Host, there int, line []Needs) []Refusal {
	verdicts := make([]Refusal, len(line))
	all := l.disk(h) // refuses everybody from here on
	for i, needs := range line {
		if !all.Refused() && l.Sessions > 0 && there >= l.Sessions {
			all = Refusal{HostFull, fmt.Sprintf("there are %d sessions, and may be %d: end one, or raise --max-sessions"+goesOn, there, l.Sessions)}
		}
		r := all
		if !r.Refused() {
			r = l.count(h, needs)
		}
		if verdicts[i] = r; r.Refused() {
			continue
		}
		there++
		h.Loops, h.Mounts = taken(h.Loops, needs.Loops), taken(h.Mounts, needs.Mounts)
	}
	return verdicts
}

// taken adds to a number that may not be known.
func taken(now, more int) int {
	if now < 0 {
		return now
	}
	return now + more
}

const goesOn = "; it begins by itself then"

// disk refuses everybody while a disk is nearly full.
func (l Limits) disk(h Host) Refusal {
	for _, d := range h.Disks {
		if keep := l.Space.Of(d.Size); d.Size > 0 && d.Free < keep {
			return Refusal{DiskFull, fmt.Sprintf(
				"%s (%s) has %s free of %s (%s), and %s is to stay free before a session is begun: make room there (df -h), or lower --min-free-space"+goesOn,
				d.Name, d.Path, Bytes(d.Free), Bytes(d.Size), part(d.Free, d.Size), l.Space)}
		}
		if keep := l.Files.Of(d.Files); d.Files > 0 && d.FreeFiles < keep {
			return Refusal{DiskFull, fmt.Sprintf(
				"%s (%s) has %d inodes free of %d (%s), and %s is to stay free before a session is begun: remove files there (df -i), or lower --min-free-inodes"+goesOn,
				d.Name, d.Path, d.FreeFiles, d.Files, part(d.FreeFiles, d.Files), l.Files)}
		}
	}
	return Refusal{}
}

// count refuses who takes too much of what is counted.
func (l Limits) count(h Host, needs Needs) Refusal {
	full := func(format string, args ...any) Refusal { return Refusal{HostFull, fmt.Sprintf(format, args...)} }
	if l.Loops > 0 && needs.Loops > 0 && h.Loops >= 0 && h.Loops+needs.Loops > l.Loops {
		return full("%d loop devices are in use on this host, this session takes %d, and there may be %d: end one that has an image or a limited upper (losetup lists all), or raise --max-loop-devices"+goesOn,
			h.Loops, needs.Loops, l.Loops)
	}
	most, raise := l.Mounts, "--max-mounts"
	if most == 0 || h.MostMounts > 0 && h.MostMounts < most {
		most, raise = h.MostMounts, "sysctl fs.mount-max"
	}
	if most > 0 && h.Mounts >= 0 && h.Mounts+needs.Mounts > most {
		return full("there are %d mounts on this host, this session takes %d, and there may be %d: end one, unmount something (findmnt lists all), or raise %s"+goesOn,
			h.Mounts, needs.Mounts, most, raise)
	}
	return Refusal{}
}

// part is a part of a whole in percent, for people.
func part(of, whole int64) string { return fmt.Sprintf("%.1f%%", float64(of)/float64(whole)*100) }
