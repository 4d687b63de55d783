package controller

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"coppice.dev/reconcile/compile"
	"coppice.dev/reconcile/fault"
	"coppice.dev/reconcile/object"
	"coppice.dev/reconcile/plan"
	"coppice.dev/spec"
	"coppice.dev/status"
)

// forThoseInside is how often it is looked whether those inside have left.
const forThoseInside = 2 * time.Second

// whyOrphan is said of a session that nobody asked for, as far as is known.
const whyOrphan = "no manifest names it"

// sweep takes down a session that nobody wants.
func (p *pass) sweep(ctx context.Context) {
	p.leaving = true
	why := cmp.Or(p.why, "its manifest was removed")
	orphan := p.why == "" && p.report.now().Status.Source == nil
	if orphan {
		why = whyOrphan
	}
	if !p.unmake(ctx, nil, reasonTerminating, why) {
		return
	}
	if orphan {
		p.report.event(status.EventNormal, reasonSwept, why)
		p.observer.Happened(Incident{What: Swept, Of: string(classSession)})
	}
	if !p.record.Expired { // else that was told
		p.observer.Happened(Incident{What: Ended, Of: string(classSession), Reason: p.ending(orphan)})
	}
	if p.queue.once { // who runs for long would gather them without end
		p.mu.Lock()
		p.ended[p.name] = why
		p.mu.Unlock()
	}
	p.report.event(status.EventNormal, reasonTerminating, "nothing is left of it")
	p.gone()
}

// recreate takes down a session that is then admitted anew.
func (p *pass) recreate(ctx context.Context, why string) {
	if err := p.heed(ctx); err != nil {
		p.failEnding(err)
		return
	}
	if !p.unmake(ctx, nil, reasonRecreating, why) {
		return
	}
	if !p.record.Expired {
		p.observer.Happened(Incident{What: Ended, Of: string(classSession), Reason: EndedRecreated})
	}
	p.handOn(p.claims.release(p.name))
	p.looked(true)
	p.queue.succeeded(p.key)
	p.queue.add(p.key)
}

// heed has those inside ended as the manifest says now. What ends them asks the
// home, which only remembers what it said when the session was last made.
func (p *pass) heed(ctx context.Context) error {
	for _, step := range p.heeding() {
		p.fresh = false
		if err := p.kernel.Do(ctx, step); err != nil {
			return err
		}
	}
	return nil
}

// heeding returns the steps for that.
func (p *pass) heeding() (steps []plan.Step) {
	home, there := p.world.Home()
	if !there || p.memory != remembered {
		return nil
	}
	at := slices.IndexFunc(home.Objects, func(o object.Object) bool { return o.Kind() == object.KindProcesses })
	ending := compile.Ending(p.record)
	if at < 0 || home.Objects[at].Spec == object.Spec(ending) {
		return nil
	}
	home.Objects = slices.Clone(home.Objects)
	home.Objects[at].Spec = ending
	for _, o := range []object.Object{{ID: object.ID{Owner: p.owner, Address: object.At(object.GroupHome, "home")}, Spec: home}, home.Objects[at]} {
		if seen, there := p.world.Find(o.Address); there {
			steps = append(steps, plan.Step{Op: plan.Amend, ID: o.ID, Object: o, Seen: seen, Reason: "its manifest says something else about its end"})
		}
	}
	return steps
}

// expire takes down all of a session but its home, which remembers that it had
// its time.
func (p *pass) expire(ctx context.Context) {
	p.drift = drift{}
	was := p.record.Expired
	p.record.Expired = true
	result, err := compile.Session(p.layout, p.record)
	if err != nil {
		p.fail(err)
		return
	}
	if err := p.heed(ctx); err != nil {
		p.failEnding(err)
		return
	}
	why := p.expiry()
	if !p.unmake(ctx, result.Objects, status.ReasonExpired, why) {
		return
	}
	p.handOn(p.claims.release(p.name))
	p.letIn(p.line.leaves(p.name))
	p.looked(true)
	if !was {
		p.report.event(status.EventNormal, status.ReasonExpired, why)
		p.observer.Happened(Incident{What: Ended, Of: string(classSession), Reason: p.lapse()})
	}
	p.next = 0
	note := status.Note{
		Reason: status.ReasonExpired, Message: why + "; delete its manifest, or give it more time there (ttl, idleTimeout) to begin anew",
	}
	// Nothing more happens by itself, so whoever waits for it need not.
	p.finish(status.Verdict{Ready: metav1.ConditionFalse, Note: note, Stalled: &note})
}

