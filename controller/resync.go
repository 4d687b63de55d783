package controller

import (
	"context"
	"sync"
	"time"

	"coppice.dev/reconcile/object"
)

// attend looks at everything from time to time until the context ends. Nothing
// depends on it but what nobody tells of: lost events, a source that came back,
// an object of ours that appeared out of nowhere.
func (c *Controller) attend(ctx context.Context) {
	tick := time.NewTicker(c.Resync)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		// Spread, so that a resync of many sessions never stands in the way
		// of a change to one.
		var keys []key
		c.lookAtAll(ctx, func(k key) { keys = append(keys, k) })
		for i, k := range keys {
			c.queue.after(k, c.Resync/2*time.Duration(i)/time.Duration(len(keys)))
		}
	}
}

// lookAtAll passes every key there is: what manifests name, what a status file
// is left of, and what labels in the world name. Looking for labels may take
// time, so that comes last, and the keys before it do not wait for it.
func (c *Controller) lookAtAll(ctx context.Context, visit func(key)) {
	begun := time.Now()
	set, _ := c.manifestsNow()
	visited := map[key]struct{}{}
	pass := func(k key) {
		if _, was := visited[k]; !was {
			visited[k] = struct{}{}
			visit(k)
		}
	}
	var sessions []string
	for k := range set.Entries.All() {
		if class, known := classes[k.Kind]; known {
			pass(key{class, k.Name})
			if class == classSession {
				sessions = append(sessions, k.Name)
			}
		}
	}
	for _, p := range builtin() {
		pass(key{classProfile, p.Name})
	}
	for path := range set.Watched() {
		pass(key{classFolder, path})
	}
	for _, path := range troubled(set) {
		pass(key{classManifest, path})
	}
	for _, k := range c.reports.keys() {
		pass(k)
	}
	suspended, err := c.Suspensions.Names()
	if err != nil {
		c.Log.Error(err, "Looking for suspended sessions failed; each is asked about by itself")
	}
	for _, name := range suspended { // of one that is no more that is to be forgotten
		pass(sessionKey(name))
	}
	owners, err := c.kernel.Owners(ctx)
	if err != nil && ctx.Err() == nil {
		c.Log.Error(err, "Looking for what there is failed; bases that nobody wants stay until it works")
	}
	var there, bases []string
	for _, o := range owners {
		if o.Class == object.Session {
			sessions, there = append(sessions, o.Name), append(there, o.Name)
		} else {
			bases = append(bases, o.Name)
		}
	}
	unseen, freed := c.claims.expect(err == nil, sessions, there, bases)
	for _, name := range unseen {
		delete(visited, sessionKey(name))
	}
	for _, o := range owners {
		pass(keyOf(o))
	}
	if freed {
		c.freed()
	}
	c.letIn(c.line.expect(err == nil, there))
	if ctx.Err() == nil {
		c.rounds.ended(begun, err)
	}
}

// rounds knows when everything was looked for last.
type rounds struct {
	mu sync.Mutex
	// at is when the last round ended that was complete, and took how long it took.
	at   time.Time
	took time.Duration
	// failed counts those that were not.
	failed int
}

func (r *rounds) ended(begun time.Time, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err != nil {
		r.failed++
		return
	}
	r.at, r.took = time.Now(), time.Since(begun)
}

func (r *rounds) last() (at time.Time, took time.Duration, failed int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.at, r.took, r.failed
}
