package main

import (
	"context"
	"sync"
	"time"

	"github.com/go-logr/logr"

	"coppice.dev/controller/metrics"
	"coppice.dev/reconcile/kernel"
)

// measure adds up from time to time what sessions hold on disk, which has to be walked
// through. It does so only while somebody asks for it, and takes a small part of the
// time, so that a daemon on which nobody looks does nothing.
type measure struct {
	mu   sync.Mutex
	wake chan struct{} // nil until it runs
	// found is what was measured last, and tried when that was begun last.
	found metrics.Uppers
	tried time.Time
}

// idle is how much longer it waits after each session than that took.
const idle = 9

// longestRest is the most that it waits after one.
const longestRest = 30 * time.Second

// last returns what was measured last.
func (m *measure) last() metrics.Uppers {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.found
}

// due has it measured if that was not done for so long. It does not block.
func (m *measure) due(every time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if every <= 0 || m.wake == nil || !m.tried.IsZero() && time.Since(m.tried) < every {
		return
	}
	select {
	case m.wake <- struct{}{}:
		m.tried = time.Now()
	default: // it is at it still
	}
}

// run measures whenever that is due, until the context ends.
func (m *measure) run(ctx context.Context, k *kernel.Kernel, log logr.Logger) {
	wake := make(chan struct{})
	m.mu.Lock()
	m.wake = wake
	m.mu.Unlock()
	for {
		select {
		case <-ctx.Done():
			return
		case <-wake:
		}
		begun := time.Now()
		found, err := k.MeasureUppers(ctx, rests(ctx))
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			log.Error(err, "What sessions hold on disk could not be added up")
			continue
		}
		log.V(1).Info("What sessions hold on disk was added up", "took", time.Since(begun).String())
		m.mu.Lock()
		m.found = metrics.Uppers{At: time.Now(), Sessions: found.Sessions, All: found.All, Largest: found.Largest}
		m.mu.Unlock()
	}
}

// rests returns a function that waits in proportion to the time since it last did.
func rests(ctx context.Context) func() {
	last := time.Now()
	return func() {
		select {
		case <-ctx.Done():
		case <-time.After(min(idle*time.Since(last), longestRest)):
		}
		last = time.Now()
	}
}
