package controller

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"coppice.dev/reconcile/object"
)

// heard is a controller of which there is only the queue.
func heard() *Controller { return &Controller{queue: newQueue(false), passes: newPasses()} }

func TestWhatALookDoesIsLookedAtLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, owner := heard(), object.SessionOwner("a")
		defer c.queue.close()
		c.Heard(owner)
		if k, _, _ := c.queue.next(); k != sessionKey("a") {
			t.Fatalf("what was heard of a session that nobody looks at has %v looked at", k)
		}
		_, end := c.passes.begin(context.Background(), sessionKey("a"))
		c.Heard(owner)
		c.Heard(owner)
		end()
		c.queue.done(sessionKey("a"))
		if n := c.queue.store.Len(); n != 0 {
			t.Errorf("%d sessions are looked at because of what was heard during the look", n)
		}
		time.Sleep(settling)
		synctest.Wait()
		if n := c.queue.store.Len(); n != 1 {
			t.Errorf("%d sessions are looked at afterwards, want one", n)
		}
	})
}

// Of one that comes and goes the session is told once, and what is to come later stays.
func TestVisitsAreToldOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, k := heard(), sessionKey("a")
		defer c.queue.close()
		c.queue.after(k, time.Hour)
		for range 2 {
			began := time.Now()
			c.Visited("a")
			c.Visited("a")
			c.queue.next()
			if waited := time.Since(began); waited != settling {
				t.Errorf("it is looked at after %s", waited)
			}
			c.queue.done(k)
			if n := c.queue.store.Len(); n != 0 {
				t.Errorf("it is looked at %d times more", n)
			}
		}
		began := time.Now()
		if c.queue.next(); time.Since(began) < 50*time.Minute {
			t.Errorf("it is looked at once more after %s", time.Since(began))
		}
	})
}
