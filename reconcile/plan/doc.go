// Package plan decides. It compares what is wanted of one owner's objects with
// what was seen of them and returns the steps that close the difference, in
// order, each with its reason. It is a plain function over values: it looks at
// nothing, changes nothing and remembers nothing.
//
// # The rules
//
//  1. What is wanted and not there is created. What is there and not wanted is
//     destroyed. What differs in a way that can be changed in place is amended.
//     What differs otherwise, or is damaged, is destroyed and created.
//  2. Everything that goes, goes first, in the reverse order of its making; then
//     what comes, comes in order.
//  3. Making an object, anew or at all, drags what stands on it: an object that
//     was built on a former one is destroyed first and made again.
//  4. A namespace is created with all the mounts that belong inside, so that
//     nobody ever sees it half made, and it takes them with it when it goes.
//  5. A look that failed is blindness, never emptiness. Of a kind that could not
//     be seen nothing is touched, nothing is destroyed that an unseen object
//     might stand on, and nothing is created that might stand on one.
//  6. A session that is to live on keeps its root as long as processes are
//     inside, and does not lose it to a mere difference unless the policy says so.
//
// A plan that a crash cuts short needs no undoing: the next look sees what
// became of it, and the next plan goes on from there.
package plan
