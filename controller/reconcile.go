package controller

import (
	"coppice.dev/manifests"
	"coppice.dev/spec"
)

// Reconcile has a session looked at right away, and its drift repaired whatever its
// policy. It reports whether there is such a session.
func (c *Controller) Reconcile(session string) bool {
	c.mu.Lock()
	_, named := c.set.Entries.Get(manifests.Key{Kind: spec.KindSession, Name: session})
	known := named || c.reports.known(sessionKey(session))
	if known {
		c.asked++
		c.forced[session] = c.asked
	}
	c.mu.Unlock()
	if known {
		c.queue.renew(sessionKey(session))
	}
	return known
}

// Look has a session looked at right away.
func (c *Controller) Look(session string) { c.queue.renew(sessionKey(session)) }

// isForced returns the number of the request that the session be put right; 0 if
// there is none.
func (c *Controller) isForced(session string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.forced[session]
}

// heeded forgets a request, unless there has been another since.
func (c *Controller) heeded(session string, request int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.forced[session] == request {
		delete(c.forced, session)
	}
}

// unasked forgets all requests for a session that is no more.
func (c *Controller) unasked(session string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.forced, session)
}
