package compile

import (
	"coppice.dev/reconcile/layout"
	"coppice.dev/reconcile/object"
)

// Base is what a session shares with others.
type Base struct {
	Owner   object.Owner
	Objects []object.Object
	// Source is the path of the image or archive, for people.
	Source string
	// Exclusive bases are written to: one session at a time, and none that
	// reads the same source beside it.
	Exclusive bool
}

// Result is what a session is made of.
type Result struct {
	// Objects are the session's own, in the order of making.
	Objects []object.Object
	// Bases must be there before the session's objects can be made.
	Bases []Base
}

// Session compiles a record.
func Session(l layout.Layout, r Record) (Result, error) {
	return Result{}, nil
}
