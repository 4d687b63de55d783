package controller

import (
	"context"
	"sync"
)

// passes knows the passes that are under way, so that one that works on what
// nobody wants any more can be cut short: a hook may run for hours, and the
// deletion of its session waits for the pass that runs it.
type passes struct {
	mu     sync.Mutex
	cancel map[key]context.CancelFunc
}

func newPasses() *passes { return &passes{cancel: map[key]context.CancelFunc{}} }

// begin returns the context of a pass; end is to be called when it is over.
func (p *passes) begin(ctx context.Context, k key) (own context.Context, end func()) {
	own, cancel := context.WithCancel(ctx)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cancel[k] = cancel
	return own, func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		delete(p.cancel, k)
		cancel()
	}
}

// interrupt cuts the pass of a key short, if there is one. A step that has begun
// is given some time to end; the key must be in the queue again.
func (p *passes) interrupt(k key) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if cancel := p.cancel[k]; cancel != nil {
		cancel()
	}
}
