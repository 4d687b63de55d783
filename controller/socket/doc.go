// Package socket serves the daemon's socket: it tells of objects, begins and ends
// sessions for people, and lets them into sessions. What is said is in package
// wire, who may what is decided in package access, and a command is run by a
// keeper (package keeper), which is handed the client's connection.
//
// Who asks is known from the socket (SO_PEERCRED, SO_PEERGROUPS, unix(7)) and
// from nothing else. Every grant and every refusal is a line in the log.
//
// It makes no session and touches no storage: it asks for sessions as everybody
// does, by a manifest, and what it has to know of the machine it asks through the
// interface Host. No client can keep the others from being served: each has a
// share of the connections, and as much time as an honest one needs.
package socket
