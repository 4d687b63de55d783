// Package reconcile closes the difference between what is wanted of one owner's
// objects and what is there: observe, plan, act, until there is nothing left
// to do. Start-up, drift repair, deletion, recovery after a crash and the sweep
// at boot are all this one path.
//
// It knows no files of YAML, no queues and no sockets, and keeps nothing from
// one call to the next: the machine is the database.
package reconcile

import (
	"context"

	"coppice.dev/reconcile/object"
	"coppice.dev/reconcile/plan"
)

// Kernel is the world that objects live in: the real one, or a fake one in
// memory that is as unforgiving. Calls for different owners may run at the same
// time; those for one owner must not.
type Kernel interface {
	// Owners returns every owner that some label names, each once. With an
	// error the list is what could be seen, and more may be there.
	Owners(ctx context.Context) ([]object.Owner, error)
	// Observe looks at one owner's objects. desired helps to find what carries
	// no label; what the owner's home remembers is added to it. A look that
	// failed is in the world's Blind.
	Observe(ctx context.Context, owner object.Owner, desired []object.Object) object.World
	// Do takes one step.
	Do(ctx context.Context, step plan.Step) error
}
