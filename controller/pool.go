package controller

import (
	"context"
	"errors"
	"sync"
	"time"
)

// slow is how long a pass may take before it is said to be slow, and another
// worker takes over what its worker cannot do meanwhile.
const slow = 30 * time.Second

// mostHelpers is how many workers may be added to those that hang.
const mostHelpers = 64

// pool works on the keys of a queue.
type pool struct {
	queue *queue
	look  func(context.Context, key, time.Duration)

	group sync.WaitGroup
	mu    sync.Mutex
	// helpers counts the workers that stand in for others.
	helpers int
	// ended is set when no worker may be added any more.
	ended bool
}

// start begins n workers, which end when the queue is closed.
func (p *pool) start(ctx context.Context, n int) {
	for range n {
		p.group.Go(func() { p.worker(ctx) })
	}
}

// worker looks at keys until the queue is closed, or until another worker has
// taken its place.
func (p *pool) worker(ctx context.Context) {
	for {
		k, waited, ok := p.queue.next()
		if !ok {
			return
		}
		replaced := p.one(ctx, k, waited)
		p.queue.done(k)
		if replaced {
			return
		}
	}
}

// one looks at one key, and reports whether another worker was begun because
// that took so long.
func (p *pool) one(ctx context.Context, k key, waited time.Duration) (replaced bool) {
	if ctx.Err() != nil {
		return false // what is still in the queue is for the next start
	}
	begun := make(chan bool, 1)
	timer := time.AfterFunc(slow, func() { begun <- p.lend(ctx) })
	p.look(ctx, k, waited)
	if timer.Stop() {
		return false
	}
	if replaced = <-begun; replaced {
		p.mu.Lock()
		p.helpers--
		p.mu.Unlock()
	}
	return replaced
}

// lend begins a worker that stands in for one that hangs.
func (p *pool) lend(ctx context.Context) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ended || p.helpers == mostHelpers {
		return false
	}
	p.helpers++
	p.start(ctx, 1)
	return true
}

// errHangs says that a worker did not come back.
var errHangs = errors.New("a step does not end; it is left to the next start")

// end waits for the workers to finish what they do, but not for ever: one that
// hangs in the kernel never comes back.
func (p *pool) end() error {
	p.mu.Lock()
	p.ended = true
	p.mu.Unlock()
	done := make(chan struct{})
	go func() {
		p.group.Wait()
		close(done)
	}()
	select {
	case <-done:
		return nil
	case <-time.After(2 * finishing):
		return errHangs
	}
}
