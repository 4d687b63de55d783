package plan

import (
	"fmt"
	"strings"

	"coppice.dev/reconcile/object"
)

// Op is what a step does.
type Op string

// The operations.
const (
	Create  Op = "Create"
	Amend   Op = "Amend"
	Destroy Op = "Destroy"
)

// Step is one thing to do to one object.
type Step struct {
	Op Op
	// ID is the object's.
	ID object.ID
	// Object is what is wanted; not set for Destroy.
	Object object.Object
	// Contents are made inside a namespace in the step that creates it.
	Contents []object.Object
	// Seen is what was observed; not set for Create.
	Seen object.Observed
	// Reason says why, for people.
	Reason string
}

// Kind returns the kind of the step's object.
func (s Step) Kind() object.Kind {
	if s.Op == Destroy {
		return s.Seen.Kind
	}
	return s.Object.Kind()
}

// String returns one line for logs and tests.
func (s Step) String() string {
	var line strings.Builder
	fmt.Fprintf(&line, "%s %s", s.Op, s.ID.Address)
	for _, o := range s.Contents {
		line.WriteString(" +" + string(o.Address))
	}
	return line.String() + ": " + s.Reason
}

// Held is a difference that is left alone, and why.
type Held struct {
	Op     Op
	ID     object.ID
	Reason string
	// Cause tells machines why.
	Cause Cause
}

// Cause is why a difference is left alone.
type Cause string

// The causes.
const (
	// CauseBlind: something that could be seen by nobody might depend on it.
	CauseBlind Cause = "Blind"
	// CauseInUse: processes are inside, and the policy is to wait for them.
	CauseInUse Cause = "InUse"
	// CausePolicy: it would need the session made anew, and the policy forbids it.
	CausePolicy Cause = "Policy"
)

// Plan is what to do, in order, and what is left alone.
type Plan struct {
	Steps []Step
	Held  []Held
}

// Done reports whether the world is as wanted.
func (p Plan) Done() bool { return len(p.Steps) == 0 && len(p.Held) == 0 }
