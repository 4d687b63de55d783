package controller

import (
	"context"
	"path/filepath"
	"slices"

	"coppice.dev/manifests"
	"coppice.dev/reconcile/compile"
	"coppice.dev/reconcile/fault"
	"coppice.dev/reconcile/object"
	"coppice.dev/reconcile/plan"
	"coppice.dev/spec"
	"coppice.dev/status"
)

// session tells what would become of one session. It takes the same decisions as a
// pass over it, in the same order, and leaves out what a pass does about them.
func (o *outlook) session(ctx context.Context, name string) Forecast {
	f := Forecast{Session: name, Outcome: Unchanged}
	done, err := o.turn(ctx, sessionKey(name))
	if err != nil {
		f.unknown("%v", err)
		return f
	}
	defer done()
	p := o.pass(ctx, name)
	suspended, err := p.suspension()
	if o.deleted[name] {
		suspended, err = "", nil // which goes all the same
	}
	if err != nil {
		f.unknown("it cannot be seen whether it is suspended: %v", err)
		return f
	}
	f.Left, p.paused = suspended, suspended
	switch of := (manifests.Key{Kind: spec.KindSession, Name: name}); {
	case p.memory == unseen:
		f.unknown("its home could not be looked at: %s", p.world.Blind[object.KindHome])
	case !p.named && !p.set.MayHold(of):
		o.goes(&f, &p)
	case p.memory == remembered:
		o.stays(ctx, &f, &p)
	default:
		o.begins(ctx, &f, &p, p.world)
	}
	f.conclude(&p)
	return f
}

// conclude says what the plans come to. What cannot be seen may change them, and what
// people use is not taken from under them.
func (f *Forecast) conclude(p *pass) {
	steps := 0
	for _, plan := range f.Plans {
		steps += len(plan.Steps)
		if err := heldFault(plan.Held); err != nil && f.Problem == "" {
			f.unknown("%s", status.Explain(err).Message)
		}
		if slices.ContainsFunc(plan.Held, inUse) {
			f.Waits = "those inside: " + fault.Holders(p.inside())
			steps++
		}
	}
	if err := notAllSeen(p.world); err != nil && f.Outcome == Deleted {
		f.unknown("%s", status.Explain(err).Message)
	}
	if f.Outcome == Unchanged && steps > 0 {
		f.Outcome = Changed
	}
}

// pass looks at a session as a pass does, of which nothing is to be told.
func (o *outlook) pass(ctx context.Context, name string) pass {
	p := pass{Controller: o.Controller, name: name, key: sessionKey(name), owner: object.SessionOwner(name), set: o.set, refs: o.refs}
	p.entry, p.named = o.set.Entries.Get(manifests.Key{Kind: spec.KindSession, Name: name})
	if p.report = o.reports.find(p.key); p.report == nil {
		p.report = &report{} // it says nothing, and is forgotten
	}
	p.world = o.kernel.Observe(ctx, p.owner, nil)
	p.recall()
	p.forced = p.isForced(name)
	return p
}

// goes tells of a session that nobody wants.
func (o *outlook) goes(f *Forecast, p *pass) {
	if p.world.Empty() {
		return
	}
	f.Outcome, f.Why = Deleted, "no manifest asks for it"
	if o.deleted[p.name] {
		f.Why = ""
	} else if f.Left == "" && p.isHeldBack() {
		f.Left = "its manifest went together with too many others; coppice prune --confirm lets it go"
	}
	o.down(f, p, nil, plan.Make(nil, p.world, plan.Policy{Replace: true}))
}

// down tells how a session is taken down.
func (o *outlook) down(f *Forecast, p *pass, heeding []plan.Step, down plan.Plan) {
	if inside := p.inside(); len(inside) > 0 && p.waits() {
		f.Waits = "those inside: " + fault.Holders(inside)
	}
	down.Steps = append(heeding, down.Steps...)
	f.plan(p.owner, "", down)
	if f.Left == "" {
		o.needs[p.name] = compile.Result{}
	}
}

// isHeldBack reports whether a session whose manifest is gone is kept for that.
func (p *pass) isHeldBack() bool {
	if p.memory == nothing || p.memory == remembered && p.record.Session.Ephemeral {
		return false
	}
	wish, wished := p.Wishes.Wished(p.name)
	return (!wished || wish.UID != "" && wish.UID != p.record.UID) && p.guard.keeps(p.name)
}

