// Package conformance is the one suite that every reconcile.Kernel passes: the
// real one, and the one in memory that thousands of worlds are tried out on.
// What holds in memory can be believed of the machine only as far as this suite
// reaches.
package conformance

import (
	"context"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"coppice.dev/reconcile"
	"coppice.dev/reconcile/layout"
	"coppice.dev/reconcile/object"
	"coppice.dev/reconcile/plan"
)

// Harness is one kernel under test, with nothing on it.
type Harness struct {
	Layout layout.Layout
	// Start returns the kernel as a process that was just started has it, with
	// no memory of the one before.
	Start func() reconcile.Kernel
	// Directory is a folder with a root file system, Shared another folder, and
	// File a file, all of the host's.
	Directory, Shared, File string
	// Image, Archive and Snapshot are what a base or a session can be made from,
	// with no place to go to yet.
	Image    object.Image
	Disk     object.Disk
	Archive  object.Tree
	Snapshot object.Snapshot
	// Fixed is set where a limited upper in a store cannot grow.
	Fixed bool
	// NoQuota says why the file system of the state folder counts no projects; "" if it
	// does.
	NoQuota string
	// Hand breaks things.
	Hand Hand
}

// Hand does what somebody does who does not ask the daemon. Each does nothing
// where there is nothing to do it to, or the kernel refuses it.
type Hand interface {
	// DropPin unmounts the pin of a session's namespace; its file stays.
	DropPin(session string)
	// Unmount, Mount and Remount work on what is mounted at a target inside: they
	// take it away, put a tmpfs of somebody else's there, give it other attributes.
	Unmount(session, target string)
	Mount(session, target string)
	Remount(session, target string, flags ...string)
	// UnmountView and UnmountBase leave an empty mount point.
	UnmountView(session string)
	UnmountBase(key string)
	// UnmountStore takes away the mount that a session's limited upper lies in.
	UnmountStore(session string)
	// ChangeLimit gives a session's upper that a quota limits another limit.
	ChangeLimit(session string, size int64)
	// TearRecord empties a home's record, LoseJournal removes its journal.
	TearRecord(session string)
	LoseJournal(session string)
	// StandInView keeps a session's view busy, until Leave.
	StandInView(session string)
	Leave()
}

// suite is one run of a scenario.
// Place is a folder that is in a harness's Directory, Nowhere one that is not.
const (
	Place   = "/place"
	Nowhere = "/nowhere"
)

type suite struct {
	*testing.T
	Harness
	kernel reconcile.Kernel
	owner  object.Owner
}

// Run runs every scenario, each with a harness of its own.
func Run(t *testing.T, harness func(*testing.T) Harness) {
	for name, scenario := range map[string]func(*suite){
		"one by one":             (*suite).oneByOne,
		"nothing to stand on":    (*suite).nothingToStandOn,
		"of the absent":          (*suite).ofTheAbsent,
		"made twice":             (*suite).madeTwice,
		"settings change":        (*suite).settingsChange,
		"mounts come and go":     (*suite).mountsComeAndGo,
		"two sessions":           (*suite).twoSessions,
		"there and back":         (*suite).thereAndBack,
		"from any step to none":  (*suite).fromAnyStepToNone,
		"from any step to whole": (*suite).fromAnyStepToWhole,
		"bases":                  (*suite).bases,
		"shared bases":           (*suite).sharedBases,
		"snapshots":              (*suite).snapshots,
		"limited uppers":         (*suite).limitedUppers,
		"counted uppers":         (*suite).countedUppers,
		"broken by hand":         (*suite).brokenByHand,
		"a busy view":            (*suite).busyView,
		"an opened source":       (*suite).openedSource,
	} {
		t.Run(name, func(t *testing.T) {
			h := harness(t)
			scenario(&suite{t, h, h.Start(), object.SessionOwner("s")})
		})
	}
}

// ctx outlives the test's own, so that what comes last can be unmade.
func (s *suite) ctx() context.Context { return context.WithoutCancel(s.Context()) }

func (s *suite) at(g object.Group, name string, spec object.Spec) object.Object {
	return object.Object{ID: object.ID{Owner: s.owner, Address: object.At(g, name)}, Spec: spec}
}

