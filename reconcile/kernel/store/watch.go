package store

import (
	"context"
	"maps"

	"coppice.dev/reconcile/object"
)

// Watch passes on the owners of stores that have filled up further, or emptied, until
// the context is done.
func (d *Driver) Watch(ctx context.Context, touch func(object.Owner)) {
	known := map[object.Owner]int{}
	d.bell.Watch(ctx, d.some, func() (fullest int, seen bool) {
		now := d.look()
		for owner, percent := range now {
			fullest = max(fullest, percent)
			if known[owner] != percent {
				touch(owner)
			}
		}
		known = now
		return fullest, true
	})
}

// look returns how full each mounted store is, in percent.
func (d *Driver) look() map[object.Owner]int {
	d.mu.Lock()
	owners := maps.Clone(d.mounted)
	d.mu.Unlock()
	now := map[object.Owner]int{}
	for owner := range owners {
		if s, _, err := spaceAt(d.layout.Store(owner.Name)); err == nil {
			now[owner] = s.percent()
		}
	}
	return now
}

// track notes whether a session's store is mounted.
func (d *Driver) track(owner object.Owner, mounted bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !mounted {
		delete(d.mounted, owner)
		return
	}
	d.mounted[owner] = struct{}{}
	d.bell.Ring()
}

// some reports whether somebody has a store that is mounted.
func (d *Driver) some() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.mounted) > 0
}
