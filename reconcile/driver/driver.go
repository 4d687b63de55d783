// Package driver says what the one room of each kind of kernel object offers:
// see what is there, make it, change it, unmake it. Nothing else in the module
// makes a system call on storage.
//
// # The life of an object
//
// The reconciler observes an owner's objects, compares them with what is
// wanted, and takes single steps. It may die before or after any system call,
// and starts again knowing nothing but what Observe tells it. A driver
// therefore keeps these rules:
//
//  1. Create makes label and object in one act, or makes the object in a place
//     where it does not count until it is whole (a temporary name, a detached
//     mount) and publishes it with one call. What a crash leaves before that
//     call goes by itself, or the next Create or Destroy clears it away.
//  2. Observe reports exactly what is there. What is half made is reported with
//     Damage. If the look itself fails it returns an error: a failed look is
//     blindness, never emptiness.
//  3. Destroy of what is absent succeeds. It removes only what is labelled. When
//     it returns nil the object is gone, not merely on its way.
//  4. Whatever can block honours the context where the kernel allows it.
//  5. An errno that a user can do something about comes back as a fault.Fault.
package driver

import (
	"context"

	"coppice.dev/reconcile/object"
)

// Driver makes and unmakes objects of one kind.
type Driver interface {
	// Observe returns those of the owner's objects of this kind that are there.
	//
	// known holds the objects of this kind that are wanted, then those that the
	// owner's home remembers; an address may occur twice. It serves to find what
	// cannot carry a label, and to tell what it was made with. Labelled objects
	// are found whether known or not.
	Observe(ctx context.Context, owner object.Owner, known []object.Object) ([]object.Observed, error)
	// Create makes the object. contents are the objects to be made inside it
	// before it is published; only a namespace has any.
	Create(ctx context.Context, o object.Object, contents []object.Object) error
	// Amend changes the object in place to what o says; the identities agree.
	Amend(ctx context.Context, o object.Object) error
	// Destroy removes the object.
	Destroy(ctx context.Context, seen object.Observed) error
}

// Finder is a driver that can tell whose objects exist at all.
type Finder interface {
	// Owners returns every owner that some label of this kind names, in any
	// order; one may be named more than once.
	Owners(ctx context.Context) ([]object.Owner, error)
}
