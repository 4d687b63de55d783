package controller

import (
	"sync"

	"coppice.dev/status"
)

// news tells those who wait that something was told. It costs nothing while nobody
// does.
type news struct {
	mu   sync.Mutex
	next chan struct{} // nil if nobody waits
}

// listen returns a channel that is closed when something is told next.
func (n *news) listen() <-chan struct{} {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.next == nil {
		n.next = make(chan struct{})
	}
	return n.next
}

func (n *news) tell() {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.next != nil {
		close(n.next)
		n.next = nil
	}
}

// News returns a channel that is closed when the status of any object changes next.
func (c *Controller) News() <-chan struct{} { return c.reports.news.listen() }

// Status returns the status of an object as it is told.
func (c *Controller) Status(kind, name string) (status.File, bool) {
	for class, of := range kinds {
		if of != kind {
			continue
		}
		if r := c.reports.find(key{class, name}); r != nil {
			return r.now(), true
		}
	}
	return status.File{}, false
}
