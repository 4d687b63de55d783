package controller

import (
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"coppice.dev/manifests"
	"coppice.dev/reconcile/object"
	"coppice.dev/spec"
	"coppice.dev/status"
)

// Tenants is what is asked about sessions that last only so long.
type Tenants interface {
	// Lives reports whether the process lives that a session was begun for
	// (spec.ClientAnnotation), and calls ended when it does not any more.
	Lives(client string, ended func()) bool
	// Withdraw takes away the manifest that asks for a session, and reports
	// whether it may: what people wrote themselves is theirs. It leaves another
	// session's that has the name by now.
	Withdraw(session *spec.Session, manifest string) (bool, error)
}

// eternal are tenants who live for ever.
type eternal struct{}

func (eternal) Lives(string, func()) bool                    { return true }
func (eternal) Withdraw(*spec.Session, string) (bool, error) { return false, nil }

// Why a session has had its time.
const (
	whyExpired = "its time to live is over"
	whyAlone   = "the process that it was begun for is gone"
)

// withdraw takes away the manifest of an ephemeral session that has had its time,
// and reports whether it did: then nobody wants the session any more. One whose
// manifest people wrote themselves stays to be seen as expired.
func (p *pass) withdraw() (bool, error) {
	session, good := p.entry.Object.(*spec.Session)
	if !good || !p.entry.Ephemeral || p.memory == unseen {
		return false, nil
	}
	if p.isWithdrawn(session) {
		p.entry, p.named = manifests.Entry{}, false
		return true, nil
	}
	why := p.alone(session)
	switch {
	case why != "" || p.memory != remembered:
	case !p.record.Expired:
		why = p.over(session)
	case !p.lives():
		why = p.expiry()
	}
	if why == "" {
		return false, nil
	}
	done, err := p.tenants.Withdraw(session, p.entry.Place.Manifest)
	if err != nil || !done {
		return false, err
	}
	p.mu.Lock()
	p.withdrawn[p.name] = withdrawal{session, time.Now()}
	p.mu.Unlock()
	p.why = why
	p.entry, p.named = manifests.Entry{}, false
	return true, nil
}

// withdrawal is of a manifest that the controller has taken away.
type withdrawal struct {
	session *spec.Session
	at      time.Time
}

// isWithdrawn reports whether a manifest was taken away by the controller itself,
// which has not been told of that yet. What is still told of after two resyncs was
// written once more, before anybody saw that it was gone.
func (c *Controller) isWithdrawn(s *spec.Session) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	w := c.withdrawn[s.Name]
	return w.session == s && time.Since(w.at) < 2*c.Resync
}

// alone says that the process is gone that a session was begun for; "" if it is
// not, or if the session is kept all the same.
func (p *pass) alone(session *spec.Session) string {
	client, key := session.Client(), p.key
	if client == "" || p.tenants.Lives(client, func() { p.queue.add(key) }) {
		return ""
	}
	if !session.Spec.RetainOnFailure {
		return whyAlone
	}
	switch v := p.visits(); {
	case v.Failed != "":
		p.report.remind(reasonRetained, "its command failed: "+v.Failed+"; it is kept to be looked at until it is ended")
	case v.Open > 0 || len(p.inside()) > 0:
		p.comeBack(forThoseInside) // it is just being ended, which counts as a failure
	default:
		return whyAlone
	}
	return ""
}

// over says that a session's time is over; "" if it is not.
func (p *pass) over(session *spec.Session) string {
	if !p.outlives(session.Spec.TTL) {
		return whyExpired
	}
	if limit := session.Spec.IdleTimeout; limit != nil && !p.attended(limit.Duration) {
		return whyIdle(limit.Duration)
	}
	return ""
}

func whyIdle(limit time.Duration) string {
	return fmt.Sprintf("nobody was inside for %s", limit)
}

// lives reports whether a session that was admitted has not had its time.
func (p *pass) lives() bool {
	s := &p.record.Session.Session
	if p.record.Expired && p.record.Idled > 0 {
		return s.IdleTimeout == nil || s.IdleTimeout.Duration > p.record.Idled
	}
	if !p.outlives(s.TTL) {
		return false
	}
	if p.record.Expired || s.IdleTimeout == nil || p.attended(s.IdleTimeout.Duration) {
		return true
	}
	p.record.Idled = s.IdleTimeout.Duration
	return false
}

// expiry says why a session that does not live any more has had its time.
func (p *pass) expiry() string {
	if p.record.Idled > 0 {
		return whyIdle(p.record.Idled)
	}
	return whyExpired
}

// attended reports whether somebody was inside not too long ago, and has the
// session looked at again when that would be too long. It only counts while the
// session is ready.
func (p *pass) attended(limit time.Duration) bool {
	ready := p.report.now().Status.Condition(status.ConditionReady)
	if ready == nil || ready.Status != metav1.ConditionTrue || len(p.inside()) > 0 {
		p.idle = time.Time{}
		p.ages.busy(p.record)
		p.comeBack(limit)
		return true
	}
	v := p.visits()
	if v.Open > 0 {
		p.comeBack(limit)
		return true
	}
	since := ready.LastTransitionTime.Time
	if v.Last.After(since) {
		since = v.Last
	}
	idle := p.ages.idle(p.record, since, limit)
	p.idle = p.ages.wall().Add(-idle)
	if idle < limit {
		p.comeBack(limit - idle)
	}
	return idle < limit
}

// visits returns what is known of those who were inside.
func (p *pass) visits() object.Visits {
	for _, o := range p.world.Objects {
		if o.Kind == object.KindProcesses {
			return o.Visits
		}
	}
	return object.Visits{}
}
