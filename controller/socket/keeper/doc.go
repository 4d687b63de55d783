// Package keeper runs one command inside a session and waits for it, in a
// process of its own.
//
// The daemon decides who may run what; it then starts this very program once
// more as a keeper, hands it the client's connection, the session's namespace,
// the cgroup of the lease and an Order, and forgets about it. So a daemon that is
// killed, restarted or upgraded leaves commands and those who wait for them
// alone: the client talks to the keeper.
//
// # What the keeper does
//
//  1. It receives the client's files (package wire).
//  2. On a thread of its own it enters the session's namespaces, becomes the
//     user, and starts the command from there, in the lease's cgroup from its
//     first instruction (CLONE_INTO_CGROUP, clone(2)).
//  3. It passes signals on, and says how the command ended.
//  4. When the client goes without a word it ends the command and all that is in
//     the lease's cgroup: HUP, then KILL after a grace time.
//
// One keeper may have been started before there was anything for it to do (Reserve). It
// then waits, with nothing but a line to the daemon, for all of the above.
//
// It decides nothing about who may do what, and touches no storage.
package keeper
