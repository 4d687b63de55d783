package controller

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"coppice.dev/controller/budget"
	"coppice.dev/manifests"
	"coppice.dev/reconcile/compile"
	"coppice.dev/reconcile/fault"
	"coppice.dev/reconcile/object"
	"coppice.dev/reconcile/plan"
	"coppice.dev/spec"
	"coppice.dev/status"
)

// begin admits a session that has no memory, and makes it. One whose memory was
// lost is admitted again, under the identity that is last known.
func (p *pass) begin(ctx context.Context) {
	session, is := p.entry.Object.(*spec.Session)
	if !is {
		p.undefined() // cannot be: an entry has the kind that its key says
		return
	}
	admitted, err := spec.Admit(session, p.refs, p.entry.Ephemeral)
	if err != nil {
		p.names(unique(append(named(session), anyChroot, anyProfile))...)
		p.looked(!p.stands())
		p.letGo()
		p.pending(err)
		return
	}
	p.admit(session, admitted)
	p.nameWanted(session)
	if err := p.examine(ctx, admitted); err != nil {
		if ctx.Err() != nil {
			return
		}
		p.looked(!p.stands())
		p.letGo()
		p.fail(err)
		return
	}
	p.begun = true
	if !p.outlives(admitted.Session.TTL) {
		p.comeBack(firstPause)
	}
	p.make(ctx)
}

// admit writes the session's record. It changes nothing but the pass.
func (p *pass) admit(session *spec.Session, admitted spec.Admitted) {
	p.record = compile.Record{UID: p.identity(), Admitted: p.ages.wall().UTC(), Session: admitted, Folder: p.entry.Folder,
		ReconcileAt: session.Annotations[spec.ReconcileAtAnnotation]}
}

// examine adds to the record what the machine says about the session's source. It
// changes nothing but the pass.
func (p *pass) examine(ctx context.Context, admitted spec.Admitted) (err error) {
	if p.record.Facts, err = p.inspect(ctx, admitted.Chroot.Source); err != nil {
		return err
	}
	p.record.Facts.Quota = compile.ByQuota(p.world, p.record.Facts.Quota)
	for _, lower := range lowersOf(admitted.Chroot) {
		if facts, err := p.inspect(ctx, spec.Source{Directory: &spec.DirectorySource{Path: lower}}); err == nil {
			p.record.Facts.Places = append(p.record.Facts.Places, facts.Places...)
		}
	}
	if admitted.Session.OpenSource && p.record.Facts.ReadOnly {
		return &fault.Fault{
			Reason: fault.SourceUnusable, Doing: "open the source of the chroot for writing",
			Err: errors.New(spec.ReadOnlyImage(p.record.Facts.FSType)), Hint: "take openSource out of the session",
		}
	}
	return nil
}

func lowersOf(c spec.ChrootSpec) []string {
	if c.Union == nil {
		return nil
	}
	return c.Union.Lowers
}

// otherwise reports whether what is there of a session without a record was not
// made from what its manifests say now. To go on would take from under its root
// what that stands on.
func (p *pass) otherwise(result compile.Result) bool {
	return doubtful(plan.Make(result.Objects, p.world, plan.Policy{}).Held)
}

// recordLost leaves such a session alone, unless it is to be made anew when it
// differs.
func (p *pass) recordLost(ctx context.Context) {
	const why = "its record cannot be read, and its root was not made from what its manifests say now"
	if p.record.Session.Session.UpdateStrategy == spec.UpdateRecreate {
		p.recreate(ctx, why)
		return
	}
	p.begun = false
	p.looked(false)
	note := status.Note{Reason: reasonRecordLost, Message: why + "; nothing of it is touched" + p.layerKept() + "; write its manifests as they were, or delete the session and apply it again"}
	p.finish(status.Verdict{Ready: metav1.ConditionFalse, Note: note, Stalled: &note})
}

