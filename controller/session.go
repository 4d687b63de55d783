package controller

import (
	"cmp"
	"context"
	"errors"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"coppice.dev/manifests"
	"coppice.dev/reconcile/compile"
	"coppice.dev/reconcile/fault"
	"coppice.dev/reconcile/object"
	"coppice.dev/spec"
	"coppice.dev/status"
)

// pass is one look at one session.
type pass struct {
	*Controller
	name   string
	key    key
	owner  object.Owner
	report *report

	set   manifests.Set
	refs  spec.References
	entry manifests.Entry // what its manifest says; without a name if there is none
	named bool            // some manifest names it

	world  object.World
	memory memory
	// fresh says that nothing was done since the world was looked at.
	fresh  bool
	record compile.Record
	// begun is set when the session is admitted in this pass.
	begun bool
	// stood is set if its root was there before it was converged, and was if it could be
	// used then, as far as was told.
	stood, was bool
	// changing is set when its home is changed: what is done then was asked for.
	changing bool
	// mended are the objects that were put right, which others had broken.
	mended map[object.Address]bool
	// leaving is set when it is taken down for good.
	leaving bool
	// unready is set when a step was begun during which it cannot be used.
	unready bool
	// blockers are those in the way, and advice is what to do about it.
	blockers []object.Process
	advice   string
	// unsaved says why what was written is not saved yet.
	unsaved string
	// held says why it is kept although its manifest is gone.
	held string
	// drift says whether the session runs what its manifests say.
	drift drift
	// why says why an ephemeral session has had its time.
	why string
	// idle is since when nobody was inside of one with a limit on that; zero if
	// somebody is.
	idle time.Time
	// doubt says why its time to live may not be over, though the clock says so.
	doubt string
	// paused says why it is left as it is; "" if it is not.
	paused string
	// forced is the number of the request that drift be repaired; 0 if there is none.
	forced int
	// next is when the session is to be looked at again; zero for no time.
	next time.Duration
}

// drift is what the condition UpToDate says.
type drift struct {
	status metav1.ConditionStatus
	note   status.Note
}

// memory is what the world says about a session's admission.
type memory int

const (
	// nothing: it was never admitted.
	nothing memory = iota
	// forgotten: it was, and its record cannot be read.
	forgotten
	// unseen: its home could not be looked at.
	unseen
	// remembered: the record is there.
	remembered
)

// session takes one pass over a session.
func (c *Controller) session(ctx context.Context, name string) {
	p := pass{Controller: c, name: name, key: sessionKey(name), owner: object.SessionOwner(name)}
	p.set, p.refs = c.manifestsNow()
	of := manifests.Key{Kind: spec.KindSession, Name: name}
	p.entry, p.named = p.set.Entries.Get(of)
	if p.named || c.reports.known(p.key) {
		p.report = c.reports.of(p.key)
		p.report.see(p.entry)
		p.report.begin("Observe", "")
		defer func() { p.report.end() }()
	}
	p.world, p.fresh = c.kernel.Observe(ctx, p.owner, nil), true
	if ctx.Err() != nil {
		return // a cancelled look says nothing
	}
	p.recall()
	if p.memory == forgotten || p.memory == remembered && !p.record.Expired {
		p.line.holds(p.name)
	}
	if p.memory == unseen || p.memory == forgotten {
		p.suspect()
	}
	switch why, err := p.suspension(); {
	case err != nil:
		p.unknownWhether(err)
		return
	case why != "":
		p.suspended(ctx, why)
		return
	case p.report != nil:
		p.report.resumes()
	}
	p.forced = p.isForced(name)
	withdrawn, err := p.withdraw()
	if err != nil {
		p.looked(false)
		p.fail(err)
		return
	}
	unwanted := withdrawn || !p.named && !p.set.MayHold(of)
	if unwanted && p.world.Empty() {
		p.gone()
		return
	}
	p.report = c.reports.of(p.key) // it has earned a status by now
	if !unwanted && !p.entry.Ephemeral && !p.record.Session.Ephemeral {
		p.guard.saw(p.name, cmp.Or(p.entry.Folder, p.record.Folder), false)
	}
	switch {
	case p.memory == unseen:
		p.looked(false)
		p.blind(p.world.Blind[object.KindHome])
	case unwanted:
		if p.lets(ctx) {
			p.sweep(ctx)
		}
	case p.entry.Object == nil && p.memory != remembered:
		p.looked(!p.stands())
		p.undefined()
	case p.memory == remembered:
		p.keep(ctx)
	default:
		p.begin(ctx)
	}
}

// recall reads what the home remembers.
func (p *pass) recall() {
	if home, there := p.world.Home(); there {
		record, err := compile.Decode(home.Admitted)
		if err == nil && record.Session.Name == p.name {
			p.memory, p.record = remembered, record
			return
		}
	}
	switch _, there := p.world.Find(object.At(object.GroupHome, "home")); {
	case there:
		p.memory = forgotten
	case p.world.Blind[object.KindHome] != "":
		p.memory = unseen
	}
}

// stands reports whether there is anything that may stand on a base.
func (p *pass) stands() bool {
	for _, o := range p.world.Objects {
		if o.Kind == object.KindNamespace || o.Kind == object.KindView {
			return true
		}
	}
	return p.world.Blind[object.KindNamespace] != "" || p.world.Blind[object.KindView] != ""
}

// looked says that the session was looked at; sure that all it stands on is
// what it claims.
func (p *pass) looked(sure bool) {
	if p.claims.looked(p.name, sure) {
		p.freed()
	}
}

