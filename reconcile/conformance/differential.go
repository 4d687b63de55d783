package conformance

import (
	"fmt"
	"math/rand"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"coppice.dev/reconcile/object"
	"coppice.dev/reconcile/plan"
)

// Compare does the same at random to two kernels and wants to see the same of
// them after each step: whether it was refused, what is there, what of it is
// damaged, who owns something. It returns how many steps were taken. Steps come
// in any order, and many are such as no planner takes; spoiled is asked after
// each of them, and ends a sequence that went where no two kernels need agree.
//
// Both harnesses must be empty, and are again when it returns.
func Compare(t *testing.T, seed int64, length int, a, b Harness, spoiled func() bool) int {
	r := rand.New(rand.NewSource(seed))
	pair := []*suite{{t, a, a.Start(), object.SessionOwner("s")}, {t, b, b.Start(), object.SessionOwner("s")}}
	var history []string
	taken := 0
	for range length {
		// Each draws the same numbers, so that it does the same.
		choice := r.Int63()
		var seen [2]string
		for i, s := range pair {
			what, err := s.random(rand.New(rand.NewSource(choice)))
			if i == 0 {
				history = append(history, what)
			}
			if spoiled() {
				break
			}
			outcome := "done"
			if err != nil {
				outcome = "refused"
			}
			seen[i] = outcome + "\n" + s.picture()
		}
		if spoiled() {
			break
		}
		taken++
		if diff := cmp.Diff(strings.Split(seen[0], "\n"), strings.Split(seen[1], "\n")); diff != "" {
			t.Errorf("seed %d: after\n  %s\nthey differ (-first +second):\n%s", seed, strings.Join(history, "\n  "), diff)
			break
		}
	}
	for _, s := range pair {
		s.Hand.Leave()
		for s.owner = range owned {
			if spoiled() && s == pair[0] {
				continue
			}
			s.converge(nil)
		}
	}
	return taken
}

// owned are the owners that Compare works on.
var owned = map[object.Owner]bool{
	object.SessionOwner("s"): true, object.BaseOwner(imageKey): true, object.BaseOwner(treeKey): true,
}

// random does one thing, and says what.
func (s *suite) random(r *rand.Rand) (string, error) {
	all := s.universe()
	o := all[r.Intn(len(all))]
	name := s.owner.Name
	switch n := r.Intn(20); {
	case n < 8: // the next thing that is missing, mostly
		steps := plan.Make(s.whole(), s.kernel.Observe(s.ctx(), s.owner, s.whole()), plan.Policy{Replace: true}).Steps
		if len(steps) == 0 {
			return "at rest", nil
		}
		step := steps[min(r.Intn(2), len(steps)-1)]
		return step.String(), s.kernel.Do(s.ctx(), step)
	case n < 10:
		if _, there := s.kernel.Observe(s.ctx(), o.Owner, all).Find(o.Address); there && (o.Kind() == object.KindMount || o.Kind() == object.KindImage) {
			return "not a second one on top of " + o.String(), nil
		}
		step := plan.Step{Op: plan.Create, ID: o.ID, Object: o}
		if o.Kind() == object.KindNamespace && r.Intn(2) == 0 {
			step.Contents = slices.DeleteFunc(s.whole(), func(o object.Object) bool { return o.Kind() != object.KindMount })
		}
		return step.String(), s.kernel.Do(s.ctx(), step)
	case n < 12:
		seen, there := s.kernel.Observe(s.ctx(), o.Owner, all).Find(o.Address)
		if !there {
			seen = object.Observed{ID: o.ID, Kind: o.Kind()}
		}
		step := plan.Step{Op: plan.Destroy, ID: o.ID, Seen: seen}
		return step.String(), s.kernel.Do(s.ctx(), step)
	case n < 13:
		if seen, there := s.kernel.Observe(s.ctx(), o.Owner, all).Find(o.Address); there && seen.Print.Identity == object.PrintOf(o.Spec).Identity && !seen.LeftOut {
			step := plan.Step{Op: plan.Amend, ID: o.ID, Object: o, Seen: seen}
			return step.String(), s.kernel.Do(s.ctx(), step)
		}
		return "nothing to amend", nil
	case n == 13:
		s.kernel = s.Start()
		return "restart", nil
	default:
		return s.harm(r, name), nil
	}
}

