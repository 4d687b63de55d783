package controller

import (
	"maps"
	"slices"
	"sync"
	"time"

	"coppice.dev/reconcile/compile"
	"coppice.dev/status"
)

// claims tells which session stands on which base, and what has become of the
// bases. It is rebuilt from the sessions' own memory at each start.
//
// # Why no base goes while somebody stands on it
//
// A session claims a base, and then looks whether it is ready; the worker of a
// base decides what to do with it, and takes its readiness away if it is to go,
// in one act under the same lock. So either the worker finds the claim, or the
// session finds the base not ready and waits for the worker's next pass, which
// finds the claim. A claim is given back when nothing of the session is left.
//
// As long as a session that may stand on anything has not been looked at, or
// its memory could not be read, no base goes at all.
//
// # Why no image is mounted twice when somebody writes to it
//
// A claim is refused while another base of the same file is there, claimed or
// not yet gone. What is there of former daemons, and of which file, is not known
// at first: bases of images wait until every session was looked at once, and
// until what nobody claims is gone.
type claims struct {
	mu    sync.Mutex
	bases map[string]*base
	// held are the keys that each session claims.
	held map[string][]string
	// counted is set when it is known which sessions there are.
	counted bool
	// unseen are those of them that were not looked at yet.
	unseen map[string]struct{}
	// unsure are those that may stand on something that they do not claim.
	unsure map[string]struct{}
	// refused are those that wait for a base that others hold.
	refused map[string]struct{}
	// leftovers are the bases that are there and that nobody has claimed yet;
	// true if one was to go and did not.
	leftovers map[string]bool
	// uses are the sources that sessions stand on, and there those sessions of
	// which there is something that was not looked at yet.
	uses  uses
	there map[string]struct{}
	// allSeen is set when all that was there at first has been looked at.
	allSeen bool
	// since is when this began.
	since time.Time
}

// base is what is known of a base.
type base struct {
	want compile.Base
	// claimants are the sessions that stand on it, or are about to.
	claimants map[string]struct{}
	// waiting are those of them that wait for it.
	waiting map[string]struct{}
	// idle is since when nobody stands on it; zero if it is not worth keeping.
	idle time.Time
	// ready is set while it is as wanted.
	ready bool
	// err is what went wrong last, and retry when it is tried again.
	err   error
	retry time.Time
	// step is what is being done with it, and begun when that pass began; zero
	// if nobody works on it.
	step  *status.Step
	begun time.Time
	// objects are what was made.
	objects []status.Object
	// told is when its progress was last passed on.
	told time.Time
}

func newClaims() *claims {
	return &claims{
		bases: map[string]*base{}, held: map[string][]string{},
		unseen: map[string]struct{}{}, unsure: map[string]struct{}{}, refused: map[string]struct{}{},
		leftovers: map[string]bool{}, since: time.Now(), there: map[string]struct{}{},
		uses: uses{held: map[string][]compile.Use{}, open: map[string][]compile.Use{}, meant: map[string][]compile.Use{}},
	}
}

// expect says which sessions and bases there are, all of them if complete, and of
// which of the sessions there is something in the world. It returns which of the sessions are to be looked at, even if they were before:
// one that was forgotten while others were being counted is among them. freed
// says that more is possible now than before.
func (c *claims) expect(complete bool, sessions, there, bases []string) (unseen []string, freed bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	defer c.note(&freed)()
	for _, s := range sessions {
		if _, known := c.held[s]; !known {
			c.unseen[s] = struct{}{}
			unseen = append(unseen, s)
		}
	}
	for _, s := range there {
		if _, known := c.held[s]; !known {
			c.there[s] = struct{}{}
		}
	}
	for _, b := range bases {
		if _, known := c.leftovers[b]; !known && c.bases[b] == nil {
			c.leftovers[b] = false
		}
	}
	c.counted = c.counted || complete
	return unseen, false
}

// looked says that a session was looked at; sure that it stands on nothing but
// what it claims. It returns whether more is possible now than before.
func (c *claims) looked(session string, sure bool) (freed bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	defer c.note(&freed)()
	delete(c.unseen, session)
	delete(c.there, session)
	if _, known := c.held[session]; !known {
		c.held[session] = nil
	}
	if sure {
		delete(c.unsure, session)
	} else {
		c.unsure[session] = struct{}{}
	}
	return false
}

// note returns a function that sets freed if more is known by then: that every
// session was seen, that every claim is known, or who has a source open. It needs
// the lock.
func (c *claims) note(freed *bool) func() {
	known := func() []bool { return []bool{c.seen(""), c.complete(), c.counted && len(c.there) == 0} }
	before := known()
	return func() {
		for i, now := range known() {
			*freed = *freed || now && !before[i]
		}
	}
}

// everySeen reports whether every session but the one given was looked at.
func (c *claims) everySeen(but string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.seen(but)
}

// seen reports whether every session but the one given was looked at. It needs
// the lock.
func (c *claims) seen(but string) bool {
	_, is := c.unseen[but]
	return c.counted && (len(c.unseen) == 0 || is && len(c.unseen) == 1)
}

// complete reports whether every claim is known. It needs the lock.
func (c *claims) complete() bool {
	return c.counted && len(c.unseen) == 0 && len(c.unsure) == 0
}

