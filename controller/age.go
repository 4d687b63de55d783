package controller

import (
	"fmt"
	"sync"
	"time"

	"coppice.dev/reconcile/compile"
)

// clockGrace is how long a session goes on whose time was over when it was seen
// for the first time. After a boot the clock may be wrong by years until
// somebody sets it, and what a session has written does not come back.
const clockGrace = 10 * time.Minute

// ages knows how long sessions have lived. A clock that is set, forward or
// backward, changes nothing of that while the controller runs: it asks the wall
// clock when it sees a session for the first time, and a steady one from then on.
type ages struct {
	// wall tells the time of day.
	wall func() time.Time

	mu    sync.Mutex
	first map[string]sight // by the session's name
}

// sight is when a session was seen first.
type sight struct {
	uid string
	at  time.Time // by the steady clock
	age time.Duration
	// over is set as long as its time was over then, by a clock that may be
	// wrong, and doubt says so.
	over  bool
	doubt string
}

func newAges() *ages { return &ages{wall: time.Now, first: map[string]sight{}} }

// left returns how much of its time a session has left; nothing or less if it is
// over. A session whose time was over at first sight has some left, in which its
// clock may be set right; doubt says so.
func (a *ages) left(r compile.Record, ttl time.Duration) (left time.Duration, doubt string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	byClock := max(0, a.wall().Sub(r.Admitted))
	s, known := a.first[r.Session.Name]
	if !known || s.uid != r.UID {
		s = sight{uid: r.UID, at: time.Now(), age: byClock, over: byClock >= ttl}
		s.doubt = fmt.Sprintf("by the clock its time was over at %s, before coppiced saw it; it goes at %s, unless the clock is set back or its ttl is raised",
			r.Admitted.Add(ttl).UTC().Format(time.RFC3339), a.wall().Add(clockGrace).UTC().Format(time.RFC3339))
	}
	since := time.Since(s.at)
	if s.over && byClock < ttl { // the clock was set, or it was given more time
		s, since = sight{uid: r.UID, at: time.Now(), age: byClock}, 0
	}
	a.first[r.Session.Name] = s
	if !s.over || r.Expired {
		return ttl - s.age - since, ""
	}
	return clockGrace - since, s.doubt
}

// forget forgets a session that is no more.
func (a *ages) forget(session string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.first, session)
}