// gone forgets a session of which nothing is left and that nobody wants.
func (p *pass) gone() {
	bases, refused := p.claims.release(p.name)
	p.handOn(bases, refused)
	if p.claims.forget(p.name) {
		p.freed()
	}
	p.letIn(p.line.leaves(p.name))
	p.guard.forget(p.name)
	p.forgetWish()
	p.unasked(p.name)
	if err := p.Suspensions.Resume(p.name); err != nil {
		p.Log.Error(err, "A suspension could not be forgotten", "session", p.name)
	}
	p.names()
	if p.reports.known(p.key) {
		p.forget(p.key)
	} else {
		p.mu.Lock()
		p.untend(p.key)
		p.mu.Unlock()
	}
	p.queue.succeeded(p.key)
}

// handOn looks at the bases that a session gave back, and at those who may have
// waited for them.
func (p *pass) handOn(bases, refused []string) {
	for _, b := range bases {
		if !p.claims.wanted(b) {
			p.passes.interrupt(baseKey(b))
		}
		p.queue.renew(baseKey(b))
	}
	for _, s := range refused {
		p.queue.renew(sessionKey(s))
	}
	p.tellChroot()
}

// names says which chroots and profiles the session has to do with.
func (p *pass) names(keys ...key) {
	for _, k := range p.links.set(p.name, keys...) {
		if k != anyChroot && k != anyProfile {
			p.queue.soon(p.links.count(k), k)
		}
	}
}

// undefined tells that nobody knows what the session is to be: there is no
// good manifest, and there never was one that it was admitted with.
func (p *pass) undefined() {
	if len(p.entry.Problems) > 0 {
		note := invalid(p.entry)
		p.finish(status.Verdict{Ready: metav1.ConditionFalse, Note: note, Stalled: &note})
		return
	}
	p.finish(status.Verdict{
		Ready: metav1.ConditionUnknown, Work: status.WorkWaiting,
		Note: status.Note{Reason: reasonManifestUnknown, Message: unavailable(p.set, p.entry)},
	})
}

// blind tells that the home could not be looked at. Nothing is done then.
func (p *pass) blind(why string) {
	p.fail(&fault.Fault{
		Reason: fault.Blind, Doing: "look at the home of session " + p.name + ": " + why,
		Hint: "nothing is done before that works",
	})
}

// finish tells how the pass ended, which did not fail.
func (p *pass) finish(v status.Verdict) {
	p.queue.succeeded(p.key)
	if p.next > 0 {
		p.queue.after(p.key, p.next)
	}
	p.tell(v, time.Time{})
}

// fail tells that the pass failed, and that it is tried again.
func (p *pass) fail(err error) {
	note := status.Explain(err)
	p.blame(err)
	v := status.Verdict{Ready: metav1.ConditionFalse, Note: note, Work: status.WorkRetrying}
	was := p.report.now().Status.Condition(status.ConditionReady)
	switch {
	case fault.ReasonOf(err) == fault.Blind:
		v.Ready = metav1.ConditionUnknown
	case !p.unready && was != nil && was.Status == metav1.ConditionTrue:
		// What failed did not touch what is used.
		v.Ready, v.Note = metav1.ConditionTrue, status.Note{Reason: was.Reason, Message: was.Message}
		v.WorkMessage = note.Message
	}
	if status.NeedsPerson(err) {
		v.Stalled = &note
	}
	p.report.event(status.EventWarning, note.Reason, note.Message)
	p.makeRoom(err)
	pause := p.queue.failedWith(p.key, err)
	if p.next > 0 {
		p.queue.after(p.key, p.next)
	}
	p.tell(v, time.Now().Add(pause))
}

// blame notes who is in the way, and what to do about it.
func (p *pass) blame(err error) {
	if f, is := errors.AsType[*fault.Fault](fault.Known(err)); is {
		p.blockers, p.advice = f.Holders, f.Hint
	}
}

// tell writes a verdict and all else that is known of the session.
func (p *pass) tell(v status.Verdict, retry time.Time) {
	p.report.end()
	if v.Ready == metav1.ConditionTrue {
		if took, first := p.report.first(); first {
			p.observer.Happened(Incident{What: Begun, Of: string(classSession), Took: took})
		}
	}
	v.UpToDate, v.UpToDateNote = p.drift.status, p.drift.note
	if p.paused != "" && v.Suspended == nil {
		v.Suspended = &status.Note{Reason: status.ReasonSuspended, Message: p.advised()}
	}
	if len(p.entry.Problems) > 0 {
		note := invalid(p.entry)
		v.Stalled = &note
	}
	p.report.tell(func(f *status.File) {
		s := &f.Status
		p.describe(s)
		s.Step, s.NextRetry = nil, nil
		if !retry.IsZero() {
			at := metav1.NewTime(retry)
			s.NextRetry = &at
		}
		if _, there := p.world.Home(); there && (p.memory == remembered || p.begun) {
			f.Metadata.UID = p.record.UID
		}
		p.stamp(f)
		status.Judge(s, f.Metadata.Generation, time.Now(), v)
	})
}

// stamp says since when the session is being taken down for good, if it is.
func (p *pass) stamp(f *status.File) {
	switch {
	case !p.leaving:
		f.Metadata.DeletionTimestamp = nil
	case f.Metadata.DeletionTimestamp == nil:
		now := metav1.Now()
		f.Metadata.DeletionTimestamp = &now
	}
}

// count says how many objects a session has, in words.
func count(n int) string { return many(n, "object") }
