package controller

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"coppice.dev/reconcile/fault"
	"coppice.dev/reconcile/object"
	"coppice.dev/status"
)

// tries is how often Once takes a pass over what fails. Some failures go by
// themselves: the kernel lets go of things in its own time.
const tries = 3

// Summary is what has come of a single convergence.
type Summary struct {
	// Ready are the objects that are as wanted, as kind/name.
	Ready []string
	// NotReady are the others, but for Suspended, which are left as they are since
	// somebody said so.
	NotReady  []Unready
	Suspended []Unready
	// Swept are the sessions that were taken down and that no manifest named.
	Swept []string
	// Accounts tell of each session and base what was found and done.
	Accounts []Account
}

// Unready is an object that is not as wanted.
type Unready struct {
	// Name is kind/name.
	Name  string
	Phase status.Phase
	// Reason and Message say why.
	Reason, Message string
}

// Once converges once: everything is looked at until there is nothing left to
// do, and what fails has been tried a few times. Changed has to be called before.
func (c *Controller) Once(ctx context.Context) (Summary, error) {
	c.queue.once = true
	told := &chronicle{Kernel: c.kernel, measure: c.Measure, all: map[object.Owner]*Account{}}
	c.kernel = told
	workers := c.start(ctx)
	for try := 1; ; try++ {
		c.settle(ctx)
		failures := c.queue.failures()
		if ctx.Err() != nil || len(failures) == 0 || try == tries {
			break
		}
		for k := range failures {
			c.queue.add(k)
		}
	}
	c.queue.close()
	err := workers.end()
	c.reports.rest()
	if err == nil && ctx.Err() != nil {
		err = fmt.Errorf("converge: %w", context.Cause(ctx))
	}
	s := c.summary()
	s.Accounts = told.accounts()
	for i := range s.Accounts {
		a := &s.Accounts[i]
		if a.Owner.Class == object.Session {
			a.Ended = c.ended[a.Owner.Name]
		} else {
			a.Source = c.claims.source(a.Owner.Name)
		}
	}
	return s, err
}

// settle waits until there is nothing in the queue and nobody at work.
func (c *Controller) settle(ctx context.Context) {
	for {
		change, idle := c.queue.rest()
		if idle {
			return
		}
		select {
		case <-change:
		case <-ctx.Done():
			return
		}
	}
}

// summary sums all statuses up, and the bases that failed, which have none.
func (c *Controller) summary() Summary {
	var s Summary
	for _, f := range c.reports.files() {
		name := f.Kind + "/" + f.Metadata.Name
		ready := f.Status.Condition(status.ConditionReady)
		switch {
		case f.Kind == status.KindFolder: // of which each manifest tells by itself
		case f.Status.Phase == status.Ready:
			s.Ready = append(s.Ready, name)
		case f.Status.Phase == status.Expired:
		case f.Status.Phase == status.Suspended:
			c := f.Status.Condition(status.ConditionSuspended)
			s.Suspended = append(s.Suspended, Unready{name, f.Status.Phase, c.Reason, c.Message})
		case ready != nil:
			s.NotReady = append(s.NotReady, Unready{name, f.Status.Phase, ready.Reason, ready.Message})
		default:
			s.NotReady = append(s.NotReady, Unready{Name: name, Phase: f.Status.Phase})
		}
	}
	failed := c.queue.failures()
	for k, err := range failed {
		if k.class == classBase {
			note := status.Explain(err)
			s.NotReady = append(s.NotReady, Unready{"Base/" + k.name, status.Failed, note.Reason, note.Message})
		}
	}
	for _, name := range c.claims.undecided() {
		if _, is := failed[baseKey(name)]; !is {
			s.NotReady = append(s.NotReady, Unready{"Base/" + name, status.Pending, string(fault.Blind), "nobody claims it, but a session may stand on it that could not be looked at"})
		}
	}
	c.mu.Lock()
	for name, why := range c.ended {
		if why == whyOrphan {
			s.Swept = append(s.Swept, name)
		}
	}
	slices.Sort(s.Swept)
	c.mu.Unlock()
	slices.Sort(s.Ready)
	for _, list := range [][]Unready{s.NotReady, s.Suspended} {
		slices.SortFunc(list, func(a, b Unready) int { return cmp.Compare(a.Name, b.Name) })
	}
	return s
}
