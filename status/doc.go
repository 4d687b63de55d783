// Package status holds what is told about objects: one file for each, written
// whole and swapped in by rename, so that whoever reads it never sees half.
//
// The Writer is the controller's: it writes a file only when something in it
// changed, and it knows what a former daemon left, so that generations, events
// and identities survive a restart. Read, List and Watch are for everybody else,
// and count on nothing: a file may vanish between two calls, and the whole
// folder may not be there yet.
//
// The words stand here too: a Verdict is what a pass found out about an object,
// and conditions, phase and messages follow from it. They keep the rules of
// kstatus: Reconciling and Stalled are never True together, Stalled is True only
// when a person must act, and no status at all would count as good, so one is
// written as soon as an object is known.
//
// Nothing is ever decided from a status file but how its own story goes on: what
// is there is read from the machine.
package status
