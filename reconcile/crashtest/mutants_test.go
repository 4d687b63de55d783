package crashtest

import (
	"context"
	"errors"
	"fmt"
	"math/rand"
	"slices"
	"strings"
	"testing"

	"coppice.dev/reconcile"
	"coppice.dev/reconcile/fake"
	"coppice.dev/reconcile/object"
	"coppice.dev/reconcile/plan"
)

// prove is the heart of this package's tests on fewer worlds, for any way to
// converge: crashes, blindness, wrecks. It returns the first thing that is wrong.
func (one converger) prove(ctx context.Context) error {
	var some []world
	for _, w := range worlds() {
		if slices.Contains([]string{"nothing", "several mounts", "memory upper", "base image", "snapshot", "hooks and files", "expose tree", "changed mounts"}, w.name) {
			some = append(some, w)
		}
	}
	reach := func(m *fake.Machine, w world) error {
		if err := one.settle(ctx, m.Start(), w); err != nil {
			return fmt.Errorf("to %s: %w", w.name, err)
		}
		if v := m.Violations(); len(v) > 0 {
			return fmt.Errorf("to %s: violations: %q", w.name, v)
		}
		return nil
	}
	for _, w := range some {
		if err := one.proveCrashes(ctx, some, w, reach); err != nil {
			return err
		}
		if err := one.proveBlindness(ctx, some[0], w, reach); err != nil {
			return err
		}
	}
	return one.proveWrecks(ctx, some, reach)
}

func (one converger) proveCrashes(ctx context.Context, all []world, from world, reach func(*fake.Machine, world) error) error {
	for _, to := range all {
		// What is wanted is what the right way comes to from nothing.
		fresh := fake.New(sources...)
		if err := settle(ctx, fresh.Start(), to); err != nil {
			return err
		}
		for n := 1; ; n++ {
			m := fake.New(sources...)
			if err := reach(m, from); err != nil {
				return err
			}
			k := m.Start()
			m.CrashAt(n, true)
			if err := one.settle(ctx, k, to); err == nil {
				break // there is no such effect
			} else if !errors.Is(err, fake.ErrCrashed) {
				return fmt.Errorf("%s to %s, effect %d: %w", from.name, to.name, n, err)
			}
			if err := reach(m, to); err != nil {
				return fmt.Errorf("from %s, crash at effect %d, %w", from.name, n, err)
			}
			if once(m.State()) != once(fresh.State()) {
				return fmt.Errorf("%s to %s, crash at effect %d: got\n%s\n\nwant\n%s", from.name, to.name, n, m.State(), fresh.State())
			}
			if err := reach(m, all[0]); err != nil {
				return err
			}
			if left := m.State(); left != "" {
				return fmt.Errorf("%s to %s, crash at effect %d: left\n%s", from.name, to.name, n, left)
			}
		}
	}
	return nil
}

func (one converger) proveBlindness(ctx context.Context, nothing, from world, reach func(*fake.Machine, world) error) error {
	for _, blind := range kinds {
		m := fake.New(sources...)
		if err := reach(m, from); err != nil {
			return err
		}
		k := m.Start()
		m.Blind(blind)
		if err := one.settle(ctx, k, nothing); err != nil && !errors.Is(err, errHeld) {
			return fmt.Errorf("%s to nothing, blind for %s: %w", from.name, blind, err)
		}
		m.Blind()
		if err := reach(m, nothing); err != nil {
			return fmt.Errorf("from %s, blind for %s at first, %w", from.name, blind, err)
		}
		if left := m.State(); left != "" {
			return fmt.Errorf("%s to nothing, blind for %s at first: left\n%s", from.name, blind, left)
		}
	}
	return nil
}

func (one converger) proveWrecks(ctx context.Context, all []world, reach func(*fake.Machine, world) error) error {
	for seed := range int64(1500) {
		r := rand.New(rand.NewSource(seed))
		m := fake.New(sources...)
		from, to := all[r.Intn(len(all))], all[r.Intn(len(all))]
		if err := reach(m, from); err != nil {
			return err
		}
		for range 1 + r.Intn(4) {
			m.Wreck(r, session)
		}
		for _, w := range []world{to, all[0]} {
			err := reach(m, w)
			for tries := 0; err != nil && tries < 12 && len(m.Violations()) == 0; tries++ {
				m.Relieve()
				err = reach(m, w)
			}
			if err != nil {
				return fmt.Errorf("seed %d: %w\n%s", seed, err, m.State())
			}
			// What was reached is what the right way finds nothing to do about.
			k := m.Start()
			for _, step := range plan.Make(w.objects, k.Observe(ctx, owner, w.objects), plan.Policy{Replace: true}).Steps {
				return fmt.Errorf("seed %d: to %s: there is still to do: %s", seed, w.name, step)
			}
		}
		if left := m.State(); left != "" {
			return fmt.Errorf("seed %d: left\n%s", seed, left)
		}
	}
	return nil
}

