package wire

import "coppice.dev/controller/socket/wire/frame"

// What a command is asked for with is package frame's.
const (
	// Version is the first part of every path.
	Version = frame.Version
	// SocketName is the socket's file below the run-time folder.
	SocketName = frame.SocketName
	// Upgrade is the protocol of a connection after an exec request.
	Upgrade = frame.Upgrade
	// MaxBody is the most bytes that a request's body may have.
	MaxBody = frame.MaxBody
)

// And so is what is said after the upgrade.
type (
	// Exec asks for a command to be run inside a session.
	Exec = frame.Exec
	// Frame is what either side says after the upgrade.
	Frame = frame.Frame
	// Size is a terminal's, in characters.
	Size = frame.Size
	// Signal is sent to the command's process group.
	Signal = frame.Signal
	// Started says that the command runs.
	Started = frame.Started
	// Exited says how the command ended.
	Exited = frame.Exited
	// Failed says why there was no command.
	Failed = frame.Failed
	// Error is why something was refused or failed.
	Error = frame.Error
	// Conn sends and receives frames.
	Conn = frame.Conn
)

// NewConn returns a connection over an upgraded one, of which nothing may have been
// read ahead: the files on what was read would be lost.
func NewConn(s frame.Socket) *Conn { return frame.NewConn(s) }
