package lvm

import (
	"context"
	"maps"
	"slices"

	"coppice.dev/reconcile/object"
)

// Watch passes on the owners of volumes that have filled up further, or are no
// longer well, until the context is done. Without volumes of ours no command is run.
func (d *Driver) Watch(ctx context.Context, touch func(object.Owner)) {
	known := map[string]condition{}
	d.bell.Watch(ctx, d.some, func() (fullest int, seen bool) {
		all, err := d.Reports.Look(ctx, OfNow)
		if err != nil {
			return 0, false // of which the sessions tell, that are looked at for something
		}
		d.figure(all)
		now := conditions(d.own(all), all)
		for _, owner := range changed(known, now) {
			touch(owner)
		}
		known = now
		for _, c := range now {
			fullest = max(fullest, c.full)
		}
		return fullest, true
	})
}

// some reports whether somebody has a volume.
func (d *Driver) some() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.ours) > 0
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
