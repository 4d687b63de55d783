// Package controller drives the reconciler: it decides what is to be looked at,
// when, and with which manifests, and tells in status files what came of it.
//
// # How it works
//
// Everything has a key: session/NAME, base/KEY, chroot/NAME, profile/NAME,
// manifest/PATH. Whatever may have changed something (a manifest, a mount event,
// a timer, a finished base) only puts a key into the queue; a worker takes it
// out and looks at all of it again. A key is never worked on by two workers, a
// failing one comes back after a pause of its own, and a hung one costs a worker
// that is replaced meanwhile.
//
// # The pass of a session
//
//  1. Is it wanted? Its manifest is there: yes. It is not, and all folders were
//     read whole: no. Otherwise nobody knows, and what runs stays as it is.
//  2. Look at its objects. What its home remembers tells what it was admitted with.
//  3. With no memory, admit it: resolve its references, ask the machine about
//     its source, give it a new identity. With one, keep chroot and profile and
//     take the session's own part from its manifest as it is now.
//  4. Claim what it shares with others and wait until that is there.
//  5. Converge its own objects.
//  6. Tell.
//
// One that is unwanted converges to nothing and then gives its claims back. One that is
// suspended, and one whose drift is only told of, gets as far as its plan, which is told
// and not carried out. Foresee does the same for whoever asks, and tells only them.
//
// # What it never does
//
// It makes no system call on storage and knows no kinds of object. It keeps no
// truth: what it remembers between two passes (who claims what, who waits for
// whom, what was last told) is rebuilt by looking at everything once. It never
// takes anything down before it knows that nobody wants it: as long as a folder
// cannot be read no session goes, and as long as some session's memory has not
// been seen no base does.
package controller
