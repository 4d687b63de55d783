package lvm

import (
	"context"
	"maps"
	"slices"
	"time"

	"coppice.dev/reconcile/object"
)

// How often volumes are looked at, since nothing tells that one fills up: as often
// as dmeventd(8) does, and more often when one is half full. Without volumes of ours
// no command is run and no timer goes.
const (
	calm  = 10 * time.Second
	alert = 3 * time.Second
	half  = 50 // percent
)

// Watch passes on the owners of volumes that have filled up further, or are no
// longer well, until the context is done.
func (d *Driver) Watch(ctx context.Context, touch func(object.Owner)) {
	known := map[string]condition{}
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
		all, err := d.Reports.Look(ctx, OfNow)
		if err != nil {
			continue // of which the sessions tell, that are looked at for something
		}
		d.figure(all)
		now := conditions(d.own(all), all)
		for _, owner := range changed(known, now) {
			touch(owner)
		}
		known, pause = now, calm
		for _, c := range now {
			if c.full >= half {
				pause = alert
			}
		}
	}
}

// awaitAny waits until somebody has a volume.
func (d *Driver) awaitAny(ctx context.Context) bool {
	for {
		d.mu.Lock()
		some := len(d.ours) > 0
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

// wake has awaitAny look again.
func (d *Driver) wake() {
	select {
	case d.some <- struct{}{}:
	default: // told already
	}
}

// condition is what of a volume, and of the pool that it lies in, a session tells.
type condition struct {
	owner object.Owner
	// full is the highest of the figures, in whole percent.
	full            int
	invalid, active bool
	health, pool    byte
}

// conditions returns how our volumes are, by UUID.
func conditions(ours []owned, all Report) map[string]condition {
	list := map[string]condition{}
	for _, v := range ours {
		c := condition{owner: v.label.Owner, full: int(max(v.Data, v.Metadata)), invalid: v.Invalid, active: v.Active, health: v.Health}
		if pool, there := all.Find(v.Group, v.Pool); there && v.Pool != "" {
			// What a thin volume has used of itself says nothing.
			c.full, c.pool = int(max(pool.Data, pool.Metadata)), pool.Health
		}
		list[v.UUID] = c
	}
	return list
}

// changed returns the owners of volumes whose condition is another than it was, or
// that are gone, and of those that were not known and hold something.
func changed(before, now map[string]condition) []object.Owner {
	owners := map[object.Owner]bool{}
	for uuid, was := range before {
		if now[uuid] != was {
			owners[was.owner] = true
		}
	}
	for uuid, c := range now {
		if _, known := before[uuid]; !known && c.full > 0 {
			owners[c.owner] = true
		}
	}
	return slices.Collect(maps.Keys(owners))
}