// stays tells of a session that was admitted and that is wanted.
func (o *outlook) stays(ctx context.Context, f *Forecast, p *pass) {
	p.placed()
	session, good := p.entry.Object.(*spec.Session)
	if good {
		f.Fields = p.adopt(session)
	}
	if p.paused != "" {
		o.made(ctx, f, p, p.world)
		return
	}
	switch course, why := p.course(f.Fields); course {
	case goesOn:
		o.made(ctx, f, p, p.world)
	case runsOut:
		o.expires(f, p)
	case beginsAnew:
		f.Outcome, f.Why = Recreated, why
		o.down(f, p, p.heeding(), plan.Make(nil, p.world, plan.Policy{Replace: true}))
		world := p.world
		world.Objects = nil // they are gone by then
		p.memory = nothing
		o.begins(ctx, f, p, world)
	}
}

// expires tells of a session whose time is over. What Coppice itself asked for goes
// altogether.
func (o *outlook) expires(f *Forecast, p *pass) {
	was := p.record.Expired
	p.record.Expired = true
	result, err := compile.Session(p.layout, p.record)
	if err != nil {
		f.problem(status.Explain(err).Message)
		return
	}
	f.Outcome, f.Why = Expired, p.expiry()
	left := result.Objects
	if own := filepath.Join(p.layout.Manifests(), manifests.FileName(p.entry.Key)); p.entry.Ephemeral && (p.entry.Place.Manifest == own || p.entry.Place.Manifest == "") {
		f.Outcome, left = Deleted, nil
	} else if was {
		f.Outcome = Unchanged
	}
	o.down(f, p, p.heeding(), plan.Make(left, p.world, plan.Policy{Replace: true}))
}

// begins tells of a session that is to be admitted, in that world.
func (o *outlook) begins(ctx context.Context, f *Forecast, p *pass, world object.World) {
	session, good := p.entry.Object.(*spec.Session)
	if !good {
		f.unknown("%s", unavailable(p.set, p.entry))
		return
	}
	admitted, err := spec.Admit(session, o.refs, p.entry.Ephemeral)
	if err != nil {
		f.problem(err.Error())
		return
	}
	p.admit(session, admitted)
	if err := p.examine(ctx, admitted); err != nil {
		f.problem(status.Explain(err).Message)
		return
	}
	p.begun = true
	if f.Outcome == Unchanged {
		f.Outcome = Created
	}
	o.made(ctx, f, p, world)
}

// made tells how a session is made what its record says, out of a world, and what it
// shares with others before that.
func (o *outlook) made(ctx context.Context, f *Forecast, p *pass, world object.World) {
	if p.paused == "" {
		p.saveLater()
	}
	result, err := compile.Session(o.layout, p.record)
	if err != nil {
		f.problem(status.Explain(err).Message)
		return
	}
	if p.memory == forgotten && p.otherwise(result) {
		f.problem("its record cannot be read, and its root was not made from what its manifests say now")
		return
	}
	if p.memory == nothing && p.paused == "" {
		if refusal := o.line.supposed(p.name, o.claims.needs(result)); refusal.Refused() {
			f.problem(refusal.Message)
			return
		}
	}
	if p.memory != remembered {
		if why := o.refused(p.name, result); why != "" {
			f.problem(why)
			return
		}
	}
	if only, err := p.onlyTells(); err == nil && only && f.Left == "" {
		f.Left = "driftPolicy: Report; coppice reconcile " + p.name + " repairs it"
	}
	if p.paused == "" {
		o.needs[p.name] = result
		for _, base := range result.Bases {
			o.shares(ctx, f, base)
		}
	}
	own := plan.Make(result.Objects, world, plan.Policy{})
	if len(own.Steps) > 0 && len(world.Objects) > 0 { // what it did not know to look for
		own = plan.Make(result.Objects, o.kernel.Observe(ctx, p.owner, result.Objects), plan.Policy{})
	}
	if f.Left == "" {
		own.Steps = append(own.Steps, p.settling(own.Held)...)
	}
	f.plan(p.owner, "", own)
}

// settling returns the step by which it is remembered that the session is as wanted, if
// that matters.
func (p *pass) settling(held []plan.Held) []plan.Step {
	changed, err := p.settle(held)
	if err != nil || !changed {
		return nil
	}
	return []plan.Step{{
		Op: plan.Amend, ID: object.ID{Owner: p.owner, Address: object.At(object.GroupHome, "home")},
		Object: object.Object{Spec: object.Home{}}, Reason: "from now on what differs is drift, of which it remembers that it is only told of",
	}}
}
