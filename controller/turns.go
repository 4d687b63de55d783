package controller

import (
	"context"
	"sync"
)

// turns has one at a time look at what a key names, since a kernel is not to be asked
// about one owner twice at the same time: the worker that has the key, or who foretells
// what that worker would do.
type turns struct {
	mu sync.Mutex
	// taken are the keys that somebody has; the channel is closed when they are done.
	taken map[key]chan struct{}
}

func newTurns() *turns { return &turns{taken: map[key]chan struct{}{}} }

// take waits until nobody else has the key, and takes it; done gives it back. It fails
// when the context ends first.
func (t *turns) take(ctx context.Context, k key) (done func(), err error) {
	for {
		over, mine := t.try(k)
		if mine {
			return func() { t.end(k) }, nil
		}
		select {
		case <-over:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

// try takes the key if nobody has it; else it returns what is closed when that is over.
func (t *turns) try(k key) (over <-chan struct{}, mine bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if over, busy := t.taken[k]; busy {
		return over, false
	}
	t.taken[k] = make(chan struct{})
	return nil, true
}

func (t *turns) end(k key) {
	t.mu.Lock()
	defer t.mu.Unlock()
	close(t.taken[k])
	delete(t.taken, k)
}
