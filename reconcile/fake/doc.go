// Package fake is a world of sessions in memory: a reconcile.Kernel that is as
// unforgiving as the real one, for tests that have to see thousands of worlds.
//
// A Machine holds what a machine holds: folders, loop devices, mounts,
// namespaces, processes, journals. It outlives the Kernel that works on it, as
// a machine outlives a daemon: Machine.Start begins a new one that knows
// nothing. What only the daemon kept alive goes with it, such as a namespace
// without a pin.
//
// It refuses what the kernel refuses, with the same errors: what stands on
// nothing (ENOENT), what is there already (EEXIST, EBUSY), what is in use
// (EBUSY, with the holders). What the kernel would let pass although it ruins a
// session is written down as a violation: a lower layer that is removed under a
// live overlay, an upper mounted twice, an object of somebody else's touched.
// A test has failed as soon as there is one.
//
// Each step is a sequence of effects. A crash can be set before or after any of
// them, and each can be made to fail. A machine prints its state as text that
// is equal for equal states however they came about.
//
// What this package never does: repair anything, or know what is wanted. It has
// only what the steps made and what a test broke.
package fake
