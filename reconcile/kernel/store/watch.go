package store

import (
	"context"
	"maps"
	"time"

	"coppice.dev/reconcile/object"
)

// How often stores are looked at, since nothing tells that one fills up: as often as
// volumes, and more often when one is half full. Without a store no timer goes.
const (
	calm  = 10 * time.Second
	alert = 3 * time.Second
	half  = 50 // percent
)

// Watch passes on the owners of stores that have filled up further, or emptied, until
// the context is done.
func (d *Driver) Watch(ctx context.Context, touch func(object.Owner)) {
	known := map[object.Owner]int{}
	pause := calm
	for {
		if !d.awaitAny(ctx) {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
		}
		now := d.look()
		pause = calm
		for owner, percent := range now {
			if percent >= half {
				pause = alert
			}
			if known[owner] != percent {
				touch(owner)
			}
		}
		known = now
	}
}

// look returns how full each mounted store is, in percent.
func (d *Driver) look() map[object.Owner]int {
	d.mu.Lock()
	owners := maps.Clone(d.mounted)
	d.mu.Unlock()
	now := map[object.Owner]int{}
	for owner := range owners {
		if s, err := spaceAt(d.layout.Store(owner.Name)); err == nil {
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
	select {
	case d.some <- struct{}{}:
	default: // told already
	}
}

// awaitAny waits until somebody has a store.
func (d *Driver) awaitAny(ctx context.Context) bool {
	for {
		d.mu.Lock()
		some := len(d.mounted) > 0
		d.mu.Unlock()
		if some {
			return true
		}
		select {
		case <-ctx.Done():
			return false
		case <-d.some:
		}
	}
}
