package conformance

import (
	"coppice.dev/reconcile/object"
	"coppice.dev/reconcile/plan"
)

// limited is a session whose upper is limited by an image.
func (s *suite) limited(size int64) []object.Object {
	name := s.owner.Name
	return s.layered("limited", s.Layout.StoredUpper(name), s.Layout.StoredWork(name),
		s.at(object.GroupLayer, "store", object.Store{File: s.Layout.StoreImage(name), Path: s.Layout.Store(name), Size: size}))
}

// counted is a session whose upper is limited by a quota.
func (s *suite) counted(size int64) []object.Object {
	name := s.owner.Name
	return s.layered("counted", s.Layout.LayerUpper(name), s.Layout.LayerWork(name),
		s.at(object.GroupLayer, "quota", object.Quota{Path: s.Layout.Layer(name), Size: size}))
}

// layered is a session whose upper lies in what limits it, with as little else as there
// can be.
func (s *suite) layered(admitted, upper, work string, limit object.Object) []object.Object {
	layer := object.Layer{Path: s.Directory}
	rest := []object.Object{
		limit,
		s.at(object.GroupWrite, "upper", object.Upper{Dir: upper, Work: work, Model: layer}),
		s.at(object.GroupRoot, "namespace", object.Namespace{Type: object.RootOverlay, Layers: []object.Layer{layer}, Upper: upper, Work: work}),
		s.at(object.GroupView, "root", object.View{Path: s.Layout.View(s.owner.Name)}),
	}
	return append([]object.Object{s.at(object.GroupHome, "home", object.Home{Admitted: []byte(`"` + admitted + `"`), Objects: rest})}, rest...)
}

// limitedUppers makes a session with a store from any step on, makes the store larger,
// takes its mount away, with the session alive and not, and unmakes it.
func (s *suite) limitedUppers() {
	const small, large = 16 << 20, 32 << 20
	desired := s.limited(small)
	for _, o := range desired[1:4] {
		s.refuses(plan.Step{Op: plan.Create, ID: o.ID, Object: o}, desired)
	}
	for n := range desired {
		for _, step := range s.steps(desired)[:n+1] {
			s.do(step)
		}
		s.kernel = s.Start()
		s.sees("some of it", desired, desired[:n+1]...)
		s.converge(desired)
		s.sees("whole", desired, desired...)
		larger := s.limited(large)
		if s.Fixed {
			larger = desired
		} else if n := s.converge(larger); n != 2 {
			s.Errorf("it took %d steps to make it larger", n)
		}
		s.sees("larger", larger, larger...)
		s.Hand.UnmountStore(s.owner.Name)
		if n := s.converge(larger); n != 1 {
			s.Errorf("it took %d steps to mount it again below a living session", n)
		}
		s.Hand.UnmountView(s.owner.Name)
		s.Hand.DropPin(s.owner.Name)
		s.Hand.UnmountStore(s.owner.Name)
		s.kernel = s.Start()
		if n == 0 {
			s.converge(larger)
			s.sees("mounted again", larger, larger...)
		}
		s.converge(nil) // by what the home remembers alone
		s.sees("gone", larger)
		s.owners()
	}
}

// countedUppers makes a session with a quota from any step on, makes it larger and
// smaller, changes its limit by hand, and unmakes it.
func (s *suite) countedUppers() {
	if s.NoQuota != "" {
		s.Skip(s.NoQuota)
	}
	const small, large = 4 << 20, 8 << 20
	desired := s.counted(small)
	for _, o := range desired[1:4] {
		s.refuses(plan.Step{Op: plan.Create, ID: o.ID, Object: o}, desired)
	}
	for n := range desired {
		for _, step := range s.steps(desired)[:n+1] {
			s.do(step)
		}
		s.kernel = s.Start()
		s.sees("some of it", desired, desired[:n+1]...)
		for _, size := range []int64{small, large, small} {
			wanted := s.counted(size)
			s.converge(wanted)
			s.sees("as large as wanted", wanted, wanted...)
		}
		s.Hand.ChangeLimit(s.owner.Name, 2*large)
		if n := s.converge(desired); n != 1 {
			s.Errorf("it took %d steps to set the limit again", n)
		}
		s.sees("limited again", desired, desired...)
		s.kernel = s.Start()
		s.converge(nil) // by what the home remembers alone
		s.sees("gone", desired)
		s.owners()
	}
}