// answer is what a session that claims bases is told.
type answer struct {
	// conflict is who is in the way at a source.
	conflict *conflict
	// holder is the session that holds one of them, and source what it holds.
	holder, source string
	// unknown says why it is not known yet whether somebody holds one of them.
	unknown string
	// freed is set if more is possible now than before, and retold are those who
	// waited behind this session and now wait for it.
	freed  bool
	retold []string
	// wait is set while a base is not ready.
	wait bool
	// wake are the keys of the bases that are to be looked at now. One that
	// failed has a pause of its own, which only a new claim ends.
	wake []string
	// objects are what the bases are made of.
	objects []status.Object
	// err is what is wrong with a base, and retry when it is tried again.
	err   error
	retry time.Time
	// step is what is being done for a base that is not ready, since begun.
	step  *status.Step
	begun time.Time
}

// claim makes a session stand on what it needs and nothing else, unless somebody
// holds some of that. A session that runs already is not refused.
func (c *claims) claim(session string, needs compile.Result, runs bool) answer {
	c.mu.Lock()
	defer c.mu.Unlock()
	wanted, freed := needs.Bases, false
	known := c.note(&freed)
	if !runs {
		refusal, refused := c.refuseUse(session, needs.Uses)
		if !refused {
			refusal, refused = c.refuse(session, wanted)
		}
		if refused {
			c.refused[session] = struct{}{}
			return refusal
		}
	}
	delete(c.refused, session)
	_, meant := c.uses.meant[session]
	c.use(session, needs.Uses)
	delete(c.there, session)
	known()
	a := answer{wake: c.drop(session, wanted), freed: freed}
	if meant {
		a.retold = slices.Sorted(maps.Keys(c.refused))
	}
	for _, want := range wanted {
		key := want.Owner.Name
		b := c.bases[key]
		if b == nil {
			b = &base{claimants: map[string]struct{}{}, waiting: map[string]struct{}{}}
			c.bases[key] = b
			a.wake = append(a.wake, c.outdate(want)...)
		}
		delete(c.leftovers, key)
		b.want = want
		_, held := b.claimants[session]
		b.claimants[session] = struct{}{}
		if !slices.Contains(c.held[session], key) {
			c.held[session] = append(c.held[session], key)
		}
		a.objects = append(a.objects, b.objects...)
		if !b.ready {
			b.waiting[session] = struct{}{}
			a.wait, a.step, a.begun = true, b.step, b.begun
			if b.err == nil || !held {
				a.wake = append(a.wake, key)
			}
		}
		if b.err != nil {
			a.err, a.retry = b.err, b.retry
		}
	}
	return a
}

// outdate has bases that rest go if a new one is made of the same file, which is
// another file by now. It needs the lock.
func (c *claims) outdate(want compile.Base) (gone []string) {
	for key, b := range c.bases {
		if b.want.Source == want.Source && key != want.Owner.Name && len(b.claimants) == 0 {
			b.idle = time.Time{}
			gone = append(gone, key)
		}
	}
	return gone
}

// release gives back all that a session claims. It returns the bases that it
// stood on, and the sessions that may have waited for one of them.
func (c *claims) release(session string) (bases, refused []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	bases = c.drop(session, nil)
	if c.use(session, nil) || len(bases) > 0 {
		refused = slices.Sorted(maps.Keys(c.refused))
	}
	return bases, refused
}

// forget forgets a session of which nothing is left. It returns whether more is
// possible now than before.
func (c *claims) forget(session string) (freed bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	defer c.note(&freed)()
	c.drop(session, nil)
	delete(c.held, session)
	c.use(session, nil)
	delete(c.refused, session)
	delete(c.unseen, session)
	delete(c.there, session)
	delete(c.unsure, session)
	return false
}

// drop takes back a session's claims but for those in keep, and returns the
// others. It needs the lock.
func (c *claims) drop(session string, keep []compile.Base) (dropped []string) {
	kept := func(key string) bool {
		return slices.ContainsFunc(keep, func(b compile.Base) bool { return b.Owner.Name == key })
	}
	for _, key := range c.held[session] {
		if !kept(key) {
			delete(c.bases[key].claimants, session)
			delete(c.bases[key].waiting, session)
			c.bases[key].idle = time.Now()
			dropped = append(dropped, key)
		}
	}
	if _, known := c.held[session]; known {
		c.held[session] = slices.DeleteFunc(slices.Clone(c.held[session]), func(key string) bool { return !kept(key) })
	}
	return dropped
}

// objects returns what the bases that a session claims are made of.
func (c *claims) objects(session string) []status.Object {
	c.mu.Lock()
	defer c.mu.Unlock()
	var list []status.Object
	for _, key := range c.held[session] {
		list = append(list, c.bases[key].objects...)
	}
	return list
}

// undecided returns the bases that nobody has claimed and that are still there.
func (c *claims) undecided() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Sorted(maps.Keys(c.leftovers))
}

// source returns what a base is made from; "" if nobody has claimed it.
func (c *claims) source(key string) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	if b := c.bases[key]; b != nil {
		return b.want.Source
	}
	return ""
}

// waiting returns the sessions that were refused a base.
func (c *claims) waiting() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Sorted(maps.Keys(c.refused))
}
