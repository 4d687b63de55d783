package controller

import (
	"context"
	"fmt"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"coppice.dev/manifests"
	"coppice.dev/reconcile/compile"
	"coppice.dev/reconcile/object"
	"coppice.dev/reconcile/plan"
	"coppice.dev/spec"
	"coppice.dev/status"
)

// Suspensions are what people have said in so many words about sessions that are to
// be left as they are.
type Suspensions interface {
	// Suspended returns why a session is left as it is; ok is false if it is not.
	Suspended(session string) (why string, ok bool, err error)
	// Resume takes that back. Of a session that is not suspended: no error.
	Resume(session string) error
}

// unsuspended is for a controller to which nobody can say anything.
type unsuspended struct{}

func (unsuspended) Suspended(string) (string, bool, error) { return "", false, nil }
func (unsuspended) Resume(string) error                    { return nil }

// bySpec is why a session is left as it is whose manifest says so.
const bySpec = "its manifest says suspend: true"

// suspension says why the session is left as it is; "" if it is not. Who deletes a
// session in so many words means it, suspended or not.
func (p *pass) suspension() string {
	if session, is := p.entry.Object.(*spec.Session); is && session.Spec.Suspend {
		return bySpec
	}
	why, is, err := p.Suspensions.Suspended(p.name)
	switch {
	case err != nil: // to leave it alone can be made good at any time
		return err.Error()
	case !is:
		return ""
	}
	if wish, wished := p.Wishes.Wished(p.name); wished && !p.named && (wish.UID == "" || wish.UID == p.record.UID) {
		return ""
	}
	return why
}

// suspended takes a pass over a session that is left as it is: all is looked at, and
// nothing is done.
func (p *pass) suspended(ctx context.Context, why string) {
	p.paused = why
	p.report = p.reports.of(p.key)
	if !p.named {
		p.held = "its manifest is gone, but " + why + "; it goes when it is resumed: coppice resume " + p.name
	}
	if p.named && !p.entry.Ephemeral && !p.record.Session.Ephemeral {
		p.guard.saw(p.name, p.entry.Folder, false)
	}
	switch p.memory {
	case unseen:
		p.looked(false)
		p.blind(p.world.Blind[object.KindHome])
	case remembered:
		p.nameRecorded()
		p.compare()
		p.make(ctx)
	default:
		p.looked(!p.stands())
		note := status.Note{Reason: status.ReasonSuspended, Message: "nothing is made of it: " + why}
		if why != bySpec {
			note.Message += "; coppice resume " + p.name
		}
		p.finish(status.Verdict{Ready: metav1.ConditionFalse, Note: note, Suspended: &note})
	}
}

// leaves reports whether what differs from what is wanted is left as it is, and tells
// of it then: of a suspended session, and of one whose drift is only to be told of.
func (p *pass) leaves(result compile.Result) (bool, error) {
	if p.paused == "" {
		drifts, err := p.onlyTells()
		if err != nil || !drifts {
			return false, err
		}
	}
	left := plan.Make(result.Objects, p.world, plan.Policy{})
	if p.paused == "" && len(left.Steps) == 0 {
		return false, nil // as wanted: all else is as ever
	}
	p.looked(!doubtful(left.Held))
	v := status.Verdict{Ready: metav1.ConditionTrue, Note: status.Note{Reason: reasonConverged, Message: count(len(result.Objects))}}
	what := differs(left)
	switch {
	case p.paused != "":
		p.suspendedVerdict(&v, what)
	default:
		note := status.Note{Reason: status.ReasonDrifted, Message: what + "; it is left so by driftPolicy: Report, and repaired by coppice reconcile " + p.name}
		v.Stalled, p.drift = &note, drift{metav1.ConditionFalse, note}
		p.report.remind(status.ReasonDrifted, what)
	}
	if v.Ready == metav1.ConditionTrue && !usable(left) {
		v.Ready, v.Note = metav1.ConditionFalse, status.Note{Reason: status.ReasonDrifted, Message: what}
	}
	p.finish(v)
	return true, nil
}

// suspendedVerdict says that a session is left as it is, and what is not done.
func (p *pass) suspendedVerdict(v *status.Verdict, what string) {
	note := status.Note{Reason: status.ReasonSuspended, Message: p.paused}
	if what != "" {
		note.Message += "; left undone: " + what
	}
	v.Suspended = &note
	if v.Note.Message = note.Message; p.held != "" {
		v.Note.Message = p.held
	}
}

// onlyTells reports whether the session has drift, if any, that is only to be told
// of: it was as wanted once, since its manifest last changed, and the machine has not
// been started anew since.
func (p *pass) onlyTells() (bool, error) {
	if p.record.Session.Session.DriftPolicy != spec.DriftReport || p.begun || p.forced || p.memory != remembered {
		return false, nil
	}
	if _, stands := p.world.Find(object.At(object.GroupRoot, "namespace")); !stands {
		return false, nil
	}
	mark, err := p.record.Mark()
	return p.record.Settled == mark, err
}

// settle remembers that the session is as wanted, if that matters, and reports
// whether the record has changed by it.
func (p *pass) settle() (bool, error) {
	if p.record.Session.Session.DriftPolicy != spec.DriftReport {
		changed := p.record.Settled != ""
		p.record.Settled = ""
		return changed, nil
	}
	mark, err := p.record.Mark()
	if err != nil || p.record.Settled == mark {
		return false, err
	}
	p.record.Settled = mark
	return true, nil
}

// usable reports whether commands can be run in a session of which a plan says what
// is wrong with it.
func usable(p plan.Plan) bool {
	for _, s := range p.Steps {
		if s.ID.Address.Group() <= object.GroupRoot && s.Op != plan.Amend {
			return false
		}
	}
	return true
}

// differs says in a line what a plan would do, and why.
func differs(p plan.Plan) string {
	const most = 3
	var parts []string
	seen := map[object.Address]bool{}
	for _, s := range p.Steps {
		if !seen[s.ID.Address] {
			seen[s.ID.Address] = true
			parts = append(parts, fmt.Sprintf("%s: %s", s.ID.Address, s.Reason))
		}
	}
	if len(parts) > most {
		parts = append(parts[:most], fmt.Sprintf("and %d more", len(parts)-most))
	}
	return strings.Join(parts, "; ")
}

// Reconcile has a session looked at right away, and its drift repaired whatever its
// policy. It reports whether there is such a session.
func (c *Controller) Reconcile(session string) bool {
	c.mu.Lock()
	_, named := c.set.Entries[manifests.Key{Kind: spec.KindSession, Name: session}]
	known := named || c.reports.known(sessionKey(session))
	if known {
		c.forced[session] = true
	}
	c.mu.Unlock()
	if known {
		c.queue.renew(sessionKey(session))
	}
	return known
}

// Look has a session looked at right away.
func (c *Controller) Look(session string) { c.queue.renew(sessionKey(session)) }

// takeForced reports whether somebody has asked for the session to be put right, and
// forgets it.
func (c *Controller) takeForced(session string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	forced := c.forced[session]
	delete(c.forced, session)
	return forced
}

// force asks for it once more, since it failed.
func (c *Controller) force(session string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.forced[session] = true
}