// mutant is a way to converge that differs from the right one in what it makes
// of a look and of a plan.
type mutant struct {
	rounds int
	look   func(object.World, []object.Object) object.World
	plan   func([]plan.Step) []plan.Step
}

func (m mutant) converge(ctx context.Context, k reconcile.Kernel, o object.Owner, desired []object.Object) error {
	for range m.rounds {
		world := k.Observe(ctx, o, desired)
		if m.look != nil {
			world = m.look(world, desired)
		}
		p := plan.Make(desired, world, plan.Policy{Replace: true})
		steps := p.Steps
		if m.plan != nil {
			steps = m.plan(steps)
		}
		if len(steps) == 0 {
			if len(p.Held) > 0 || len(world.Blind) > 0 {
				return errHeld
			}
			return nil
		}
		for _, step := range steps {
			if err := k.Do(ctx, step); err != nil {
				return err
			}
		}
	}
	if m.rounds > 1 {
		return errors.New("it does not come to an end")
	}
	return nil
}

func destroysIn(steps []plan.Step) int {
	n := slices.IndexFunc(steps, func(s plan.Step) bool { return s.Op != plan.Destroy })
	if n < 0 {
		return len(steps)
	}
	return n
}

func without(steps []plan.Step, unfit func(plan.Step) bool) []plan.Step {
	return slices.DeleteFunc(slices.Clone(steps), unfit)
}

// TestWhatIsWrongIsCaught demands of the proof that it fails for ways to converge
// that have one thing wrong, each a mistake that somebody could make.
func TestWhatIsWrongIsCaught(t *testing.T) {
	t.Parallel()
	rounds := 8
	for name, m := range map[string]mutant{
		"right":           {rounds: rounds},
		"one look is all": {rounds: 1},
		"first made goes first": {rounds: rounds, plan: func(s []plan.Step) []plan.Step {
			slices.Reverse(s[:destroysIn(s)])
			return s
		}},
		"the new comes before the old goes": {rounds: rounds, plan: func(s []plan.Step) []plan.Step {
			n := destroysIn(s)
			return slices.Concat(s[n:], s[:n])
		}},
		"blindness is emptiness": {rounds: rounds, look: func(w object.World, _ []object.Object) object.World {
			w.Blind = nil
			return w
		}},
		"damage is overlooked": {rounds: rounds, look: func(w object.World, _ []object.Object) object.World {
			for i := range w.Objects {
				w.Objects[i].Damage = ""
			}
			return w
		}},
		"what is half made is not seen": {rounds: rounds, look: func(w object.World, _ []object.Object) object.World {
			w.Objects = slices.DeleteFunc(w.Objects, func(o object.Observed) bool { return o.Damage != "" })
			return w
		}},
		"what is there is as wanted": {rounds: rounds, look: func(w object.World, desired []object.Object) object.World {
			for i, seen := range w.Objects {
				for _, o := range desired {
					if o.Address == seen.Address {
						w.Objects[i].Print = object.PrintOf(o.Spec)
					}
				}
			}
			return w
		}},
		"nothing is dragged along": {rounds: rounds, plan: func(s []plan.Step) []plan.Step {
			return without(s, func(s plan.Step) bool { return strings.HasSuffix(s.Reason, "is made anew") })
		}},
		"the unwanted stays": {rounds: rounds, plan: func(s []plan.Step) []plan.Step {
			return without(s, func(s plan.Step) bool { return s.Reason == "nobody wants it" })
		}},
		"settings stay as they are": {rounds: rounds, plan: func(s []plan.Step) []plan.Step {
			return without(s, func(s plan.Step) bool { return s.Op == plan.Amend })
		}},
		"the home goes with its session's root": {rounds: rounds, plan: func(s []plan.Step) []plan.Step {
			slices.SortStableFunc(s[:destroysIn(s)], func(a, b plan.Step) int {
				return rank(b.Seen.Kind == object.KindHome) - rank(a.Seen.Kind == object.KindHome)
			})
			return s
		}},
	} {
		err := converger(m.converge).prove(t.Context())
		switch {
		case name == "right" && err != nil:
			t.Errorf("%s: %v", name, err)
		case name != "right" && err == nil:
			t.Errorf("%s: not caught", name)
		case err != nil:
			line, _, _ := strings.Cut(err.Error(), "\n")
			t.Logf("%s: %.160s", name, line)
		}
	}
}

func rank(b bool) int {
	if b {
		return 1
	}
	return 0
}
