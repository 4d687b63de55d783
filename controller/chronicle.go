package controller

import (
	"context"
	"slices"
	"sync"

	"coppice.dev/reconcile"
	"coppice.dev/reconcile/object"
	"coppice.dev/reconcile/plan"
)

// Account is what a single convergence found of an owner, and what it did.
type Account struct {
	Owner object.Owner
	// Source is the path of what a base is made from, as far as it is known.
	Source string
	// Ended says why it was taken down; empty if it was not.
	Ended string
	// Found is what was there at first, and Left what was there in the end.
	Found, Left []object.Observed
	// Taken are the steps that succeeded, in their order.
	Taken []plan.Step
	// Freed is how much of the disk was held by what was thrown away, in bytes,
	// as far as Measure told.
	Freed int64
}

// chronicle is a kernel that remembers what was seen and done. One that runs for
// long must not have it.
type chronicle struct {
	reconcile.Kernel
	measure func(object.Observed) int64

	mu  sync.Mutex
	all map[object.Owner]*Account
}

// Observe implements reconcile.Kernel.
func (c *chronicle) Observe(ctx context.Context, owner object.Owner, desired []object.Object) object.World {
	world := c.Kernel.Observe(ctx, owner, desired)
	c.mu.Lock()
	defer c.mu.Unlock()
	a := c.all[owner]
	if a == nil {
		a = &Account{Owner: owner, Found: world.Objects}
		c.all[owner] = a
	}
	a.Left = world.Objects
	return world
}

// Do implements reconcile.Kernel.
func (c *chronicle) Do(ctx context.Context, step plan.Step) error {
	var size int64
	if step.Op == plan.Destroy && c.measure != nil {
		size = c.measure(step.Seen)
	}
	if err := c.Kernel.Do(ctx, step); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if a := c.all[step.ID.Owner]; a != nil {
		a.Taken = append(a.Taken, step)
		a.Freed += size
	}
	return nil
}

// accounts returns what it remembers of each owner of whom there is something
// to tell, sorted.
func (c *chronicle) accounts() []Account {
	c.mu.Lock()
	defer c.mu.Unlock()
	var list []Account
	for _, a := range c.all {
		if len(a.Found)+len(a.Left)+len(a.Taken) > 0 {
			list = append(list, *a)
		}
	}
	slices.SortFunc(list, func(a, b Account) int { return object.ID{Owner: a.Owner}.Compare(object.ID{Owner: b.Owner}) })
	return list
}
