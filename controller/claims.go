package controller

import (
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"coppice.dev/reconcile/compile"
	"coppice.dev/reconcile/object"
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
		leftovers: map[string]bool{}, since: time.Now(),
	}
}

// expect says which sessions and bases there are, all of them if complete. It
// returns whether more is possible now than before.
func (c *claims) expect(complete bool, sessions, bases []string) (freed bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	defer c.note(&freed)()
	for _, s := range sessions {
		if _, known := c.held[s]; !known {
			c.unseen[s] = struct{}{}
		}
	}
	for _, b := range bases {
		if _, known := c.leftovers[b]; !known && c.bases[b] == nil {
			c.leftovers[b] = false
		}
	}
	c.counted = c.counted || complete
	return false
}

// looked says that a session was looked at; sure that it stands on nothing but
// what it claims. It returns whether more is possible now than before.
func (c *claims) looked(session string, sure bool) (freed bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	defer c.note(&freed)()
	delete(c.unseen, session)
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
// session was seen, or that every claim is known. It needs the lock.
func (c *claims) note(freed *bool) func() {
	seen, complete := c.seen(""), c.complete()
	return func() { *freed = *freed || !seen && c.seen("") || !complete && c.complete() }
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
	// holder is the session that holds one of them, and source what it holds.
	holder, source string
	// unknown says why it is not known yet whether somebody holds one of them.
	unknown string
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

// claim makes a session stand on these bases and no others, unless somebody
// holds one of them. A session that runs already is not refused.
func (c *claims) claim(session string, wanted []compile.Base, runs bool) answer {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !runs {
		if refusal, refused := c.refuse(session, wanted); refused {
			c.refused[session] = struct{}{}
			return refusal
		}
	}
	delete(c.refused, session)
	a := answer{wake: c.drop(session, wanted)}
	for _, want := range wanted {
		key := want.Owner.Name
		b := c.bases[key]
		if b == nil {
			b = &base{claimants: map[string]struct{}{}, waiting: map[string]struct{}{}}
			c.bases[key] = b
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

// refused reports whether a claim was refused.
func (a answer) refused() bool { return a.holder != "" || a.unknown != "" }

// refuse reports who else holds what a session wants, where that cannot be
// shared. It needs the lock.
func (c *claims) refuse(session string, wanted []compile.Base) (answer, bool) {
	for _, want := range wanted {
		for _, b := range c.bases {
			if !want.Exclusive && !b.want.Exclusive || !sameFile(want, b.want) {
				continue
			}
			if b.want.Owner == want.Owner && len(b.claimants) == 0 {
				continue // it is the same one, still there
			}
			for holder := range b.claimants {
				if holder != session {
					return answer{holder: holder, source: b.want.Source}, true
				}
			}
			if b.want.Owner != want.Owner {
				why := "it is still mounted for a session that has gone"
				if b.err != nil {
					why += ": " + b.err.Error()
				}
				return answer{unknown: why, source: want.Source}, true
			}
		}
		if why := c.doubt(session, want); why != "" {
			return answer{unknown: why, source: want.Source}, true
		}
	}
	return answer{}, false
}

// doubt says why it is not known whether somebody else has a base's file. Who
// only reads is not held up for long by sessions that cannot be looked at. It
// needs the lock.
func (c *claims) doubt(session string, want compile.Base) string {
	if !ofImage(want) {
		return ""
	}
	rest := maps.Clone(c.unseen)
	maps.Copy(rest, c.unsure)
	delete(rest, session)
	hasty := !want.Exclusive && time.Since(c.since) > slow
	switch {
	case want.Exclusive && len(rest) > 0, !c.seen(session) && !hasty:
		return fmt.Sprintf("not all sessions could be looked at yet %v", slices.Sorted(maps.Keys(rest)))
	case len(rest) > 0:
		return "" // what is left over may be theirs, and will not go
	}
	for key, tried := range c.leftovers {
		if key != want.Owner.Name && (want.Exclusive || !tried) {
			return "what nobody uses is still to go: base/" + key
		}
	}
	return ""
}

// ofImage reports whether a base is the mount of an image.
func ofImage(b compile.Base) bool {
	return slices.ContainsFunc(b.Objects, func(o object.Object) bool { return o.Kind() == object.KindImage })
}

// sameFile reports whether two bases come from one file, whatever path leads
// there and whatever was written to it since.
func sameFile(a, b compile.Base) bool {
	if a.Source == b.Source {
		return true
	}
	file := func(i object.FileIdentity) [2]uint64 { return [2]uint64{i.Device, i.Inode} }
	return file(a.Contents) == file(b.Contents) && a.Contents != object.FileIdentity{}
}

// release gives back all that a session claims. It returns the bases that it
// stood on, and the sessions that may have waited for one of them.
func (c *claims) release(session string) (bases, refused []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	bases = c.drop(session, nil)
	if len(bases) > 0 {
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
	delete(c.refused, session)
	delete(c.unseen, session)
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
			dropped = append(dropped, key)
		}
	}
	if _, known := c.held[session]; known {
		c.held[session] = slices.DeleteFunc(slices.Clone(c.held[session]), func(key string) bool { return !kept(key) })
	}
	return dropped
}

// fate is what is to become of a base.
type fate int

const (
	stays fate = iota // nobody knows whether it is wanted
	made              // it is wanted
	goes              // nobody wants it
)

// decide says what is to become of a base. One that goes is not ready from now
// on, so whoever claims it from now on waits.
func (c *claims) decide(key string) (fate, compile.Base) {
	c.mu.Lock()
	defer c.mu.Unlock()
	b := c.bases[key]
	switch {
	case b != nil && len(b.claimants) > 0:
		b.begun = time.Now()
		return made, b.want
	case !c.complete():
		return stays, compile.Base{}
	}
	if b != nil {
		b.ready = false
	}
	return goes, compile.Base{}
}

// begun says what is being done with a base; usable is false if it cannot be
// stood on meanwhile. It returns the sessions that wait for it.
func (c *claims) begun(key string, step *status.Step, usable bool) []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	b := c.bases[key]
	if b == nil {
		return nil
	}
	b.step = step
	b.ready = b.ready && usable
	return slices.Sorted(maps.Keys(b.waiting))
}

// advanced says how far the step with a base is. It returns what to tell those
// that wait for it, seldom enough that telling many costs little.
func (c *claims) advanced(key string, done, total int64) (*status.Step, []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	b := c.bases[key]
	if b == nil || b.step == nil {
		return nil, nil
	}
	step := *b.step
	step.Done, step.Total = done, total
	b.step = &step
	pause := max(500*time.Millisecond, time.Duration(len(b.waiting))*5*time.Millisecond)
	if time.Since(b.told) < pause {
		return nil, nil
	}
	b.told = time.Now()
	return &step, slices.Sorted(maps.Keys(b.waiting))
}

// settled says what came of a base's pass. It returns the sessions that are to
// look at it: those that waited, and all if it failed or works again. When one
// has gone, those that were refused may have theirs.
func (c *claims) settled(key string, f fate, objects []status.Object, err error, retry time.Time) []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	b := c.bases[key]
	if f == goes {
		if _, left := c.leftovers[key]; left {
			c.leftovers[key] = true
		}
		if err == nil {
			delete(c.leftovers, key)
		}
		if b != nil && len(b.claimants) == 0 && err == nil {
			delete(c.bases, key)
		}
	}
	if b == nil || c.bases[key] == nil {
		return slices.Sorted(maps.Keys(c.refused))
	}
	affected := b.waiting
	if (b.err == nil) != (err == nil) || err != nil {
		affected = b.claimants
	}
	b.step, b.begun, b.err, b.retry = nil, time.Time{}, err, retry
	if f == made {
		b.ready = err == nil
		b.objects = objects
	}
	names := slices.Sorted(maps.Keys(affected))
	if b.ready {
		b.waiting = map[string]struct{}{}
	}
	return names
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

// waiting returns the sessions that were refused a base.
func (c *claims) waiting() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Sorted(maps.Keys(c.refused))
}

// current returns what is being done with a base, and who waits for it.
func (c *claims) current(key string) (status.Step, []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	b := c.bases[key]
	switch {
	case b == nil:
		return status.Step{}, nil
	case b.step == nil:
		return status.Step{Operation: "Observe", Address: object.BaseOwner(key).String()}, slices.Sorted(maps.Keys(b.waiting))
	default:
		return *b.step, slices.Sorted(maps.Keys(b.waiting))
	}
}
