package controller

import (
	"context"
	"sync"
	"time"
)

// passes knows the passes that are under way, so that one that works on what
// nobody wants any more can be cut short: a hook may run for hours, and the
// deletion of its session waits for the pass that runs it.
type passes struct {
	mu     sync.Mutex
	cancel map[key]context.CancelFunc
	// since is when each of them began.
	since map[key]time.Time
}

func newPasses() *passes {
	return &passes{cancel: map[key]context.CancelFunc{}, since: map[key]time.Time{}}
}

// begin returns the context of a pass; end is to be called when it is over, and tells
// how long it took.
func (p *passes) begin(ctx context.Context, k key) (own context.Context, end func() time.Duration) {
	own, cancel := context.WithCancel(ctx)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cancel[k], p.since[k] = cancel, time.Now()
	return own, func() time.Duration {
		p.mu.Lock()
		defer p.mu.Unlock()
		cancel()
		took := time.Since(p.since[k])
		delete(p.cancel, k)
		delete(p.since, k)
		return took
	}
}

// under reports whether the pass of a key is under way.
func (p *passes) under(k key) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.cancel[k] != nil
}

// pace returns how many passes are under way, how many of them take long, and how
// long the longest has taken.
func (p *passes) pace() (working, hanging int, longest time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, since := range p.since {
		took := time.Since(since)
		longest = max(longest, took)
		if took > slow {
			hanging++
		}
	}
	return len(p.since), hanging, longest
}

// interrupt cuts the pass of a key short, if there is one. A step that has begun
// is given some time to end. The key must be put into the queue afterwards: if it were
// there before, it could be the new pass that is cut short.
func (p *passes) interrupt(k key) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if cancel := p.cancel[k]; cancel != nil {
		cancel()
	}
}
