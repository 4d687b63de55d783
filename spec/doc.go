// Package spec holds the kinds that people write (Chroot, Profile, Session) as
// Go types, and the plain functions over them: strict decoding, defaults,
// validation, and the resolution of a session's references into one Admitted
// value.
//
// Everything here is a pure function of its arguments. The package never opens
// a file, never asks the kernel, never imports another package of this module:
// whoever edits manifests, checks them in CI or draws a schema from them can
// use it alone.
package spec
