package controller

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"k8s.io/apimachinery/pkg/util/duration"

	"coppice.dev/reconcile/compile"
	"coppice.dev/reconcile/object"
	"coppice.dev/reconcile/plan"
)

// refused says who would be in the way of a session that begins; "" for nobody.
func (o *outlook) refused(name string, needs compile.Result) string {
	goes := func(session string) bool {
		after, decided := o.needs[session]
		return decided && len(after.Objects) == 0
	}
	if a, is := o.claims.supposed(name, needs); is {
		holders := []string{a.holder}
		if a.conflict != nil {
			holders = a.conflict.holders
		}
		if a.unknown != "" || slices.ContainsFunc(holders, func(s string) bool { return !goes(s) }) {
			return a.note().Message
		}
	}
	// Those that begin at the same time are not known to the others yet.
	for _, other := range slices.Sorted(maps.Keys(o.needs)) {
		if place := contested(needs, o.needs[other]); other != name && place != "" {
			return fmt.Sprintf("session %s uses %s too, and one of the two writes to it; it waits until the other has ended", other, place)
		}
	}
	return ""
}

// contested returns what two sessions cannot have both; "" if there is nothing.
func contested(a, b compile.Result) string {
	for _, mine := range a.Uses {
		for _, theirs := range b.Uses {
			if (theirs.Opens && !mine.Copies || mine.Opens && !theirs.Copies) && theirs.Meets(mine.Place) {
				return mine.Path
			}
		}
	}
	for _, mine := range a.Bases {
		for _, theirs := range b.Bases {
			if (mine.Exclusive || theirs.Exclusive) && sameFile(mine, theirs) {
				return mine.Source
			}
		}
	}
	return ""
}

// shares tells what would be made of what several sessions share, once.
func (o *outlook) shares(ctx context.Context, f *Forecast, base compile.Base) {
	if o.told[base.Owner] {
		return
	}
	o.told[base.Owner] = true
	done, err := o.turn(ctx, keyOf(base.Owner))
	if err != nil {
		f.Waits = "what it shares with others: " + err.Error()
		return
	}
	defer done()
	f.plan(base.Owner, base.Source, plan.Make(base.Objects, o.kernel.Observe(ctx, base.Owner, base.Objects), plan.Policy{}))
}

// forsaken tells of what is shared and that nobody would stand on any more, with the
// last session that would leave it.
func (o *outlook) forsaken(ctx context.Context, forecasts []Forecast) {
	last := map[string]int{}
	bases := map[string]compile.Base{}
	for i, f := range forecasts {
		after, decided := o.needs[f.Session]
		if !decided {
			continue
		}
		for _, b := range o.claims.of(f.Session) {
			if !stands(after, b.Owner) {
				last[b.Owner.Name], bases[b.Owner.Name] = i, b
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(last)) {
		if !o.wanted(name) {
			o.leaves(ctx, &forecasts[last[name]], bases[name])
		}
	}
}

// stands reports whether a base is among what a session needs.
func stands(needs compile.Result, base object.Owner) bool {
	return slices.ContainsFunc(needs.Bases, func(b compile.Base) bool { return b.Owner == base })
}

// wanted reports whether somebody would stand on a base.
func (o *outlook) wanted(base string) bool {
	for _, session := range o.claims.claimants(base) {
		if _, decided := o.needs[session]; !decided {
			return true
		}
	}
	for _, after := range o.needs {
		if stands(after, object.BaseOwner(base)) {
			return true
		}
	}
	return false
}

// leaves tells what becomes of a base that nobody stands on any more.
func (o *outlook) leaves(ctx context.Context, f *Forecast, base compile.Base) {
	done, err := o.turn(ctx, keyOf(base.Owner))
	if err != nil {
		return // it is told of by whoever works on it
	}
	defer done()
	p := plan.Make(nil, o.kernel.Observe(ctx, base.Owner, base.Objects), plan.Policy{})
	if rest := worthOf(base.Source, o.refs, o.KeepUnpacked); rest > 0 {
		var held []plan.Held
		for _, s := range p.Steps {
			held = append(held, plan.Held{Op: s.Op, ID: s.ID, Reason: fmt.Sprintf("it is kept for %s for the sessions to come", duration.HumanDuration(rest))})
		}
		p = plan.Plan{Held: held}
	}
	f.plan(base.Owner, base.Source, p)
}
