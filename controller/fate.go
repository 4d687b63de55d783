package controller

import (
	"maps"
	"slices"
	"time"

	"coppice.dev/reconcile/compile"
	"coppice.dev/reconcile/object"
	"coppice.dev/status"
)

// fate is what is to become of a base.
type fate int

const (
	stays fate = iota // nobody knows whether it is wanted
	made              // it is wanted
	goes              // nobody wants it
	rests             // nobody stands on it, and it is kept for who comes next
)

// decide says what is to become of a base that is worth keeping for a time when
// nobody stands on it; of one that rests, for how long. One that goes is not ready
// from now on, so whoever claims it from now on waits.
func (c *claims) decide(key string, worth time.Duration) (f fate, want compile.Base, left time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	b := c.bases[key]
	switch {
	case b != nil && len(b.claimants) > 0:
		b.begun = time.Now()
		return made, b.want, 0
	case !c.complete():
		return stays, compile.Base{}, 0
	case b != nil && b.ready && b.err == nil && time.Since(b.idle) < worth:
		return rests, b.want, worth - time.Since(b.idle)
	}
	if b != nil {
		b.ready = false
	}
	return goes, compile.Base{}, 0
}

// resting returns the bases on which nobody stands. Those that are forsaken are
// worth nothing any more.
func (c *claims) resting(forsake bool) []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	var list []string
	for key, b := range c.bases {
		if len(b.claimants) > 0 {
			continue
		}
		list = append(list, key)
		if forsake {
			b.idle = time.Time{}
		}
	}
	return list
}

// known reports whether any session of this process's time has claimed a base.
func (c *claims) known(key string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.bases[key] != nil
}

// wanted reports whether any session claims a base.
func (c *claims) wanted(key string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	b := c.bases[key]
	return b != nil && len(b.claimants) > 0
}

// begun says what is being done with a base; usable is false if it cannot be
// stood on meanwhile. It returns the sessions that wait for it.
func (c *claims) begun(key string, step *status.Step, usable bool) []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	b := c.bases[key]
	if b == nil {
		return nil
	}
	b.step = step
	b.ready = b.ready && usable
	return slices.Sorted(maps.Keys(b.waiting))
}

// advanced says how far the step with a base is. It returns what to tell those
// that wait for it, seldom enough that telling many costs little.
func (c *claims) advanced(key string, done, total int64) (*status.Step, []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	b := c.bases[key]
	if b == nil || b.step == nil {
		return nil, nil
	}
	step := *b.step
	if time.Since(step.Since.Time) < advancing {
		return nil, nil // it may be over in a moment
	}
	step.Done, step.Total = done, total
	b.step = &step
	pause := max(advancing, time.Duration(len(b.waiting))*5*time.Millisecond)
	whole := total > 0 && done >= total // what follows may take long, and tells nothing
	if time.Since(b.told) < pause && !whole {
		return nil, nil
	}
	b.told = time.Now()
	return &step, slices.Sorted(maps.Keys(b.waiting))
}

// settled says what came of a base's pass. It returns the sessions that are to
// look at it: those that waited, and all if it failed or works again. When one
// has gone, those that were refused may have theirs.
func (c *claims) settled(key string, f fate, objects []status.Object, err error, retry time.Time) []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	b := c.bases[key]
	if f == goes {
		if _, left := c.leftovers[key]; left {
			c.leftovers[key] = true
		}
		if err == nil {
			delete(c.leftovers, key)
		}
		if b != nil && len(b.claimants) == 0 && err == nil {
			delete(c.bases, key)
		}
	}
	if b == nil || c.bases[key] == nil {
		return slices.Sorted(maps.Keys(c.refused))
	}
	affected := b.waiting
	if (b.err == nil) != (err == nil) || err != nil {
		affected = b.claimants
	}
	b.step, b.begun, b.err, b.retry = nil, time.Time{}, err, retry
	if f == made {
		b.ready = err == nil
		b.objects = objects
	}
	names := slices.Sorted(maps.Keys(affected))
	if b.ready {
		b.waiting = map[string]struct{}{}
	}
	return names
}

// current returns what is being done with a base, and who waits for it.
func (c *claims) current(key string) (status.Step, []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	b := c.bases[key]
	switch {
	case b == nil:
		return status.Step{}, nil
	case b.step == nil:
		return status.Step{Operation: "Observe", Address: object.BaseOwner(key).String()}, slices.Sorted(maps.Keys(b.waiting))
	default:
		return *b.step, slices.Sorted(maps.Keys(b.waiting))
	}
}
