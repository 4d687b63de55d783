// Package filling says when to look at what may fill up, of which no kernel tells. It
// looks at nothing itself.
package filling

import (
	"context"
	"time"
)

// How often is looked: as often as dmeventd(8) does, and more often when something is
// half full. While there is nothing to look at no timer goes.
const (
	calm  = 10 * time.Second
	alert = 3 * time.Second
	half  = 50 // percent
)

// Bell wakes a watch that waits until there is something to look at. It is made by
// NewBell.
type Bell chan struct{}

// NewBell returns a bell.
func NewBell() Bell { return make(Bell, 1) }

// Ring says that there may be something now. It does not block.
func (b Bell) Ring() {
	select {
	case b <- struct{}{}:
	default: // it rang already
	}
}

// await waits until there is something to look at.
func (b Bell) await(ctx context.Context, some func() bool) bool {
	for !some() {
		select {
		case <-ctx.Done():
			return false
		case <-b:
		}
	}
	return true
}

// Watch looks again and again until the context is done, while there is something to
// look at. look returns how full the fullest is, in percent, or false if that could not
// be seen, upon which it is looked as often as before.
func (b Bell) Watch(ctx context.Context, some func() bool, look func() (fullest int, seen bool)) {
	pause := calm
	for b.await(ctx, some) {
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
		}
		switch fullest, seen := look(); {
		case !seen:
		case fullest >= half:
			pause = alert
		default:
			pause = calm
		}
	}
}