// unmake converges the session to nothing, or to its home alone, and reports
// whether that is done. Those inside are waited for if they are to be.
func (p *pass) unmake(ctx context.Context, left []object.Object, reason, why string) bool {
	p.holdOn()
	if inside := p.inside(); len(inside) > 0 && p.waits() {
		p.looked(p.memory == remembered || !p.stands())
		p.stillInside(reason, why, inside)
		return false
	}
	if len(plan.Make(left, p.world, plan.Policy{Replace: true}).Steps) > 0 {
		p.terminating(reason, why)
	}
	out, err := p.reach(ctx, left, plan.Policy{Replace: true})
	if ctx.Err() != nil {
		return false
	}
	if err == nil {
		err = heldFault(out.Held)
	}
	if err == nil && left == nil {
		err = notAllSeen(p.world)
	}
	if err == nil {
		return true
	}
	// What it claims is what it may still stand on.
	p.looked(p.memory == remembered || !p.stands())
	if inside := p.inside(); fault.ReasonOf(err) == fault.Busy && len(inside) > 0 && p.waits() {
		p.stillInside(reason, why, inside)
		return false
	}
	p.failEnding(err)
	return false
}

// notAllSeen fails if something may be left that could not be looked at.
func notAllSeen(world object.World) error {
	if len(world.Blind) == 0 {
		return nil
	}
	var why []string
	for _, kind := range slices.Sorted(maps.Keys(world.Blind)) {
		why = append(why, fmt.Sprintf("%s: %s", kind, world.Blind[kind]))
	}
	return &fault.Fault{
		Reason: fault.Blind, Doing: fmt.Sprintf("look what is left of %s: %s", world.Owner, strings.Join(why, "; ")),
		Hint: "it is tried again",
	}
}

// holdOn claims what the session stands on as long as anything of it is left.
func (p *pass) holdOn() {
	if p.memory != remembered {
		return
	}
	record := p.record
	record.Expired = false // what there was before may not be all gone
	if result, err := compile.Session(p.layout, record); err == nil {
		if p.claims.claim(p.name, result, true).freed {
			p.freed()
		}
	}
}

// inside returns the processes inside.
func (p *pass) inside() []object.Process {
	for _, o := range p.world.Objects {
		if o.Kind == object.KindProcesses {
			return o.Users
		}
	}
	return nil
}

// waits reports whether those inside are to be waited for.
func (p *pass) waits() bool {
	if p.memory == remembered {
		return p.record.Session.Session.DeletionPolicy == spec.DeletionWait
	}
	for _, o := range p.world.Objects {
		if processes, is := o.Spec.(object.Processes); is {
			return processes.Wait
		}
	}
	return false
}

// stillInside tells who is waited for.
func (p *pass) stillInside(reason, why string, inside []object.Process) {
	if ready := p.report.now().Status.Condition(status.ConditionReady); ready == nil || ready.Reason != reason {
		p.report.event(status.EventNormal, reason, why+"; it waits for those inside: "+fault.Holders(inside))
	}
	p.blockers, p.advice = inside, "wait for them, or end them"
	p.next = 0
	p.comeBack(forThoseInside)
	p.finish(status.Verdict{
		Ready: metav1.ConditionFalse, Work: status.WorkTerminating,
		Note: status.Note{Reason: reason, Message: fmt.Sprintf("%s; it goes when those inside have left: %s", why, fault.Holders(inside))},
	})
}

// terminating tells, before anything goes, that the session goes.
func (p *pass) terminating(reason, why string) {
	if s := p.report.now().Status; s.Phase == status.Terminating && s.NextRetry != nil {
		return // who was in the way stays to be seen until it is known that nobody is
	}
	if ready := p.report.now().Status.Condition(status.ConditionReady); ready == nil || ready.Reason != reason {
		p.report.event(status.EventNormal, reason, why)
	}
	p.report.tell(func(f *status.File) {
		p.stamp(f)
		status.Judge(&f.Status, f.Metadata.Generation, time.Now(), status.Verdict{
			Ready: metav1.ConditionFalse, Work: status.WorkTerminating, Note: status.Note{Reason: reason, Message: why},
		})
	})
}

// failEnding tells that a session could not be taken down, and that it is tried
// again.
func (p *pass) failEnding(err error) {
	note := status.Explain(err)
	p.blame(err)
	p.report.event(status.EventWarning, note.Reason, note.Message)
	pause := p.queue.failedWith(p.key, err)
	p.tell(status.Verdict{
		Ready: metav1.ConditionFalse, Work: status.WorkTerminating, Note: note,
	}, time.Now().Add(pause))
}
