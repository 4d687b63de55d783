package controller

import (
	"slices"
	"sync"
	"time"

	"coppice.dev/controller/budget"
	"coppice.dev/reconcile/compile"
	"coppice.dev/reconcile/object"
)

// line is who waits for a place on the host, oldest first, and who has one. It keeps
// nobody from being repaired, nor from going: only who begins is asked.
//
// A session has its place from when it may begin until nothing is left of it, or its
// time is over. Those of former daemons have theirs, too: nobody begins before they are
// known, where sessions are counted. Who is first in line looks again from time to time,
// and has all those look who may begin then; nobody else does, and nobody at all if
// nobody waits.
type line struct {
	limits budget.Limits
	// look counts what there is on the host, disks looks at its disks; nil if that is not
	// known.
	look  func() budget.Host
	disks func() []budget.Disk

	mu sync.Mutex
	// there are the sessions that have a place.
	there map[string]struct{}
	// waiting are the others that want one, who waits longest first.
	waiting []applicant
	// counted is set when those of former daemons are known, and since is when this began.
	counted bool
	since   time.Time
	// host is what was counted on the host at a time, and given what was given away since;
	// back is set if some was given back.
	host  budget.Host
	at    time.Time
	given budget.Needs
	back  bool
}

// applicant is a session that waits, since when, and what it needs.
type applicant struct {
	name  string
	since time.Time
	needs budget.Needs
}

// fresh is how long what was counted is good for: many sessions may ask at once, and
// where there are many mounts it takes a while to count them. Disks are asked each time.
const fresh = time.Second

// glance is how often the first in line looks again.
const glance = 5 * time.Second

func newLine() *line { return &line{there: map[string]struct{}{}, since: time.Now()} }

// free reports whether nothing is limited.
func (l *line) free() bool { return l.look == nil && l.disks == nil && l.limits.Sessions == 0 }

// expect says which sessions there are, all of them if complete, and returns who may
// begin now.
func (l *line) expect(complete bool, there []string) (wake []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.counted {
		return nil // those that came since have asked
	}
	for _, name := range there {
		l.there[name] = struct{}{}
	}
	l.counted = complete
	return l.next()
}

// holds says that a session has its place, since it is there.
func (l *line) holds(name string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, has := l.there[name]; !has {
		l.there[name] = struct{}{}
		l.withdraw(name)
	}
}

// ask asks for a place, for a session that has waited since then. Who does not get one
// waits in line; first is set if it is to look again by itself. wake are others that may
// begin now.
func (l *line) ask(name string, since time.Time, needs budget.Needs) (refusal budget.Refusal, first bool, wake []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, has := l.there[name]; has || l.free() {
		l.there[name] = struct{}{}
		return budget.Refusal{}, false, nil
	}
	at := slices.IndexFunc(l.waiting, func(a applicant) bool { return a.name == name })
	if at < 0 {
		if at = slices.IndexFunc(l.waiting, func(a applicant) bool { return a.since.After(since) }); at < 0 {
			at = len(l.waiting)
		}
		l.waiting = slices.Insert(l.waiting, at, applicant{name: name, since: since})
	}
	l.waiting[at].needs = needs
	verdicts := l.decide()
	if verdicts[at].Refused() && l.back {
		l.at = time.Time{} // there may be more by now
		verdicts = l.decide()
	}
	if refusal = verdicts[at]; refusal.Refused() {
		if at == 0 {
			wake = l.ready(verdicts)
		}
		return refusal, at == 0, wake
	}
	l.there[name] = struct{}{}
	l.given = l.given.Add(needs)
	if l.withdraw(name); at == 0 {
		wake = l.next()
	}
	return budget.Refusal{}, false, wake
}

// supposed is ask for who only wants to know.
func (l *line) supposed(name string, needs budget.Needs) budget.Refusal {
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, has := l.there[name]; has || l.free() {
		return budget.Refusal{}
	}
	was := slices.Clone(l.waiting)
	defer func() { l.waiting = was }()
	at := slices.IndexFunc(l.waiting, func(a applicant) bool { return a.name == name })
	if at < 0 {
		at = len(l.waiting)
		l.waiting = append(slices.Clone(l.waiting), applicant{name, time.Now(), needs})
	}
	return l.decide()[at]
}

// leaves says that a session has no place any more, nor waits for one. It returns who
// may begin now.
func (l *line) leaves(name string) (wake []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.there, name)
	l.withdraw(name)
	l.back = true // what it took of the host is free now, or soon
	if len(l.waiting) > 0 {
		l.at = time.Time{}
	}
	return l.next()
}

// withdraw takes a session out of the line. It needs the lock.
func (l *line) withdraw(name string) {
	l.waiting = slices.DeleteFunc(l.waiting, func(a applicant) bool { return a.name == name })
}

// next returns the sessions that may begin now, and who is first in line, which has to
// know that it is. It needs the lock.
func (l *line) next() []string {
	if len(l.waiting) == 0 {
		return nil
	}
	wake := l.ready(l.decide())
	if first := l.waiting[0].name; !slices.Contains(wake, first) {
		wake = append(wake, first)
	}
	return wake
}

// ready returns those in line who are not refused. It needs the lock.
func (l *line) ready(verdicts []budget.Refusal) (names []string) {
	for i, a := range l.waiting {
		if !verdicts[i].Refused() {
			names = append(names, a.name)
		}
	}
	return names
}

// decide decides on everybody in line. It needs the lock.
func (l *line) decide() []budget.Refusal {
	needs := make([]budget.Needs, len(l.waiting))
	for i, a := range l.waiting {
		needs[i] = a.needs
	}
	if l.limits.Sessions > 0 && !l.counted && time.Since(l.since) < slow {
		unknown := budget.Refusal{Reason: budget.HostFull, Message: "the sessions that were there before are still being counted; it begins by itself then"}
		return slices.Repeat([]budget.Refusal{unknown}, len(needs))
	}
	if l.look != nil && time.Since(l.at) >= fresh {
		l.host, l.at, l.given, l.back = l.look(), time.Now(), budget.Needs{}, false
	}
	host := l.host
	if l.disks != nil {
		host.Disks = l.disks()
	}
	if host.Loops >= 0 {
		host.Loops += l.given.Loops
	}
	if host.Mounts >= 0 {
		host.Mounts += l.given.Mounts
	}
	return budget.Decide(l.limits, host, len(l.there), needs)
}

// needs is what a session takes of what is counted on a host, but for what it shares
// with others who have it already.
func (c *claims) needs(result compile.Result) budget.Needs {
	var needs budget.Needs
	objects := slices.Clone(result.Objects)
	for _, base := range result.Bases {
		if !c.claimed(base.Owner.Name) {
			objects = append(objects, base.Objects...)
		}
	}
	for _, o := range objects {
		switch spec := o.Spec.(type) {
		case object.Image, object.Store:
			needs = needs.Add(budget.Needs{Loops: 1, Mounts: 1})
		case object.Disk, object.Namespace:
			needs.Mounts++
		case object.View:
			needs.Mounts += 1 + len(spec.Shows)
		}
	}
	return needs
}
