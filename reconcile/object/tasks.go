package object

import "time"

// File is written into a session's root once for every time the root is built.
type File struct {
	// Source is the path of a file of the host; or Database.
	Source string `json:"source,omitempty"`
	// Database is a name that getent(1) knows.
	Database string `json:"database,omitempty"`
	// Target is the path inside.
	Target string `json:"target"`
}

// Kind implements Spec.
func (File) Kind() Kind { return KindFile }

// Identity implements Spec.
func (f File) Identity() Spec { return f }

// Hook is a program run for a session. Making it runs it (a stop hook is only
// armed), unmaking it undoes it; a journal in the session's home tells which
// ran, and carries the hook's spec, so that it can be undone when nobody else
// remembers it.
type Hook struct {
	Name    string        `json:"name"`
	Phase   string        `json:"phase"`
	Command []string      `json:"command"`
	Undo    []string      `json:"undo,omitempty"`
	Inside  bool          `json:"inside,omitempty"` // run in the session, not on the host
	Timeout time.Duration `json:"timeout"`
	// Env is added to the hook's environment, as NAME=value.
	Env []string `json:"env,omitempty"`
}

// Kind implements Spec.
func (Hook) Kind() Kind { return KindHook }

// Identity implements Spec: what a hook did is done; how to undo it may change.
func (h Hook) Identity() Spec {
	h.Undo, h.Timeout = nil, 0
	return h
}
