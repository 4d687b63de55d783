package conformance

import (
	"errors"
	"strings"

	"github.com/google/go-cmp/cmp"

	"coppice.dev/reconcile"
	"coppice.dev/reconcile/fault"
	"coppice.dev/reconcile/object"
	"coppice.dev/reconcile/plan"
)

// brokenByHand breaks a session in one way after the other. Any kernel must see
// the same of it, and so the same steps repair it.
func (s *suite) brokenByHand() {
	for _, row := range []struct {
		name  string
		harm  func(session string)
		steps string
	}{
		{"nothing", func(string) {}, ""},
		{"a mount is gone", func(n string) { s.Hand.Unmount(n, "/tmp/deep") }, `
			Create 5-mounts/tmp/deep`},
		{"a mount that carries another stays", func(n string) { s.Hand.Unmount(n, "/tmp") }, ""},
		{"a bind is gone", func(n string) { s.Hand.Unmount(n, "/shared") }, `
			Create 5-mounts/shared`},
		{"a mount with what is on it is gone", func(n string) {
			s.Hand.Unmount(n, "/tmp/deep")
			s.Hand.Unmount(n, "/tmp")
		}, `
			Create 5-mounts/tmp
			Create 5-mounts/tmp/deep`},
		{"other attributes", func(n string) { s.Hand.Remount(n, "/tmp", "ro", "nosuid") }, `
			Amend 5-mounts/tmp`},
		{"a bind is made read-only", func(n string) { s.Hand.Remount(n, "/shared", "ro") }, `
			Amend 5-mounts/shared`},
		{"a stranger's mount beside ours", func(n string) { s.Hand.Mount(n, "/stranger") }, ""},
		{"the view is gone", s.Hand.UnmountView, `
			Destroy 7-view/root
			Create 7-view/root`},
		{"the pin is gone", s.Hand.DropPin, `
			Destroy 8-task/1-file/copied
			Destroy 7-view/root
			Destroy 4-root/namespace
			Create 4-root/namespace +5-mounts/shared +5-mounts/tmp +5-mounts/tmp/deep
			Create 7-view/root
			Create 8-task/1-file/copied`},
		{"the record is torn", s.Hand.TearRecord, `
			Amend 0-home/home`},
		{"the journal is lost", s.Hand.LoseJournal, `
			Create 8-task/1-file/copied
			Create 8-task/3-hook/000-hook`},
	} {
		desired := s.session()
		s.converge(desired)
		row.harm(s.owner.Name)
		for _, restart := range []bool{true, false} {
			if restart {
				s.kernel = s.Start()
			}
			world := s.kernel.Observe(s.ctx(), s.owner, desired)
			var got []string
			for _, step := range plan.Make(desired, world, plan.Policy{}).Steps {
				line, _, _ := strings.Cut(step.String(), ":")
				got = append(got, line)
			}
			if diff := cmp.Diff(strings.Fields(row.steps), strings.Fields(strings.Join(got, "\n"))); diff != "" {
				s.Errorf("%s: steps to repair it (-want +got):\n%s", row.name, diff)
			}
		}
		s.converge(desired)
		s.sees(row.name+": repaired", desired, desired...)
		// The same, and nobody wants it any more.
		row.harm(s.owner.Name)
		s.kernel = s.Start()
		s.converge(nil)
		s.sees(row.name+": gone", desired)
		s.owners()
	}
}

// busyView unmakes a session while somebody stands in its view: it is refused
// with their names, nothing is lost, and goes on when they have left.
func (s *suite) busyView() {
	desired := s.session()
	s.converge(desired)
	s.Hand.StandInView(s.owner.Name)
	for range 2 {
		_, err := reconcile.Converge(s.ctx(), s.kernel, s.owner, nil, plan.Policy{}, reconcile.Trace{})
		f, is := errors.AsType[*fault.Fault](err)
		if !is || f.Reason != fault.Busy || len(f.Holders) == 0 {
			s.Errorf("error is %v, want one that names who is in the way", err)
		}
	}
	for _, o := range desired {
		switch world := s.kernel.Observe(s.ctx(), s.owner, nil); o.Kind() {
		case object.KindHome, object.KindUpper, object.KindNamespace, object.KindView:
			if seen, there := world.Find(o.Address); !there || seen.Damage != "" {
				s.Errorf("%s did not survive: %v", o, seen.Damage)
			}
		}
	}
	s.Hand.Leave()
	s.converge(nil)
	s.owners()
}
