package controller

import (
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
	// step is what is being done with it.
	step *status.Step
	// objects are what was made.
	objects []status.Object
	// told is when its progress was last passed on.
	told time.Time
}

func newClaims() *claims {
	return &claims{
		bases: map[string]*base{}, held: map[string][]string{},
		unseen: map[string]struct{}{}, unsure: map[string]struct{}{}, refused: map[string]struct{}{},
	}
}

// expect says which sessions there are, all of them if complete. It returns
// whether bases may go now that could not before.
func (c *claims) expect(complete bool, sessions ...string) (freed bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	before := c.complete()
	for _, s := range sessions {
		if _, known := c.held[s]; !known {
			c.unseen[s] = struct{}{}
		}
	}
	c.counted = c.counted || complete
	return c.complete() && !before
}

// looked says that a session was looked at; sure that it stands on nothing but
// what it claims. It returns whether bases may go now that could not before.
func (c *claims) looked(session string, sure bool) (freed bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	before := c.complete()
	delete(c.unseen, session)
	if _, known := c.held[session]; !known {
		c.held[session] = nil
	}
	if sure {
		delete(c.unsure, session)
	} else {
		c.unsure[session] = struct{}{}
	}
	return c.complete() && !before
}

// complete reports whether every claim is known. It needs the lock.
func (c *claims) complete() bool {
	return c.counted && len(c.unseen) == 0 && len(c.unsure) == 0
}

// blockers names the sessions because of which not every claim is known.
func (c *claims) blockers() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	all := maps.Clone(c.unseen)
	maps.Copy(all, c.unsure)
	return slices.Sorted(maps.Keys(all))
}

// answer is what a session that claims bases is told.
type answer struct {
	// holder is the session that holds one of them, and source what it holds.
	holder, source string
	// unknown is set when somebody not yet looked at might hold one of them.
	unknown bool
	// wait are the keys of the bases that are not ready.
	wait []string
	// objects are what the bases are made of.
	objects []status.Object
	// err is what is wrong with a base, and retry when it is tried again.
	err   error
	retry time.Time
	// step is what is being done for a base that is not ready.
	step *status.Step
	// dropped are the keys that it claimed before and claims no more.
	dropped []string
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
	a := answer{dropped: c.drop(session, wanted)}
	for _, want := range wanted {
		key := want.Owner.Name
		b := c.bases[key]
		if b == nil {
			b = &base{claimants: map[string]struct{}{}, waiting: map[string]struct{}{}}
			c.bases[key] = b
		}
		b.want = want
		b.claimants[session] = struct{}{}
		if !slices.Contains(c.held[session], key) {
			c.held[session] = append(c.held[session], key)
		}
		a.objects = append(a.objects, b.objects...)
		if !b.ready {
			b.waiting[session] = struct{}{}
			a.wait = append(a.wait, key)
			a.step = b.step
		}
		if b.err != nil {
			a.err, a.retry = b.err, b.retry
		}
	}
	return a
}

// refuse reports who else holds what a session wants, where that cannot be
// shared. It needs the lock.
func (c *claims) refuse(session string, wanted []compile.Base) (answer, bool) {
	for _, want := range wanted {
		for _, b := range c.bases {
			if !want.Exclusive && !b.want.Exclusive || !sameFile(want, b.want) {
				continue
			}
			for holder := range b.claimants {
				if holder != session {
					return answer{holder: holder, source: b.want.Source}, true
				}
			}
		}
		if want.Exclusive && !c.complete() && !c.onlyUnseen(session) {
			return answer{unknown: true, source: want.Source}, true
		}
	}
	return answer{}, false
}

// onlyUnseen reports whether the session itself is all that keeps the claims
// from being complete.
func (c *claims) onlyUnseen(session string) bool {
	rest := maps.Clone(c.unseen)
	maps.Copy(rest, c.unsure)
	delete(rest, session)
	return c.counted && len(rest) == 0
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

// forget forgets a session of which nothing is left. It returns whether bases
// may go now that could not before.
func (c *claims) forget(session string) (freed bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	before := c.complete()
	c.drop(session, nil)
	delete(c.held, session)
	delete(c.refused, session)
	delete(c.unseen, session)
	delete(c.unsure, session)
	return c.complete() && !before
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
// look at it: those that waited, and all if it failed or works again.
func (c *claims) settled(key string, f fate, objects []status.Object, err error, retry time.Time) []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	b := c.bases[key]
	if b == nil {
		return nil
	}
	if len(b.claimants) == 0 && f == goes && err == nil {
		delete(c.bases, key)
		return nil
	}
	affected := b.waiting
	if (b.err == nil) != (err == nil) || err != nil {
		affected = b.claimants
	}
	b.step, b.err, b.retry = nil, err, retry
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
