// Package namespace makes sessions' mount namespaces: the root, the mounts
// inside, and what the host sees of them.
//
// # How a session comes to be
//
// All of a session's mounts are made as detached mounts by a thread in the
// host's namespace, which sees the paths that they are made from. A second
// thread enters the seed, a namespace with nothing in it but one small tmpfs,
// and makes the session's namespace from it; so the cost does not grow with the
// host's mount table, and nothing of the host is in it. That thread attaches
// the mounts and makes the session's root the root of the namespace. Up to here
// nobody can see any of it, and if this process dies, the kernel drops it all.
//
// Then the namespace is pinned: its nsfs file is bound to a file below the
// run-time folder, whose name says whose it is and what it was made with. That
// one call publishes the session. Unmounting the pin ends it, once the last
// process has left.
//
// # What may be trusted
//
// Nothing inside a session's root. Paths in it are resolved as if the root were
// "/", without following /proc's magic links, and mounts are attached to the
// file descriptor that came of it. Missing folders are made only on mounts that
// are the session's own, never on what is bound from the host.
package namespace