// session is what the scenarios make: everything that a session can be made of
// on a folder.
func (s *suite) session() []object.Object {
	name := s.owner.Name
	layer := object.Layer{Path: s.Directory}
	rest := []object.Object{
		s.at(object.GroupWrite, "upper", object.Upper{Dir: s.Layout.Upper(name), Work: s.Layout.Work(name), Model: layer}),
		s.at(object.GroupRoot, "namespace", object.Namespace{
			Type: object.RootOverlay, Layers: []object.Layer{layer}, Upper: s.Layout.Upper(name), Work: s.Layout.Work(name),
		}),
		s.at(object.GroupMounts, "/shared", object.Mount{Type: "bind", Source: s.Shared, Target: "/shared"}),
		s.at(object.GroupMounts, "/tmp", object.Mount{Type: "tmpfs", Target: "/tmp", Flags: []string{"nosuid"}, Size: 1 << 20}),
		s.at(object.GroupMounts, "/tmp/deep", object.Mount{Type: "tmpfs", Target: "/tmp/deep"}),
		s.at(object.GroupInside, "processes", object.Processes{}),
		s.at(object.GroupView, "root", object.View{Path: s.Layout.View(name)}),
		s.at(object.GroupTask, "1-file/copied", object.File{Source: s.File, Target: "/copied"}),
		s.at(object.GroupTask, "3-hook/000-hook", object.Hook{Name: "hook", Phase: "setup", Command: []string{"/bin/true"}, Undo: []string{"/bin/true"}, Timeout: 1e10}),
	}
	home := s.at(object.GroupHome, "home", object.Home{Admitted: []byte(`"first"`), Objects: rest})
	return append([]object.Object{home}, rest...)
}

// steps are what makes the session, as the planner has it.
func (s *suite) steps(desired []object.Object) []plan.Step {
	return plan.Make(desired, object.World{Owner: s.owner}, plan.Policy{}).Steps
}

func (s *suite) do(step plan.Step) {
	s.Helper()
	if err := s.kernel.Do(s.ctx(), step); err != nil {
		s.Fatalf("%s: %v", step, err)
	}
}

// refuses wants a step to fail and to leave the world as it was.
func (s *suite) refuses(step plan.Step, desired []object.Object) {
	s.Helper()
	before := s.look(desired)
	if err := s.kernel.Do(s.ctx(), step); err == nil {
		s.Errorf("%s: no error", step)
	}
	if diff := cmp.Diff(before, s.look(desired)); diff != "" {
		s.Errorf("%s failed, and the world is another (-before +after):\n%s", step, diff)
	}
}

// look returns what is there, and with which print.
func (s *suite) look(desired []object.Object) map[object.Address]string {
	s.Helper()
	world := s.kernel.Observe(s.ctx(), s.owner, desired)
	if len(world.Blind) > 0 {
		s.Fatalf("could not look: %v", world.Blind)
	}
	seen := map[object.Address]string{}
	for _, o := range world.Objects {
		seen[o.Address] = o.Print.String()
		if o.Damage != "" {
			seen[o.Address] = "damaged: " + o.Damage
		}
	}
	return seen
}

// want returns what is to be seen of whole objects.
func want(objects ...object.Object) map[object.Address]string {
	wanted := map[object.Address]string{}
	for _, o := range objects {
		wanted[o.Address] = object.PrintOf(o.Spec).String()
	}
	return wanted
}

func (s *suite) sees(what string, desired []object.Object, wanted ...object.Object) {
	s.Helper()
	if diff := cmp.Diff(want(wanted...), s.look(desired)); diff != "" {
		s.Errorf("%s (-want +seen):\n%s", what, diff)
	}
}

// converge takes the owner to what is desired and returns how many steps it took.
func (s *suite) converge(desired []object.Object) int {
	s.Helper()
	out, err := reconcile.Converge(s.ctx(), s.kernel, s.owner, desired, plan.Policy{}, reconcile.Trace{})
	if err != nil || len(out.Held) > 0 {
		s.Fatalf("converge: %v, held %v", err, out.Held)
	}
	return len(out.Taken)
}

func (s *suite) owners(wanted ...object.Owner) {
	s.Helper()
	owners, err := s.kernel.Owners(s.ctx())
	if err != nil || !slices.Equal(owners, wanted) {
		s.Errorf("owners %v, %v, want %v", owners, err, wanted)
	}
}