func (s *suite) harm(r *rand.Rand, name string) string {
	target := []string{"/shared", "/tmp", "/tmp/deep", "/stranger"}[r.Intn(4)]
	switch r.Intn(10) {
	case 0:
		s.Hand.DropPin(name)
		return "drop the pin"
	case 1:
		s.Hand.Unmount(name, target)
		return "unmount " + target
	case 2:
		s.Hand.Mount(name, target)
		return "mount a stranger's at " + target
	case 3:
		s.Hand.Remount(name, target, "ro")
		return "make read-only " + target
	case 4:
		s.Hand.UnmountView(name)
		return "unmount the view"
	case 5:
		s.Hand.UnmountBase(imageKey)
		return "unmount the base"
	case 6:
		s.Hand.StandInView(name)
		return "stand in the view"
	case 7:
		s.Hand.Leave()
		return "leave"
	case 8:
		s.Hand.TearRecord(name)
		return "tear the record"
	default:
		s.Hand.LoseJournal(name)
		return "lose the journal"
	}
}

// whole is the session with settings as they are mostly wanted.
func (s *suite) whole() []object.Object { return s.session() }

// universe is all that may be made: more than fits together.
func (s *suite) universe() []object.Object {
	all := append(s.session(), s.image(), s.tree())
	return append(all,
		s.at(object.GroupMounts, "/tmp", object.Mount{Type: "tmpfs", Target: "/tmp", Flags: []string{"ro"}, Size: 2 << 20}),
		s.at(object.GroupMounts, "/tmp", object.Mount{Type: "tmpfs", Target: "/tmp", Options: []string{"mode=0700"}}),
		s.at(object.GroupMounts, "/tmp", object.Mount{Type: "bind", Source: s.Shared, Target: "/tmp"}),
		s.at(object.GroupMounts, "/shared", object.Mount{Type: "bind", Source: s.Shared, Target: "/shared", Flags: []string{"ro"}}),
		s.at(object.GroupMounts, "/shared", object.Mount{Type: "bind", Source: s.Shared + ".missing", Target: "/shared", Optional: true}),
		s.at(object.GroupMounts, "/shared", object.Mount{Type: "bind", Source: s.Shared + ".missing", Target: "/shared"}),
	)
}

// picture is what is to be seen of all owners, without the names that differ
// from one machine to the other.
func (s *suite) picture() string {
	var lines []string
	all := s.universe()
	for _, known := range [][]object.Object{nil, all} {
		for o := range owned {
			world := s.kernel.Observe(s.ctx(), o, slices.DeleteFunc(slices.Clone(known), func(k object.Object) bool { return k.Owner != o }))
			for kind := range world.Blind {
				lines = append(lines, fmt.Sprintf("%t %s blind for %s", known != nil, o, kind))
			}
			for _, seen := range world.Objects {
				lines = append(lines, fmt.Sprintf("%t %s %s is %s, damaged=%t left=%t used=%d", known != nil, seen.ID, seen.Kind,
					s.called(seen, all), seen.Damage != "", seen.LeftOut, len(seen.Users)))
			}
		}
	}
	slices.Sort(lines)
	owners, err := s.kernel.Owners(s.ctx())
	return fmt.Sprintf("%s\nowners %v, %v\n", strings.Join(lines, "\n"), owners, err)
}

// called names a print by the spec that it is of: prints hash paths, and these
// differ.
func (s *suite) called(seen object.Observed, all []object.Object) string {
	for i, o := range all {
		if o.ID != seen.ID {
			continue
		}
		switch print := object.PrintOf(o.Spec); {
		case seen.Print == print:
			return fmt.Sprintf("#%d", i)
		case seen.Print.Identity == print.Identity:
			return fmt.Sprintf("like #%d", i)
		}
	}
	if seen.Print == (object.Print{}) {
		return "unknown"
	}
	return "another"
}
