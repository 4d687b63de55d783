package object

import (
	"slices"
	"time"
)

// Process is one process that holds or uses something.
type Process struct {
	PID     int    `json:"pid"`
	Command string `json:"command,omitempty"`
	UID     int    `json:"uid"`
	Path    string `json:"path,omitempty"` // what it holds, where that is known
	// Lease is set for a command that somebody was let into a session with, which
	// may be several processes; UID is then who that is, and Since when.
	Lease string    `json:"lease,omitempty"`
	Since time.Time `json:"since,omitzero"`
	// Free is the command that frees what it holds; empty for kill. A holder that
	// is no process (a loop device, a mount) has it, and no PID.
	Free string `json:"free,omitempty"`
}

// Observed is one object as it was seen.
type Observed struct {
	ID
	Kind Kind
	// Print is what it was made with, zero if that cannot be told.
	Print Print
	// Damage says what is wrong with it, for people; empty if it is whole.
	Damage string
	// Failing says what is wrong with it that no step can mend: it is left as it
	// is, and told of.
	Failing string
	// FailingReason is a condition's reason for it, in CamelCase; a disk that fails
	// if empty.
	FailingReason string
	// Name is what people know it by: /dev/loop3, a path.
	Name string
	// Note is a remark for people, such as why an optional mount was left out.
	Note string
	// Used is how much of Limit is used, in bytes, of what has a limit.
	Used, Limit int64
	// LeftOut is set when it counts as made although nothing is there: there is
	// nothing to destroy either.
	LeftOut bool
	// Users are the processes that keep it in use.
	Users []Process
	// Visits is what is known of those who were inside; of Processes alone.
	Visits Visits
	// Spec is what it was made with, where the world remembers it; else nil.
	Spec Spec
}

// Visits is what is known of those who were let into a session.
type Visits struct {
	// Last is when somebody came or left last; zero if nobody ever did, or nobody
	// knows.
	Last time.Time
	// Open counts the commands that have not ended.
	Open int
	// Failed says how the command failed that the session was begun for; "" if it
	// did not, or goes on.
	Failed string
}

// World is what was seen of one owner's objects.
type World struct {
	Owner   Owner
	Objects []Observed
	// Blind holds the kinds that could not be looked at, and why. Of those
	// nothing is known: an object that is not among Objects may well be there.
	Blind map[Kind]string
}

// Find returns the object at the address.
func (w World) Find(a Address) (Observed, bool) {
	i := slices.IndexFunc(w.Objects, func(o Observed) bool { return o.Address == a })
	if i < 0 {
		return Observed{}, false
	}
	return w.Objects[i], true
}

// Home returns what the owner's home remembers, if it has one that can be read.
func (w World) Home() (Home, bool) {
	for _, o := range w.Objects {
		if home, is := o.Spec.(Home); is {
			return home, true
		}
	}
	return Home{}, false
}

// Empty reports whether it is known that nothing is there.
func (w World) Empty() bool { return len(w.Objects) == 0 && len(w.Blind) == 0 }
