// Package tracer runs a program and ends it with SIGKILL at one exact system
// call that changes the world.
//
// # How it works
//
// Start executes this very binary once more as a stub. The stub puts a seccomp
// filter on itself, sends the filter's notification descriptor back over a
// socket, and becomes the program by execve(2); the filter stays on it and on
// all it starts. From then on every chosen call of every thread waits in the
// kernel until it is answered here, one at a time (seccomp_unotify(2)). So there
// is one order of calls, and a program whose threads come and go can be stopped
// at the Nth of them. strace(1) can inject a signal too, but counts for each
// thread, and in a Go program that count differs from run to run.
//
// # Three ways to end it
//
//   - Before: the call is never answered, and has no effect.
//   - During: the call is let go and the signal sent at once. How far the call
//     comes, and whether the program still sees its result, is a race, as in
//     life.
//   - After: the thread is seized with ptrace(2), so that it stops on its way
//     back from the call, and is killed there: the call has happened, and the
//     program has not seen its result.
//
// What the program had started (tar, hooks) is not killed with it, as it would
// not be in life: it goes on, and its calls are answered until it ends.
//
// The package knows nothing of what it runs. It needs root and Linux 5.19.
package tracer
