package store

import (
	"context"

	"coppice.dev/reconcile/kernel/filling"
	"coppice.dev/reconcile/object"
)

// Watch passes on the owners of stores that have filled up further, or emptied, until
// the context is done.
func (d *Driver) Watch(ctx context.Context, touch func(object.Owner)) {
	d.mounted.Watch(ctx, touch, d.spaceOf)
}

// spaceOf looks at a session's store, if that is mounted.
func (d *Driver) spaceOf(session string) (filling.Space, bool) {
	s, _, err := spaceAt(d.layout.Store(session))
	return s, err == nil
}
