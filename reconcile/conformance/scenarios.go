package conformance

import (
	"slices"

	"coppice.dev/reconcile/object"
	"coppice.dev/reconcile/plan"
)

// oneByOne makes a session step by step and unmakes it; each look finds exactly
// what is there, and so does one by a kernel that knows of nothing.
func (s *suite) oneByOne() {
	desired := s.session()
	s.owners()
	var made []object.Object
	for _, step := range s.steps(desired) {
		s.do(step)
		made = append(append(made, step.Object), step.Contents...)
		s.sees("after "+step.String(), desired, made...)
		s.kernel = s.Start()
		s.sees("restarted after "+step.String(), desired, made...)
		s.owners(s.owner)
	}
	for _, step := range s.steps(desired) {
		at := slices.IndexFunc(made, func(o object.Object) bool { return o.Address == step.ID.Address })
		if at < 0 {
			s.Errorf("%s was never made", step.ID)
		}
	}
	world := s.kernel.Observe(s.ctx(), s.owner, nil)
	for _, step := range plan.Make(nil, world, plan.Policy{}).Steps {
		s.do(step)
		gone := append([]object.Object{{ID: step.ID}}, s.contents(step, desired)...)
		made = slices.DeleteFunc(made, func(o object.Object) bool {
			return slices.ContainsFunc(gone, func(g object.Object) bool { return g.Address == o.Address })
		})
		s.sees("after "+step.String(), desired, made...)
	}
	s.owners()
}

// contents are the mounts that go with a namespace.
func (s *suite) contents(step plan.Step, desired []object.Object) []object.Object {
	if step.Kind() != object.KindNamespace {
		return nil
	}
	return slices.DeleteFunc(slices.Clone(desired), func(o object.Object) bool { return o.Kind() != object.KindMount })
}

// nothingToStandOn creates objects whose carrier is missing: each is refused and
// leaves nothing.
func (s *suite) nothingToStandOn() {
	desired := s.session()
	for _, o := range desired[1:] {
		if o.Kind() == object.KindProcesses {
			continue // a cgroup stands on nothing
		}
		s.refuses(plan.Step{Op: plan.Create, ID: o.ID, Object: o}, desired)
	}
	s.sees("after all that", desired)
}

// ofTheAbsent destroys what is not there, which is no error.
func (s *suite) ofTheAbsent() {
	for _, o := range s.session() {
		s.do(plan.Step{Op: plan.Destroy, ID: o.ID, Seen: object.Observed{ID: o.ID, Kind: o.Kind()}})
	}
	s.owners()
}

// madeTwice creates what is there already, which is refused.
func (s *suite) madeTwice() {
	desired := s.session()
	s.converge(desired)
	for _, o := range desired {
		switch o.Kind() {
		case object.KindHome, object.KindNamespace, object.KindView:
			s.refuses(plan.Step{Op: plan.Create, ID: o.ID, Object: o}, desired)
		}
	}
	s.converge(nil)
}

// settingsChange amends what can be changed in place.
func (s *suite) settingsChange() {
	desired := s.session()
	s.converge(desired)
	for _, change := range []object.Spec{
		object.Mount{Type: "tmpfs", Target: "/tmp", Flags: []string{"nosuid", "ro"}, Size: 1 << 20},
		object.Mount{Type: "tmpfs", Target: "/tmp", Flags: []string{"nosuid"}, Size: 2 << 20},
		object.Mount{Type: "bind", Source: s.Shared, Target: "/shared", Flags: []string{"ro"}},
		object.Mount{Type: "bind", Source: s.Shared, Target: "/shared"},
	} {
		target := change.(object.Mount).Target
		changed := slices.Clone(desired)
		at := slices.IndexFunc(changed, func(o object.Object) bool { return o.Address == object.At(object.GroupMounts, target) })
		changed[at].Spec = change
		changed[0].Spec = object.Home{Admitted: []byte(`"changed"`), Objects: changed[1:]}
		if n := s.converge(changed); n != 2 {
			s.Errorf("it took %d steps to change one mount and the record", n)
		}
		s.sees("after the change", changed, changed...)
		desired = changed
	}
	s.converge(nil)
}

