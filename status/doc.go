// Package status holds what is told about objects: one file for each, written
// whole and swapped in by rename, so that whoever reads it never sees half.
//
// The controller alone writes here; anybody may read. Nothing is ever decided
// from a status file: what is there is read from the machine.
package status
