package conformance

import (
	"errors"
	"syscall"

	"coppice.dev/reconcile/fault"
	"coppice.dev/reconcile/object"
	"coppice.dev/reconcile/plan"
)

const (
	imageKey = "0123456789ab"
	treeKey  = "ba9876543210"
	diskKey  = "0246813579ac"
)

func (s *suite) image() object.Object {
	spec := s.Image
	spec.Path = s.Layout.BaseMount(imageKey)
	return object.Object{ID: object.ID{Owner: object.BaseOwner(imageKey), Address: object.At(object.GroupDevice, "image")}, Spec: spec}
}

func (s *suite) tree() object.Object {
	spec := s.Archive
	spec.Path = s.Layout.BaseTree(treeKey)
	return object.Object{ID: object.ID{Owner: object.BaseOwner(treeKey), Address: object.At(object.GroupLayer, "tree")}, Spec: spec}
}

func (s *suite) disk() object.Object {
	spec, owner := s.Disk, object.BaseOwner(diskKey)
	spec.Path = s.Layout.Disk(owner)
	return object.Object{ID: object.ID{Owner: owner, Address: object.At(object.GroupLayer, "disk")}, Spec: spec}
}

// on is a session over the folder, with as little else as there can be.
func (s *suite) on(path string) []object.Object {
	name, layer := s.owner.Name, object.Layer{Path: path}
	rest := []object.Object{
		s.at(object.GroupWrite, "upper", object.Upper{Dir: s.Layout.Upper(name), Work: s.Layout.Work(name), Model: layer}),
		s.at(object.GroupRoot, "namespace", object.Namespace{
			Type: object.RootOverlay, Layers: []object.Layer{layer}, Upper: s.Layout.Upper(name), Work: s.Layout.Work(name),
		}),
		s.at(object.GroupView, "root", object.View{Path: s.Layout.View(name)}),
	}
	return append([]object.Object{s.at(object.GroupHome, "home", object.Home{Admitted: []byte(`"on"`), Objects: rest})}, rest...)
}

// bases makes an image, a mounted device and a tree, each alone, and unmakes them; a source that
// is not there is a fault that says so, and leaves nothing.
func (s *suite) bases() {
	for _, base := range []object.Object{s.image(), s.disk(), s.tree()} {
		s.owner = base.Owner
		desired := []object.Object{base}
		s.do(plan.Step{Op: plan.Destroy, ID: base.ID, Seen: object.Observed{ID: base.ID, Kind: base.Kind()}})
		s.do(plan.Step{Op: plan.Create, ID: base.ID, Object: base})
		s.sees("made", desired, base)
		s.owners(base.Owner)
		s.kernel = s.Start()
		if n := s.converge(desired); n != 0 {
			s.Errorf("%s is there, and %d steps were taken", base, n)
		}
		s.converge(nil)
		s.sees("unmade", desired)
		s.owners()

		missing := base
		switch spec := base.Spec.(type) {
		case object.Image:
			spec.File += ".missing"
			missing.Spec = spec
		case object.Disk:
			spec.Device += ".missing"
			missing.Spec = spec
		case object.Tree:
			spec.Archive += ".missing"
			missing.Spec = spec
		}
		err := s.kernel.Do(s.ctx(), plan.Step{Op: plan.Create, ID: missing.ID, Object: missing})
		if fault.ReasonOf(err) != fault.SourceMissing || !errors.Is(err, syscall.ENOENT) {
			s.Errorf("%s from nothing: error %v, want reason %s", base.Kind(), err, fault.SourceMissing)
		}
		s.converge(nil)
		s.owners()
	}
}

// sharedBases ends one of two sessions on the same base, and takes the
// mount of an image or a device away below the other: each time that session does not notice.
func (s *suite) sharedBases() {
	for _, base := range []object.Object{s.image(), s.disk(), s.tree()} {
		s.owner = base.Owner
		s.converge([]object.Object{base})
		path := s.Layout.BaseTree(base.Owner.Name)
		switch base.Kind() {
		case object.KindImage:
			path = s.Layout.BaseMount(base.Owner.Name)
		case object.KindDisk:
			path = s.Layout.Disk(base.Owner)
		default:
		}
		s.owner = object.SessionOwner("t")
		s.converge(s.on(path))
		s.owner = object.SessionOwner("s")
		first := s.on(path)
		s.converge(first)
		s.owner = object.SessionOwner("t")
		s.converge(nil)

		if base.Kind() != object.KindTree {
			s.Hand.UnmountBase(base.Owner.Name)
			s.owner = base.Owner
			if n := s.converge([]object.Object{base}); n != 2 {
				s.Errorf("it took %d steps to mount the image again", n)
			}
			s.sees("mounted again", []object.Object{base}, base)
		}
		s.owner = object.SessionOwner("s")
		if n := s.converge(first); n != 0 {
			s.Errorf("the other session on %s needed %d steps", base, n)
		}
		s.converge(nil)
		s.owner = base.Owner
		s.converge(nil)
		s.owners()
	}
}

// snapshots makes a session on a snapshot of its own.
func (s *suite) snapshots() {
	name := s.owner.Name
	spec := s.Snapshot
	spec.Link = s.Layout.SnapshotLink(name)
	rest := []object.Object{
		s.at(object.GroupDevice, "snapshot", spec),
		s.at(object.GroupRoot, "namespace", object.Namespace{Type: object.RootBind, Layers: []object.Layer{{Path: spec.Path}}}),
		s.at(object.GroupView, "root", object.View{Path: s.Layout.View(name)}),
	}
	home := s.at(object.GroupHome, "home", object.Home{Admitted: []byte(`"snapshot"`), Objects: rest})
	desired := append([]object.Object{home}, rest...)
	s.refuses(plan.Step{Op: plan.Create, ID: rest[0].ID, Object: rest[0]}, desired)
	for n := range desired {
		for _, step := range s.steps(desired)[:n+1] {
			s.do(step)
		}
		s.kernel = s.Start()
		s.sees("some of it", desired, desired[:n+1]...)
		s.converge(desired)
		s.sees("whole", desired, desired...)
		s.kernel = s.Start()
		s.converge(nil) // by what the home remembers alone
		s.sees("gone", desired)
		s.owners()
	}
}