// mountsComeAndGo takes single mounts from a live namespace and puts them back.
func (s *suite) mountsComeAndGo() {
	desired := s.session()
	s.converge(desired)
	for _, gone := range [][]object.Address{{"5-mounts/tmp/deep"}, {"5-mounts/shared"}, {"5-mounts/tmp", "5-mounts/tmp/deep"}} {
		less := slices.DeleteFunc(slices.Clone(desired), func(o object.Object) bool { return slices.Contains(gone, o.Address) })
		less[0].Spec = object.Home{Admitted: []byte(`"less"`), Objects: less[1:]}
		s.converge(less)
		s.sees("without", less, less...)
		s.kernel = s.Start()
		s.sees("without, restarted", less, less...)
		s.converge(desired)
		s.sees("with", desired, desired...)
	}
	// The lower one of two cannot go before the upper one.
	under := slices.IndexFunc(desired, func(o object.Object) bool { return o.Address == "5-mounts/tmp" })
	s.refuses(plan.Step{Op: plan.Destroy, ID: desired[under].ID, Seen: object.Observed{ID: desired[under].ID, Kind: object.KindMount}}, desired)
	s.converge(nil)
}

// twoSessions makes two and ends one; the other does not notice.
func (s *suite) twoSessions() {
	first := s.session()
	s.converge(first)
	s.owner = object.SessionOwner("t")
	second := s.session()
	s.converge(second)
	s.owners(object.SessionOwner("s"), object.SessionOwner("t"))
	s.converge(nil)
	s.owner = object.SessionOwner("s")
	s.owners(s.owner)
	s.sees("the other one", first, first...)
	if n := s.converge(first); n != 0 {
		s.Errorf("the other one needed %d steps", n)
	}
	s.converge(nil)
}

// thereAndBack converges, rests, and comes back to nothing.
func (s *suite) thereAndBack() {
	desired := s.session()
	if n := s.converge(desired); n == 0 {
		s.Error("nothing was made")
	}
	for range 2 {
		if n := s.converge(desired); n != 0 {
			s.Errorf("at rest, and %d steps were taken", n)
		}
		s.kernel = s.Start()
	}
	s.converge(nil)
	s.sees("at the end", desired)
	s.owners()
}

// fromAnyStepToNone stops a session being made after each step, and sweeps it
// with a kernel that knows nothing.
func (s *suite) fromAnyStepToNone() {
	desired := s.session()
	steps := s.steps(desired)
	for n := range steps {
		for _, step := range steps[:n+1] {
			s.do(step)
		}
		s.kernel = s.Start()
		s.converge(nil)
		s.owners()
	}
}

// openedSource makes a session whose root is the folder itself, stops after each
// step, and goes on, or back to nothing. Mounts that the folder has no place for are
// left out; in Place it has one.
func (s *suite) openedSource() {
	name := s.owner.Name
	untouched := func(m object.Mount) object.Object {
		m.Untouched = true
		return s.at(object.GroupMounts, m.Target, m)
	}
	rest := []object.Object{
		s.at(object.GroupRoot, "namespace", object.Namespace{Type: object.RootBind, Layers: []object.Layer{{Path: s.Directory}}}),
		untouched(object.Mount{Type: "bind", Source: s.Shared, Target: Nowhere + "/shared"}),
		untouched(object.Mount{Type: "tmpfs", Target: Place, Size: 1 << 20}),
		untouched(object.Mount{Type: "tmpfs", Target: Place + "/deep"}), // made on what is the session's own
		s.at(object.GroupInside, "processes", object.Processes{}),
		s.at(object.GroupView, "root", object.View{Path: s.Layout.View(name)}),
	}
	home := s.at(object.GroupHome, "home", object.Home{Admitted: []byte(`"opened"`), Objects: rest})
	desired := append([]object.Object{home}, rest...)
	steps := s.steps(desired)
	for n := range steps {
		for _, back := range []bool{true, false} {
			for _, step := range steps[:n+1] {
				s.do(step)
			}
			s.kernel = s.Start()
			if !back {
				s.converge(desired)
				s.sees("whole", desired, desired...)
				if took := s.converge(desired); took != 0 {
					s.Errorf("at rest, and %d steps were taken", took)
				}
				s.kernel = s.Start()
			}
			s.converge(nil)
			s.owners()
		}
	}
}

// fromAnyStepToWhole stops after each step and goes on.
func (s *suite) fromAnyStepToWhole() {
	desired := s.session()
	steps := s.steps(desired)
	for n := range steps {
		for _, step := range steps[:n+1] {
			s.do(step)
		}
		s.kernel = s.Start()
		if took := s.converge(desired); took != len(steps)-n-1 {
			s.Errorf("after %d of %d steps it took %d more", n+1, len(steps), took)
		}
		s.sees("whole", desired, desired...)
		s.converge(nil)
	}
}
