package controller

import (
	"context"
	"maps"
	"slices"

	"coppice.dev/manifests"
	"coppice.dev/reconcile/compile"
	"coppice.dev/reconcile/object"
	"coppice.dev/reconcile/plan"
	"coppice.dev/spec"
)

// Forecast is what would be done about one session.
type Forecast struct {
	Session string
	// Problem says why it cannot be told, or why nothing would be done.
	Problem string
	// Gone is set if the session would be taken down, since nobody wants it, and Anew
	// if it would be made anew, since it cannot take what has changed in Fields.
	Gone, Anew bool
	// Left is set if the steps would not be taken: it is suspended, or only told of.
	Left string
	// Fields are those a running session cannot take; they wait for it to be deleted.
	Fields []string
	// Plans are what would be done to the session's own objects, and to those that it
	// shares with others, which come first.
	Plans []OwnedPlan
}

// OwnedPlan is what would be done to the objects of one owner.
type OwnedPlan struct {
	Owner object.Owner
	plan.Plan
}

// Foresee tells what would be done if those manifests were there, besides those that
// are, or in place of the ones of the same names: about the sessions that they have to
// do with; about all sessions if none are given. Everything is looked at, and nothing
// is done.
func (c *Controller) Foresee(ctx context.Context, given []spec.Object, ephemeral bool) []Forecast {
	set, _ := c.manifestsNow()
	set.Entries = maps.Clone(set.Entries)
	touched := map[manifests.Key]bool{}
	for _, o := range given {
		key := manifests.Key{Kind: o.GetKind(), Name: o.GetName()}
		entry, there := set.Entries[key]
		if !there {
			entry.Ephemeral = ephemeral
		}
		entry.Object, entry.Problems = o, nil
		set.Entries[key] = entry
		touched[key] = true
	}
	refs := references(set)
	var forecasts []Forecast
	for _, name := range c.foreseen(set, refs, touched) {
		if ctx.Err() != nil {
			break
		}
		forecasts = append(forecasts, c.foresee(ctx, name, set, refs))
	}
	return forecasts
}

// foreseen returns the names of the sessions to be told of, sorted.
func (c *Controller) foreseen(set manifests.Set, refs spec.References, touched map[manifests.Key]bool) []string {
	names := map[string]bool{}
	for key, entry := range set.Entries {
		session, is := entry.Object.(*spec.Session)
		if is && (len(touched) == 0 || touched[key] || concerned(session, refs, touched)) {
			names[key.Name] = true
		}
	}
	if len(touched) == 0 { // and those that nobody wants any more
		c.mu.Lock()
		for k := range c.tended {
			if k.class == classSession {
				names[k.name] = true
			}
		}
		c.mu.Unlock()
	}
	return slices.Sorted(maps.Keys(names))
}

// concerned reports whether a session is grown from something that is touched.
func concerned(s *spec.Session, refs spec.References, touched map[manifests.Key]bool) bool {
	var chroot *spec.ChrootSpec
	profile := s.Spec.ProfileRef
	if s.Spec.Chroot != nil {
		chroot = s.Spec.Chroot
	} else if s.Spec.ChrootRef != nil {
		found, there := refs.Chroot(s.Spec.ChrootRef.Name)
		if !there {
			return false
		}
		if touched[manifests.Key{Kind: spec.KindChroot, Name: found.Name}] {
			return true
		}
		chroot = &found.Spec
	}
	if profile == nil && chroot != nil {
		profile = chroot.ProfileRef
	}
	return profile != nil && touched[manifests.Key{Kind: spec.KindProfile, Name: profile.Name}]
}

// foresee tells what would be done about one session.
func (c *Controller) foresee(ctx context.Context, name string, set manifests.Set, refs spec.References) Forecast {
	f := Forecast{Session: name}
	of := manifests.Key{Kind: spec.KindSession, Name: name}
	p := pass{Controller: c, name: name, key: sessionKey(name), owner: object.SessionOwner(name), set: set, refs: refs}
	p.entry, p.named = set.Entries[of]
	p.report = c.reports.of(p.key)
	p.world = c.kernel.Observe(ctx, p.owner, nil)
	p.recall()
	if p.memory == unseen {
		f.Problem = "its home could not be looked at: " + p.world.Blind[object.KindHome]
		return f
	}
	f.Left = p.suspension()
	if !p.named && !set.MayHold(of) {
		f.Gone = true
		f.plan(p.owner, plan.Make(nil, p.world, plan.Policy{Replace: true}))
		return f
	}
	session, good := p.entry.Object.(*spec.Session)
	if !good {
		f.Problem = "its manifest cannot be read, so it stays as it is"
		return f
	}
	wanted, err := spec.Admit(session, refs, p.entry.Ephemeral)
	if err != nil {
		f.Problem = err.Error()
		return f
	}
	if p.memory == remembered && !p.record.Expired {
		running := p.record.Session
		f.Fields = spec.NeedsRecreate(running, wanted)
		if p.record.Session = running.WithSession(session); len(f.Fields) == 0 || p.record.Session.Session.UpdateStrategy != spec.UpdateRecreate {
			p.record.Session.Ephemeral = p.entry.Ephemeral
			p.record.ReconcileAt = session.Annotations[spec.ReconcileAtAnnotation]
			c.foreseeMade(ctx, &p, &f, p.world)
			return f
		}
	}
	if p.memory == remembered {
		f.Anew = true
		f.plan(p.owner, plan.Make(nil, p.world, plan.Policy{Replace: true}))
	}
	p.record = compile.Record{UID: p.record.UID, Admitted: p.ages.wall().UTC(), Session: wanted, Folder: p.entry.Folder}
	if p.record.Facts, err = p.inspect(ctx, wanted.Chroot.Source); err != nil {
		f.Problem = err.Error()
		return f
	}
	world := p.world
	if f.Anew {
		world.Objects = nil // they are gone by then
	}
	c.foreseeMade(ctx, &p, &f, world)
	return f
}

// foreseeMade tells what would be done to make a session of a world what its record
// says, and what it shares with others.
func (c *Controller) foreseeMade(ctx context.Context, p *pass, f *Forecast, world object.World) {
	result, err := compile.Session(c.layout, p.record)
	if err != nil {
		f.Problem = err.Error()
		return
	}
	for _, base := range result.Bases {
		f.plan(base.Owner, plan.Make(base.Objects, c.kernel.Observe(ctx, base.Owner, base.Objects), plan.Policy{}))
	}
	f.plan(p.owner, plan.Make(result.Objects, world, plan.Policy{}))
	if only, err := p.onlyTells(); err == nil && only && f.Left == "" {
		f.Left = "driftPolicy: Report"
	}
}

// plan adds a plan, if there is something in it.
func (f *Forecast) plan(owner object.Owner, p plan.Plan) {
	if len(p.Steps)+len(p.Held) > 0 {
		f.Plans = append(f.Plans, OwnedPlan{owner, p})
	}
}
