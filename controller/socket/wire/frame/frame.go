// Package frame is what a client and the keeper of its command say to each other
// on an upgraded connection: frames, and the open files that ride on them; and what the
// client asks the daemon before. In which order stands in package wire.
//
// It is all of the protocol that a keeper knows, and a client that begins early. Both
// begin before most other packages of the program are initialized (see packages keeper
// and early), so nothing large may be imported here, and package net is.
package frame

// Size is a terminal's, in characters.
type Size struct {
	Rows    uint16 `json:"rows"`
	Columns uint16 `json:"columns"`
}

// Frame is what either side says after the upgrade; one field of it is set.
type Frame struct {
	// Files tells which standard files ride on the frame, by number, in order.
	Files []int `json:"files,omitempty"`
	// Signal is to be sent to the command.
	Signal *Signal `json:"signal,omitempty"`

	Started *Started `json:"started,omitempty"`
	Exited  *Exited  `json:"exited,omitempty"`
	Failed  *Failed  `json:"failed,omitempty"`
}

// Signal is sent to the command's process group.
type Signal struct {
	Number int `json:"number"`
}

// Started says that the command runs.
type Started struct {
	PID   int    `json:"pid"`
	Lease string `json:"lease"`
	// Note is something that the person at the terminal is to know, if any.
	Note string `json:"note,omitempty"`
	// Folder is where it runs.
	Folder string `json:"folder,omitempty"`
}

// Exited says how the command ended.
type Exited struct {
	Code int `json:"code"`
	// Signal is the number of the one that ended it, or 0.
	Signal int  `json:"signal,omitempty"`
	Core   bool `json:"core,omitempty"`
}

// Failed says why there was no command, or none that could be waited for.
type Failed struct {
	Error
	// NotFound and NotExecutable are the two failures that a shell gives a code
	// of its own: 127 and 126.
	NotFound      bool `json:"notFound,omitempty"`
	NotExecutable bool `json:"notExecutable,omitempty"`
	// Folder is the one that could not be changed to, if that is why.
	Folder string `json:"folder,omitempty"`
	// Cause is the system's own word for what went wrong, as "permission denied",
	// if it was the system that said so.
	Cause string `json:"cause,omitempty"`
}

// Error is why something was refused or failed.
type Error struct {
	// Reason is one word for programs: Forbidden, NotFound, NotReady, Invalid,
	// AlreadyExists, Busy, TooMany, Internal.
	Reason string `json:"reason"`
	// Message tells a person what happened and what to do.
	Message string `json:"message"`
}

// Error implements error.
func (e *Error) Error() string { return e.Message }
