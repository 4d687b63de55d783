package controller

import (
	"context"
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"coppice.dev/reconcile/fault"
	"coppice.dev/reconcile/object"
	"coppice.dev/spec"
	"coppice.dev/status"
)

// Suspensions are what people have said in so many words about sessions that are to
// be left as they are.
type Suspensions interface {
	// Suspended returns why a session is left as it is; ok is false if it is not.
	Suspended(session string) (why string, ok bool, err error)
	// Names returns the sessions of which that was said, be they there or not.
	Names() ([]string, error)
	// Resume takes that back. Of a session that is not suspended: no error.
	Resume(session string) error
}

// unsuspended is for a controller to which nobody can say anything.
type unsuspended struct{}

func (unsuspended) Suspended(string) (string, bool, error) { return "", false, nil }
func (unsuspended) Names() ([]string, error)               { return nil, nil }
func (unsuspended) Resume(string) error                    { return nil }

// bySpec is why a session is left as it is whose manifest says so.
const bySpec = "its manifest says suspend: true"

// suspension says why the session is left as it is; "" if it is not. Who deletes a
// session in so many words means it, suspended or not.
func (p *pass) suspension() (why string, err error) {
	if !p.named && p.world.Empty() {
		return "", nil // there is nothing to be left
	}
	if session, is := p.entry.Object.(*spec.Session); is && session.Spec.Suspend {
		return bySpec, nil
	}
	why, is, err := p.Suspensions.Suspended(p.name)
	if err != nil || !is {
		return "", err
	}
	if wish, wished := p.Wishes.Wished(p.name); wished && !p.named && (wish.UID == "" || wish.UID == p.record.UID) {
		return "", nil
	}
	return why, nil
}

// suspended takes a pass over a session that is left as it is: all is looked at, and
// nothing is done.
func (p *pass) suspended(ctx context.Context, why string) {
	p.paused = why
	p.report = p.reports.of(p.key)
	p.report.suspends(p.advised())
	if !p.named {
		p.held = "its manifest is gone, but " + why + "; it goes when it is resumed: coppice resume " + p.name
	} else if !p.entry.Ephemeral && !p.record.Session.Ephemeral {
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
		p.suspendedUnmade()
	}
}

// suspendedUnmade tells of a session that is left as it is before it was admitted, or
// since its record was lost. What it waited for others need not wait for.
func (p *pass) suspendedUnmade() {
	if session, is := p.entry.Object.(*spec.Session); is {
		p.names(unique(named(session))...)
	}
	p.looked(!p.stands())
	p.letGo()
	note := status.Note{Reason: status.ReasonSuspended, Message: "nothing is made of it: " + p.advised()}
	p.finish(status.Verdict{Ready: metav1.ConditionFalse, Note: note, Suspended: &note})
}

// advised says why the session is left as it is, and how to take that back.
func (p *pass) advised() string {
	if p.paused == bySpec {
		return p.paused
	}
	return p.paused + "; coppice resume " + p.name + " takes that back"
}

// suspendedVerdict says that a session is left as it is, and what is not done.
func (p *pass) suspendedVerdict(v *status.Verdict, left string) {
	note := status.Note{Reason: status.ReasonSuspended, Message: p.advised()}
	if p.held != "" {
		note.Message = p.held
	}
	if left != "" {
		note.Message += "; left undone: " + left
	}
	v.Suspended, v.Work, v.WorkMessage = &note, status.WorkNone, ""
}

// unknownWhether tells that it cannot be known whether a session is to be left as it
// is. Nothing is done then, since that can be made good at any time.
func (p *pass) unknownWhether(err error) {
	p.report = p.reports.of(p.key)
	p.looked(false)
	p.fail(&fault.Fault{
		Reason: fault.Blind, Doing: fmt.Sprintf("see whether session %s is suspended", p.name), Err: err,
		Hint: "nothing is done before that works",
	})
}

// suspends tells, when that is new, that the object is left as it is from now on.
func (r *report) suspends(why string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.file.Status.Suspended() {
		r.happened(status.EventNormal, status.ReasonSuspended, why)
	}
}

// resumes tells, when that is new, that it is not.
func (r *report) resumes() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.file.Status.Suspended() {
		status.Resume(&r.file.Status)
		r.happened(status.EventNormal, reasonResumed, "it is not suspended any more")
	}
}
