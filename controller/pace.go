package controller

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// Pace is how fast the work goes.
type Pace struct {
	// Waiting is how many keys wait for a worker, Oldest for how long the first of them
	// has, and Last how long ago a worker took one; 0 if nothing waits.
	Waiting      int
	Oldest, Last time.Duration
	// Working is how many are being worked on, Hanging how many of them for long, and
	// Longest for how long one has been.
	Working, Hanging int
	Longest          time.Duration
	// Workers is how many can be at work: more, when some hang.
	Workers int
	// Failing counts what failed last and is tried again, by class.
	Failing map[string]int
}

func (c *Controller) pace() Pace {
	p := Pace{Failing: map[string]int{}, Workers: max(1, c.Workers)}
	p.Waiting, p.Oldest, p.Last = c.queue.store.pace()
	p.Working, p.Hanging, p.Longest = c.passes.pace()
	for _, class := range []class{classSession, classBase} {
		p.Failing[string(class)] = 0
	}
	for k := range c.queue.failures() {
		p.Failing[string(k.class)]++
	}
	return p
}

const (
	// stuck is how long nobody may take anything from a queue in which something
	// waits. A worker that hangs is replaced long before.
	stuck = 3 * slow
	// answering is how long it may take to find out how things are: no longer than it
	// takes to get all locks.
	answering = 10 * time.Second
)

// ErrHung says that all workers, and all that may stand in for them, wait for the
// kernel. To start anew does not help against that.
var ErrHung = errors.New("all workers hang")

// Alive reports why the controller does not get on with its work, or nil: something
// waits and nobody takes it, or one goroutine has locked another out.
func (c *Controller) Alive(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, cmp.Or(c.probe.limit, answering))
	defer cancel()
	c.probe.mu.Lock()
	asked := c.probe.asked
	if asked == nil { // else one is still waiting for the answer, and no second need be
		asked = make(chan struct{})
		c.probe.asked = asked
		go func() {
			pace := c.touchAll()
			c.probe.mu.Lock()
			defer c.probe.mu.Unlock()
			c.probe.pace, c.probe.asked = pace, nil
			close(asked)
		}()
	}
	c.probe.mu.Unlock()
	select {
	case <-asked:
	case <-ctx.Done():
		if errors.Is(ctx.Err(), context.Canceled) {
			return nil // nobody wants to know any more
		}
		return fmt.Errorf("the controller does not say within %s how it is: it has locked itself out", answering)
	}
	c.probe.mu.Lock()
	defer c.probe.mu.Unlock()
	return c.probe.pace.moves()
}

// touchAll takes each lock that the work needs, one after the other.
func (c *Controller) touchAll() Pace {
	c.manifestsNow()
	c.claims.everySeen("")
	c.guard.all()
	c.links.named("")
	c.reports.find(key{})
	return c.pace()
}

// probe is a question how things are, one at a time.
type probe struct {
	// limit is how long an answer may take if not the usual time.
	limit time.Duration

	mu sync.Mutex
	// asked is closed when it is answered; nil if nobody asks.
	asked chan struct{}
	pace  Pace
}

// moves reports why the work does not go on, or nil.
func (p Pace) moves() error {
	switch {
	case p.Waiting == 0, p.Oldest < stuck, p.Last < stuck:
		return nil
	case p.Hanging >= mostHelpers:
		return fmt.Errorf("%w: %d passes take longer than %s, the longest %s; look for a disk or a server that does not answer",
			ErrHung, p.Hanging, slow, p.Longest.Round(time.Second))
	}
	return fmt.Errorf("%d objects wait to be looked at, the first for %s, and no worker has taken one for %s",
		p.Waiting, p.Oldest.Round(time.Second), p.Last.Round(time.Second))
}
