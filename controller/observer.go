package controller

import (
	"context"
	"slices"
	"time"

	"coppice.dev/reconcile"
	"coppice.dev/reconcile/fault"
	"coppice.dev/reconcile/object"
	"coppice.dev/reconcile/plan"
)

// Observer is told what the controller does, in plain values, so that it can be
// counted. It is called from many goroutines, in the middle of the work: it must not
// block and must not call back.
type Observer interface {
	// Passed tells that something of a class was looked at, after it had waited so
	// long for a worker.
	Passed(class string, waited, took time.Duration)
	// Looked tells of one look at the objects of an owner of a class, and which
	// kinds could not be seen.
	Looked(class string, took time.Duration, blind []object.Kind)
	// Stepped tells of one step, and why it failed; "" if it did not.
	Stepped(kind object.Kind, op plan.Op, took time.Duration, failure fault.Reason)
	// Happened tells of an incident.
	Happened(Incident)
}

// Incident is something that happened to an object.
type Incident struct {
	What Occurrence
	// Of is the class or kind of what it happened to.
	Of string
	// Reason tells incidents of a sort apart, in CamelCase, where there are several.
	Reason string
	// Took is how long it took, where that is known.
	Took time.Duration
}

// Occurrence is a sort of incident.
type Occurrence string

// The sorts of incident.
const (
	// Failed: a pass over something of the class failed; it is tried again.
	Failed Occurrence = "Failed"
	// Admitted: a session was admitted.
	Admitted Occurrence = "Admitted"
	// Begun: a session is ready for the first time since its manifest was seen.
	Begun Occurrence = "Begun"
	// Ended: a session was taken down; the reason is one of those below.
	Ended Occurrence = "Ended"
	// Swept: a session or base of which nobody knew was taken down.
	Swept Occurrence = "Swept"
	// Repaired: an object of the kind was put right, which somebody had broken.
	Repaired Occurrence = "Repaired"
)

// The reasons for which a session ends.
const (
	EndedRemoved   = "ManifestRemoved" // its manifest was taken away
	EndedOrphan    = "Orphan"          // no manifest names it, as far as is known
	EndedExpired   = "Expired"         // its time to live was over
	EndedIdle      = "Idle"            // nobody was inside for too long
	EndedAlone     = "ClientGone"      // the process that it was begun for is gone
	EndedRecreated = "Recreated"       // it was made anew, with what its manifests say now
)

// EndReasons returns the reasons for which a session ends.
func EndReasons() []string {
	return []string{EndedRemoved, EndedOrphan, EndedExpired, EndedIdle, EndedAlone, EndedRecreated}
}

// unobserved is for a controller on which nobody looks.
type unobserved struct{}

func (unobserved) Passed(string, time.Duration, time.Duration)               {}
func (unobserved) Looked(string, time.Duration, []object.Kind)               {}
func (unobserved) Stepped(object.Kind, plan.Op, time.Duration, fault.Reason) {}
func (unobserved) Happened(Incident)                                         {}

// timed is a kernel that tells how long its calls take.
type timed struct {
	reconcile.Kernel
	observer Observer
}

// Observe implements reconcile.Kernel.
func (t timed) Observe(ctx context.Context, owner object.Owner, desired []object.Object) object.World {
	begun := time.Now()
	world := t.Kernel.Observe(ctx, owner, desired)
	if ctx.Err() == nil { // a cancelled look says nothing
		var blind []object.Kind
		for kind := range world.Blind {
			blind = append(blind, kind)
		}
		slices.Sort(blind)
		t.observer.Looked(string(keyOf(owner).class), time.Since(begun), blind)
	}
	return world
}

// Do implements reconcile.Kernel.
func (t timed) Do(ctx context.Context, step plan.Step) error {
	begun := time.Now()
	err := t.Kernel.Do(ctx, step)
	var failure fault.Reason
	if err != nil && ctx.Err() == nil { // else nobody wants it any more
		failure = fault.ReasonOf(err)
	}
	t.observer.Stepped(step.Kind(), step.Op, time.Since(begun), failure)
	return err
}

// ending is the reason for which a session ends that nobody wants.
func (p *pass) ending(orphan bool) string {
	switch {
	case orphan:
		return EndedOrphan
	case p.why == "":
		return EndedRemoved
	case p.why == whyAlone:
		return EndedAlone
	case p.why == whyExpired:
		return EndedExpired
	}
	return EndedIdle
}

// lapse is the reason for which a session ends that has had its time.
func (p *pass) lapse() string {
	if p.record.Idled > 0 {
		return EndedIdle
	}
	return EndedExpired
}

// mends says that a step has put an object right, if that is what it was for: one
// that others have broken, of a session that stood.
func (p *pass) mends(s plan.Step) {
	switch {
	case s.Kind() == object.KindHome:
		p.changing = true // what comes after it was asked for
	case s.Op == plan.Destroy || p.begun || p.changing, !p.stood && !p.was:
	case p.mended[s.ID.Address]:
	default:
		if p.mended == nil {
			p.mended = map[object.Address]bool{}
		}
		p.mended[s.ID.Address] = true
		p.observer.Happened(Incident{What: Repaired, Of: string(s.Kind())})
	}
}
