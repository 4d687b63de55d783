package controller

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"coppice.dev/manifests"
	"coppice.dev/reconcile/compile"
	"coppice.dev/reconcile/object"
	"coppice.dev/reconcile/plan"
	"coppice.dev/spec"
)

// Supposition is what is supposed to stand in the manifests, beside what does.
type Supposition struct {
	// Given are put there, in place of those of the same names, and Without are taken
	// away, as somebody does who deletes them in so many words.
	Given   []spec.Object
	Without []manifests.Key
	// Ephemeral is set if what is new of it would not survive a reboot.
	Ephemeral bool
}

// none reports whether nothing is supposed.
func (s Supposition) none() bool { return len(s.Given)+len(s.Without) == 0 }

// Forecast is what would become of one session.
type Forecast struct {
	Session string
	Outcome Outcome
	// Why says why it would be taken down.
	Why string
	// Problem says why it would not be made, or why nothing can be told.
	Problem string
	// Left says why the steps would not be taken: it is suspended, its drift is only
	// told of, its deletion is held.
	Left string
	// Waits says what they would have to wait for.
	Waits string
	// Fields are those a running session cannot take; they wait for it to be deleted.
	Fields []string
	// Plans are what would be done to the session's own objects, and to those that it
	// shares with others.
	Plans []OwnedPlan
}

// Outcome is what would become of a session, in a word.
type Outcome string

// The outcomes.
const (
	Unchanged Outcome = "Unchanged"
	Created   Outcome = "Created"   // it is admitted and made
	Changed   Outcome = "Changed"   // something of it is made, changed or taken away
	Recreated Outcome = "Recreated" // it is taken down and made anew
	Expired   Outcome = "Expired"   // its time is over; it is taken down, its manifest stays
	Deleted   Outcome = "Deleted"   // nothing is left of it
	Pending   Outcome = "Pending"   // it cannot be made
	Unknown   Outcome = "Unknown"   // nobody can tell
)

// OwnedPlan is what would be done to the objects of one owner.
type OwnedPlan struct {
	Owner object.Owner
	// Source is the path of what it is made from that several sessions share.
	Source string
	plan.Plan
}

// patience is how long it is waited for what others are just working on, in all.
const patience = 5 * time.Second

// Foresee tells what would be done, of the sessions that something supposed has to do
// with; of all sessions if nothing is. Everything is looked at as a worker does, in
// turn with the workers, and nothing is done or claimed. It fails when the context ends.
func (c *Controller) Foresee(ctx context.Context, s Supposition) ([]Forecast, error) {
	set, before := c.manifestsNow()
	o := &outlook{
		Controller: c, set: s.in(set), deleted: map[string]bool{}, told: map[object.Owner]bool{}, needs: map[string]compile.Result{}, patience: patience,
	}
	o.refs = references(o.set)
	for _, k := range s.Without {
		if k.Kind == spec.KindSession {
			o.deleted[k.Name] = true
		}
	}
	var forecasts []Forecast
	for _, name := range o.sessions(s, before) {
		if ctx.Err() != nil {
			break
		}
		forecasts = append(forecasts, o.session(ctx, name))
	}
	o.forsaken(ctx, forecasts)
	return forecasts, context.Cause(ctx)
}

// in returns what the manifests would say.
func (s Supposition) in(set manifests.Set) manifests.Set {
	entries := maps.Collect(set.Entries.All())
	for _, k := range s.Without {
		delete(entries, k)
	}
	for _, o := range s.Given {
		k := manifests.Key{Kind: o.GetKind(), Name: o.GetName()}
		entry, there := entries[k]
		if !there {
			entry = manifests.Entry{Key: k, Ephemeral: s.Ephemeral}
		}
		entry.Object, entry.Hash, entry.Problems, entry.Stale = o, spec.Hash(o), nil, false
		entries[k] = entry
	}
	set.Entries = manifests.EntriesOf(entries)
	return set
}

// outlook is what is supposed, and what has been found of it so far.
type outlook struct {
	*Controller
	set  manifests.Set
	refs spec.References
	// deleted are the sessions that are to go in so many words.
	deleted map[string]bool
	// told are the owners of what is shared that were told of.
	told map[object.Owner]bool
	// needs is what sessions would stand on; of one that is not in it, what it stands
	// on now.
	needs map[string]compile.Result
	// patience is how long others may still be waited for.
	patience time.Duration
}

// sessions returns the names of the sessions to be told of, sorted.
func (o *outlook) sessions(s Supposition, before spec.References) []string {
	names := maps.Clone(o.deleted)
	touched := map[manifests.Key]bool{}
	for _, k := range s.Without {
		touched[k] = true
	}
	for _, given := range s.Given {
		touched[manifests.Key{Kind: given.GetKind(), Name: given.GetName()}] = true
	}
	for k, entry := range o.set.Entries.All() {
		session, is := entry.Object.(*spec.Session)
		if k.Kind == spec.KindSession && s.none() || touched[k] && is || is && concerned(session, touched, before, o.refs) {
			names[k.Name] = true
		}
	}
	if s.none() { // and those that nobody wants any more
		o.mu.Lock()
		for k := range o.tended {
			if k.class == classSession {
				names[k.name] = true
			}
		}
		o.mu.Unlock()
	}
	return slices.Sorted(maps.Keys(names))
}

// concerned reports whether a session is, or would be, grown from something touched.
func concerned(s *spec.Session, touched map[manifests.Key]bool, all ...spec.References) bool {
	return slices.ContainsFunc(all, func(refs spec.References) bool {
		a, err := spec.Admit(s, refs, false)
		return err == nil && (touched[manifests.Key{Kind: spec.KindChroot, Name: a.ChrootName}] ||
			touched[manifests.Key{Kind: spec.KindProfile, Name: a.ProfileName}])
	})
}

// turn waits a little for one's turn to look at what a key names.
func (o *outlook) turn(ctx context.Context, k key) (done func(), err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, o.patience, errBusy)
	defer cancel()
	begun := time.Now()
	done, err = o.turns.take(ctx, k)
	o.patience = max(0, o.patience-time.Since(begun))
	return done, err
}

// errBusy says that somebody else works on what is to be looked at.
var errBusy = errors.New("it is being worked on right now; ask again when that is over")

// plan adds a plan, if there is something in it; source is of what is shared.
func (f *Forecast) plan(owner object.Owner, source string, p plan.Plan) {
	if len(p.Steps)+len(p.Held) > 0 {
		f.Plans = append(f.Plans, OwnedPlan{owner, source, p})
	}
}

// problem says why a session would not be made, or not again.
func (f *Forecast) problem(why string) {
	f.Problem = why
	if f.Outcome != Recreated {
		f.Outcome = Pending
	}
}

// unknown says why nothing can be told of it.
func (f *Forecast) unknown(format string, args ...any) {
	f.Outcome, f.Problem = Unknown, fmt.Sprintf(format, args...)
}
