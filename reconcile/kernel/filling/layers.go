package filling

import (
	"context"
	"maps"
	"sync"

	"coppice.dev/reconcile/object"
)

// Layers are the sessions' own layers with a limit that are there, to be watched. It
// is made by NewLayers.
type Layers struct {
	mu     sync.Mutex
	owners map[object.Owner]struct{}
	// bell rings when there is one.
	bell Bell
}

// NewLayers returns that of nobody.
func NewLayers() *Layers {
	return &Layers{owners: map[object.Owner]struct{}{}, bell: NewBell()}
}

// Track notes whether a session has a layer that can be looked at.
func (l *Layers) Track(owner object.Owner, there bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !there {
		delete(l.owners, owner)
		return
	}
	l.owners[owner] = struct{}{}
	l.bell.Ring()
}

// Watch passes on the owners of layers that have filled up further, or emptied, until
// the context is done. spaceOf looks at one, or returns false if it cannot be seen.
func (l *Layers) Watch(ctx context.Context, touch func(object.Owner), spaceOf func(session string) (Space, bool)) {
	known := map[object.Owner]int{}
	l.bell.Watch(ctx, l.some, func() (fullest int, seen bool) {
		now := l.Look(spaceOf)
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

// Look returns how full each is, in percent.
func (l *Layers) Look(spaceOf func(session string) (Space, bool)) map[object.Owner]int {
	l.mu.Lock()
	owners := maps.Clone(l.owners)
	l.mu.Unlock()
	now := map[object.Owner]int{}
	for owner := range owners {
		if s, seen := spaceOf(owner.Name); seen {
			now[owner] = s.Percent()
		}
	}
	return now
}

// some reports whether somebody has one.
func (l *Layers) some() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.owners) > 0
}