// layerKept names the session's own layer, if it has one on disk: it goes with
// the session, so what is needed of it has to be saved first.
func (p *pass) layerKept() string {
	for _, o := range p.world.Objects {
		if o.Kind == object.KindUpper || o.Kind == object.KindTree {
			return ", what was written in it is in " + o.Name
		}
	}
	return ""
}

// letGo gives back what a session claims that could not be admitted, unless
// there may be something of it that stands on that.
func (p *pass) letGo() {
	if p.memory == nothing && !p.stands() {
		p.handOn(p.claims.release(p.name))
		p.letIn(p.line.leaves(p.name))
	}
}

// identity returns the identity of a session that is admitted now: of one whose
// record was lost, the one that it had.
func (p *pass) identity() string {
	if p.memory == forgotten {
		if uid := cmp.Or(compile.UID(p.world), p.report.now().Metadata.UID); uid != "" {
			return uid
		}
	}
	return uuid.NewString()
}

// pending tells that a reference of the session leads nowhere yet. Whatever
// might change that has the session looked at again.
func (p *pass) pending(err error) {
	note := status.Note{Reason: unresolved(err), Message: err.Error()}
	for _, k := range p.links.named(p.name) {
		if k.name == "" {
			continue
		}
		of := manifests.Key{Kind: kinds[k.class], Name: k.name}
		if _, there := p.set.Entries.Get(of); !there && p.set.MayHold(of) {
			note.Message += fmt.Sprintf("; %s may be in a manifest that cannot be read", k)
		}
	}
	v := status.Verdict{Ready: metav1.ConditionFalse, Note: note, Work: status.WorkWaiting}
	if refuses(err) {
		v.Work, v.Stalled = "", &note
	}
	p.finish(v)
}

// enters reports whether there is room on the host for the session, which has a place
// from then on.
func (p *pass) enters(result compile.Result) bool {
	if p.memory != nothing || p.paused != "" {
		return true // it is there, or is not to be
	}
	refusal, first, wake := p.line.ask(p.name, p.report.waitsSince(), p.claims.needs(result))
	p.letIn(wake)
	if !refusal.Refused() {
		return true
	}
	if first {
		p.comeBack(glance)
	}
	if refusal.Reason == budget.DiskFull {
		p.makeRoom(&fault.Fault{Reason: fault.NoSpace})
	}
	p.begun = false
	p.handOn(p.claims.release(p.name))
	p.looked(!p.stands())
	note := status.Note{Reason: refusal.Reason, Message: refusal.Message}
	if ready := p.report.now().Status.Condition(status.ConditionReady); ready == nil || ready.Reason != note.Reason {
		p.report.event(status.EventWarning, note.Reason, note.Message)
	}
	p.finish(status.Verdict{Ready: metav1.ConditionFalse, Note: note, Work: status.WorkWaiting})
	return false
}

// refused tells that somebody else holds what the session needs alone.
func (p *pass) refused(a answer) {
	if a.unknown != "" {
		p.comeBack(forThoseInside)
	}
	p.finish(status.Verdict{Ready: metav1.ConditionFalse, Note: a.note(), Work: status.WorkWaiting})
}

// await tells that the session waits for what it shares with others.
func (p *pass) await(a answer) {
	v := status.Verdict{
		Ready: metav1.ConditionFalse, Work: status.WorkProgressing,
		Note: status.Note{Reason: reasonWaitingForBase, Message: "what it shares with other sessions is being made"},
	}
	if !a.begun.IsZero() && a.step != nil && time.Since(a.begun) > slow {
		v.WorkMessage = takes(*a.step, a.begun)
	}
	if a.err != nil {
		v.Work, v.Note = status.WorkRetrying, status.Explain(a.err)
		if status.NeedsPerson(a.err) {
			v.Stalled = &v.Note
		}
		p.report.event(status.EventWarning, v.Note.Reason, v.Note.Message)
	}
	p.queue.succeeded(p.key)
	if p.next > 0 {
		p.queue.after(p.key, p.next)
	}
	p.tell(v, a.retry)
	if a.step != nil {
		p.tellStep(p.name, a.step)
	}
}
