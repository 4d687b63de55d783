// Package fault holds the errors that mean something to a person: a reason
// that machines can match on and a hint that says what to do next. Drivers
// return them, the controller puts them into conditions as they are.
//
// An error that is no Fault is a surprise, and reported as such.
package fault

import (
	"errors"
	"fmt"
	"strings"

	"coppice.dev/reconcile/object"
)

// Reason is a condition's reason, in CamelCase.
type Reason string

// The reasons.
const (
	SourceMissing   Reason = "SourceMissing"   // a path that a manifest names is not there
	SourceUnusable  Reason = "SourceUnusable"  // it is there, but not what it should be
	SourceHeld      Reason = "SourceHeld"      // another session uses it exclusively
	WrongFileSystem Reason = "WrongFileSystem" // the file system does not fit, or cannot be mounted
	NoSpace         Reason = "NoSpace"         // a disk or a limit is full
	ReadOnly        Reason = "ReadOnly"        // a file system that has to be written to is read-only
	StateLost       Reason = "StateLost"       // the state folder is another one than it was
	DiskFailing     Reason = "DiskFailing"     // a disk, or what stands for one, gives errors
	NoResources     Reason = "NoResources"     // out of memory, processes or open files
	Busy            Reason = "Busy"            // somebody holds it; Holders names them
	ToolMissing     Reason = "ToolMissing"     // a package must be installed
	KernelTooOld    Reason = "KernelTooOld"    // the kernel lacks a feature, or its module
	TargetUnusable  Reason = "TargetUnusable"  // a path inside the root cannot take a mount or a file
	ArchiveBroken   Reason = "ArchiveBroken"   // an archive could not be unpacked whole
	HookFailed      Reason = "HookFailed"      // a hook ended with an error or ran out of time
	TimedOut        Reason = "TimedOut"        // a step took longer than it may
	Blind           Reason = "Blind"           // the world could not be looked at
	Unsettled       Reason = "Unsettled"       // steps succeeded, yet the world is not as wanted
	Surprise        Reason = "Error"           // whatever has no name of its own
)

// Fault is an error with a reason and advice.
type Fault struct { //nolint:errname // it is more than its error: reason, advice, holders
	// Reason tells faults apart.
	Reason Reason
	// Doing is what was tried on which object: "mount image /srv/a.img". It is
	// empty if Err says it.
	Doing string
	// Hint is what to do next, a whole clause: "install the package xz-utils".
	Hint string
	// Output is what a program said before it failed, cut to a sensible length.
	Output string
	// Holders are the processes in the way.
	Holders []object.Process
	// Err is the cause; it may be nil.
	Err error
}

// Error returns everything but the output on one line.
func (f *Fault) Error() string {
	var b strings.Builder
	b.WriteString(f.Doing)
	if f.Err != nil {
		if f.Doing != "" {
			b.WriteString(": ")
		}
		b.WriteString(f.Err.Error())
	}
	if len(f.Holders) > 0 {
		b.WriteString("; held by ")
		b.WriteString(Holders(f.Holders))
	}
	if f.Hint != "" {
		fmt.Fprintf(&b, "; %s", f.Hint)
	}
	return b.String()
}

// Unwrap returns the cause.
func (f *Fault) Unwrap() error { return f.Err }

// Holders names processes in words, the first few of them.
func Holders(list []object.Process) string {
	const most = 5
	var names []string
	for i, p := range list {
		if i == most {
			names = append(names, fmt.Sprintf("and %d more", len(list)-most))
			break
		}
		name := fmt.Sprintf("pid %d", p.PID)
		if p.PID == 0 {
			name = p.Command
		} else if p.Command != "" {
			name += fmt.Sprintf(" (%s)", p.Command)
		}
		if p.Lease != "" {
			name += fmt.Sprintf(" of user %d", p.UID)
		}
		if p.Path != "" {
			name += " at " + p.Path
		}
		names = append(names, name)
	}
	return strings.Join(names, ", ")
}

// ReasonOf returns the reason of the first Fault in err's chain, or of an error
// of the system that is Known; else Surprise.
func ReasonOf(err error) Reason {
	if f, ok := errors.AsType[*Fault](Known(err)); ok {
		return f.Reason
	}
	return Surprise
}
