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
	// unattended says since when nobody is inside, by the session's name.
	unattended map[string]idleness
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

func newAges() *ages {
	return &ages{wall: time.Now, first: map[string]sight{}, unattended: map[string]idleness{}}
}

// saw takes note of a session without a time to live, which may be given one.
func (a *ages) saw(r compile.Record) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if s, known := a.first[r.Session.Name]; !known || s.uid != r.UID {
		a.first[r.Session.Name] = sight{uid: r.UID, at: time.Now(), age: max(0, a.wall().Sub(r.Admitted))}
	}
}

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

// idleness is since when nobody is inside a session.
type idleness struct {
	uid   string
	since time.Time // by the wall clock, as it was told
	at    time.Time // when that was learnt, by the steady clock
	idle  time.Duration
}

// busy says that somebody is inside.
func (a *ages) busy(r compile.Record) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.unattended[r.Session.Name] = idleness{uid: r.UID, at: time.Now()}
}

// idle returns for how long nobody was inside, who were seen to be gone since
// then. What the wall clock says is believed only of the time before the session
// was seen, and not if that would be the end of it.
func (a *ages) idle(r compile.Record, since time.Time, limit time.Duration) time.Duration {
	a.mu.Lock()
	defer a.mu.Unlock()
	i, known := a.unattended[r.Session.Name]
	known = known && i.uid == r.UID
	byClock := max(0, a.wall().Sub(since))
	switch {
	case !known && byClock >= limit:
		i = idleness{r.UID, since, time.Now(), 0}
	case !known:
		i = idleness{r.UID, since, time.Now(), byClock}
	case !i.since.Equal(since): // somebody has come and gone
		i = idleness{r.UID, since, time.Now(), min(byClock, time.Since(i.at))}
	}
	a.unattended[r.Session.Name] = i
	return i.idle + time.Since(i.at)
}

// forget forgets a session that is no more.
func (a *ages) forget(session string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.first, session)
	delete(a.unattended, session)
}
