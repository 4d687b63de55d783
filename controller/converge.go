package controller

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"coppice.dev/reconcile"
	"coppice.dev/reconcile/compile"
	"coppice.dev/reconcile/fault"
	"coppice.dev/reconcile/object"
	"coppice.dev/reconcile/plan"
	"coppice.dev/status"
)

// converge makes the session's own objects, and tells what came of it.
func (p *pass) converge(ctx context.Context, result compile.Result, bases answer) {
	_, p.stood = p.world.Find(object.At(object.GroupRoot, "namespace"))
	p.was = p.report.usable()
	if left, err := p.leaves(result, bases); err != nil {
		p.looked(false)
		p.fail(err)
		return
	} else if left {
		return
	}
	if p.begun {
		p.report.event(status.EventNormal, reasonAdmitted, p.admission())
		p.observer.Happened(Incident{What: Admitted, Of: string(classSession)})
		p.notReady(status.Note{Reason: reasonProvisioning, Message: "it is being made"})
	}
	begun := time.Now()
	out, err := p.reach(ctx, result.Objects, plan.Policy{})
	if ctx.Err() != nil {
		return // it goes on with the next start
	}
	p.looked(p.certain(result.Objects, out.Held, err))
	if err == nil {
		p.happened(out.Taken, time.Since(begun))
		err = heldFault(out.Held)
	}
	if err == nil {
		err = p.remember(ctx, out.Held)
	}
	if err != nil {
		p.fail(err)
		return
	}
	p.heeded(p.name, p.forced)
	p.report.stumbles("")
	p.finish(p.verdict(out, len(result.Objects)+len(bases.objects), bases))
}

// remember has the home remember that the session is as wanted, where that matters.
func (p *pass) remember(ctx context.Context, held []plan.Held) error {
	changed, err := p.settle(held)
	if err != nil || !changed {
		return err
	}
	result, err := compile.Session(p.layout, p.record)
	if err != nil {
		return err
	}
	_, err = p.reach(ctx, result.Objects, plan.Policy{})
	return err
}

// certain reports whether the session is known to stand on nothing but what its
// record says. What fails on top of its root, such as a hook, changes nothing
// about that; others need not wait for it.
func (p *pass) certain(desired []object.Object, held []plan.Held, err error) bool {
	if err == nil {
		return !doubtful(held)
	}
	if !p.stands() && !slices.ContainsFunc(p.world.Objects, func(o object.Observed) bool { return o.Kind == object.KindProcesses }) {
		return true
	}
	left := plan.Make(desired, p.world, plan.Policy{})
	below := func(s plan.Step) bool { return s.ID.Address.Group() <= object.GroupRoot }
	return !slices.ContainsFunc(left.Steps, below) && !doubtful(left.Held)
}

// reach converges the session's objects and takes over what was seen last.
func (p *pass) reach(ctx context.Context, desired []object.Object, policy plan.Policy) (reconcile.Outcome, error) {
	// The first look often finds that there is nothing to do. What it did not
	// know to look for would show as a step.
	if first := plan.Make(desired, p.world, policy); len(first.Steps) == 0 {
		return reconcile.Outcome{World: p.world, Held: first.Held}, nil
	}
	if !p.fresh || len(desired) > 0 { // which show the kernel what to look for
		p.world = p.kernel.Observe(ctx, p.owner, desired)
	}
	p.fresh = false
	out, err := reconcile.ConvergeFrom(ctx, p.kernel, p.world, desired, policy, reconcile.Trace{
		Begin: p.stepBegins, End: p.stepEnds,
	})
	p.world = out.World
	if err != nil && ctx.Err() == nil {
		p.world = p.kernel.Observe(ctx, p.owner, desired)
	}
	return out, err
}

// stepBegins tells of a step. What cannot be used while it runs is not ready
// before it begins.
func (p *pass) stepBegins(s plan.Step) {
	p.report.begin(string(s.Op), string(s.ID.Address))
	step := &status.Step{Operation: string(s.Op), Address: string(s.ID.Address), Since: metav1.Now()}
	switch {
	case p.report.stumbled(string(s.ID.Address)):
		// It is tried again: why it failed stays to be seen until it is known to be
		// over. Whoever looks now and then would else hardly ever see it.
		p.unready = true
	case s.Op != plan.Amend && !p.unready:
		p.notReady(status.Note{Reason: reasonRepairing, Message: fmt.Sprintf("%s: %s", s.ID.Address, s.Reason)})
	}
	p.report.mention(telling, func(f *status.File) { f.Status.Step = step })
}

// notReady tells that the session cannot be used from now on, before that
// becomes true. One that could not be used anyway may be told of a little later.
func (p *pass) notReady(note status.Note) {
	p.unready = true
	now := p.report.now().Status
	if now.Phase == status.Terminating {
		return
	}
	pause := telling
	if ready := now.Condition(status.ConditionReady); ready != nil && ready.Status != metav1.ConditionFalse {
		pause = 0
	} else if ready != nil {
		note.Reason = reasonProvisioning
	}
	p.report.mention(pause, func(f *status.File) {
		status.Progress(&f.Status, f.Metadata.Generation, time.Now(), false, note)
	})
}

