// Package wire is what the daemon, the keeper of a command and the commands that
// people type say to each other over the daemon's socket: paths, bodies, frames
// and the open files that ride on them. It decides nothing and starts nothing.
//
// # Objects
//
// The socket, <run-dir>/coppiced.sock, speaks HTTP/1.1 and JSON:
//
//	GET    /v1alpha1/KIND            a List of the kind's objects: sessions,
//	                                 chroots, profiles, manifests
//	GET    /v1alpha1/KIND?watch=true one Change a line, those that are there first
//	GET    /v1alpha1/KIND/NAME       one object
//	GET    /v1alpha1/specs/chroots   what all Chroots are made of
//	GET    /v1alpha1/specs/chroots/NAME  what one is, by name or alias
//	GET    /v1alpha1/specs/sessions, /v1alpha1/specs/sessions/NAME  what Sessions are
//	POST   /v1alpha1/sessions        begin a session of one's own (Begin)
//	DELETE /v1alpha1/sessions/NAME   end one
//	POST   /v1alpha1/sessions/NAME/exec  run a command inside (Exec)
//
// What is refused comes back as an Error with an HTTP status. Who asks is known
// from the socket itself (SO_PEERCRED, unix(7)), never from what is said.
//
// # Commands
//
// An exec request asks for an upgrade of the connection to the protocol Upgrade.
// A refusal is a plain HTTP answer. After "101 Switching Protocols" both sides
// send frames: four bytes of length, the least significant first, and as many of
// JSON. Open files ride on the first byte of their frame (SCM_RIGHTS).
//
//  1. The client sends Files, with the descriptors that the command is to have
//     as standard input, output and error, but for those that are terminals.
//  2. The keeper sends Started; with a terminal, its master side rides on it,
//     and the keeper closes its own: when the client goes, the session's side
//     hangs up. The client sets the window's size on it, at any time.
//  3. The client sends Signal, as often as it likes.
//  4. The keeper sends Exited, and closes.
//
// Instead of Started and of Exited a Failed may come: the command could not be
// run. An end of the connection without a word means that whoever was at the
// other end is gone: the keeper then ends the command, the client says so.
//
// The keeper is a process of its own, so that a daemon that is restarted leaves
// commands and those who wait for them alone.
package wire