func (p *pass) stepEnds(s plan.Step, err error) {
	if err != nil {
		p.report.stumbles(string(s.ID.Address))
	} else {
		p.mends(s)
	}
	p.report.log.V(1).Info("Step", "operation", s.Op, "address", s.ID.Address, "why", s.Reason, "failed", err != nil)
	p.report.begin("Observe", "")
}

// happened tells what the steps were for.
func (p *pass) happened(taken []plan.Step, took time.Duration) {
	if len(taken) == 0 {
		return
	}
	reason := reasonRepaired
	switch amendsHome := func(s plan.Step) bool { return s.Op == plan.Amend && s.Kind() == object.KindHome }; {
	case p.begun || !p.stood:
		p.report.event(status.EventNormal, reasonCreated, fmt.Sprintf("%s in %s", count(creations(taken)), took.Round(time.Millisecond)))
		return
	case slices.ContainsFunc(taken, amendsHome):
		reason = reasonChanged
	}
	const most = 5
	told := map[object.Address]bool{}
	for _, s := range taken {
		if s.Kind() == object.KindHome || told[s.ID.Address] {
			continue
		}
		if tree, is := s.Object.Spec.(object.Tree); is && s.Op == plan.Amend {
			p.report.event(status.EventNormal, reasonSaved, "what was written is in "+tree.Archive)
			continue
		}
		told[s.ID.Address] = true
		if len(told) > most {
			p.report.event(status.EventNormal, reason, fmt.Sprintf("and %d more steps", len(taken)-most))
			return
		}
		p.report.event(status.EventNormal, reason, fmt.Sprintf("%s: %s", s.ID.Address, s.Reason))
	}
}

// creations counts the objects that steps made.
func creations(taken []plan.Step) int {
	n := 0
	for _, s := range taken {
		if s.Op == plan.Create {
			n += 1 + len(s.Contents)
		}
	}
	return n
}

func (p *pass) admission() string {
	message := "from chroot " + p.record.Session.ChrootName
	if p.record.Session.ChrootName == "" {
		message = "from a chroot of its own"
	}
	if p.record.Session.Session.OpenSource {
		message += ", whose source it has open for writing,"
	}
	if p.record.Session.ProfileName != "" {
		message += " with profile " + p.record.Session.ProfileName
	}
	return message
}

// doubtful reports whether the session may stand on something else than its
// record says.
func doubtful(held []plan.Held) bool {
	return slices.ContainsFunc(held, func(h plan.Held) bool { return h.ID.Address.Group() <= object.GroupRoot })
}

// heldFault returns what could not be done because it could not be seen.
func heldFault(held []plan.Held) error {
	for _, h := range held {
		if h.Cause == plan.CauseBlind {
			return &fault.Fault{Reason: fault.Blind, Doing: fmt.Sprintf("%s %s: %s", h.Op, h.ID.Address, h.Reason), Hint: "it is left as it is, and tried again"}
		}
	}
	return nil
}

// verdict says how the session is, after a pass that did not fail.
func (p *pass) verdict(out reconcile.Outcome, objects int, bases answer) status.Verdict {
	v := status.Verdict{
		Ready: metav1.ConditionTrue,
		Note:  status.Note{Reason: reasonConverged, Message: count(objects)},
	}
	if p.begun {
		p.drift = current
	}
	if p.doubt != "" {
		v.Work, v.WorkMessage = status.WorkWaiting, p.doubt
		p.report.remind(reasonOverdue, p.doubt)
	}
	if p.unsaved != "" {
		v.Work, v.WorkMessage = status.WorkWaiting, p.unsaved
	}
	if bases.err != nil {
		v.Work, v.WorkMessage = status.WorkRetrying, "it can be used, but what it shares with others: "+status.Explain(bases.err).Message
	}
	for _, o := range out.World.Objects {
		if o.Failing != "" && o.Damage == "" {
			v.Stalled = &status.Note{Reason: cmp.Or(o.FailingReason, string(fault.DiskFailing)), Message: o.Failing}
		}
	}
	if v.Stalled != nil && !p.report.stalledBy(v.Stalled.Reason) {
		p.report.event(status.EventWarning, v.Stalled.Reason, v.Stalled.Message)
	}
	for _, o := range p.claims.objects(p.name) {
		if o.Problem != "" && bases.err == nil {
			v.Stalled = &status.Note{Reason: string(fault.DiskFailing), Message: o.Problem}
		}
	}
	for _, h := range out.Held {
		switch h.Cause {
		case plan.CausePolicy:
			p.drift = drift{metav1.ConditionFalse, status.Note{
				Reason:  reasonRecreateRequired,
				Message: fmt.Sprintf("%s: %s; delete the session and apply it again", h.ID.Address, h.Reason),
			}}
		case plan.CauseInUse:
			v.Ready = metav1.ConditionFalse
			v.Note = status.Note{Reason: reasonInUse, Message: fmt.Sprintf("%s has to be made anew: %s", h.ID.Address, h.Reason)}
			v.Work = status.WorkRepairing
			p.comeBack(forThoseInside)
		case plan.CauseBlind: // is a failure
		}
	}
	return v
}
