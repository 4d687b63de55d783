package fake_test

import (
	"errors"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"coppice.dev/reconcile"
	"coppice.dev/reconcile/fake"
	"coppice.dev/reconcile/fault"
	"coppice.dev/reconcile/object"
	"coppice.dev/reconcile/plan"
)

var (
	_     reconcile.Kernel = (*fake.Kernel)(nil)
	owner                  = object.SessionOwner("s")
	paths                  = fake.New().Layout
)

func at(g object.Group, name string, s object.Spec) object.Object {
	return object.Object{ID: object.ID{Owner: owner, Address: object.At(g, name)}, Spec: s}
}

var (
	home  = at(object.GroupHome, "home", object.Home{})
	upper = at(object.GroupWrite, "upper", object.Upper{Dir: paths.Upper("s"), Work: paths.Work("s"), Model: object.Layer{Path: "/srv/a"}})
	room  = at(object.GroupRoot, "namespace", object.Namespace{
		Type: object.RootOverlay, Layers: []object.Layer{{Path: "/srv/a"}}, Upper: paths.Upper("s"), Work: paths.Work("s"),
	})
	view = at(object.GroupView, "root", object.View{Path: filepath.Clean(paths.View("s"))})
)

func create(o object.Object) plan.Step { return plan.Step{Op: plan.Create, ID: o.ID, Object: o} }

func destroy(o object.Object) plan.Step {
	return plan.Step{Op: plan.Destroy, ID: o.ID, Seen: object.Observed{ID: o.ID, Kind: o.Kind()}}
}

func TestStepsAreRefusedAsTheKernelRefusesThem(t *testing.T) {
	for _, row := range []struct {
		name     string
		steps    []plan.Step
		want     error
		violates bool
	}{
		{"in order", []plan.Step{create(home), create(upper), create(room), create(view)}, nil, false},
		{"there and back", []plan.Step{create(home), create(upper), create(room), destroy(room), destroy(upper), destroy(home)}, nil, false},
		{"a home twice", []plan.Step{create(home), create(home)}, syscall.EEXIST, false},
		{"an upper without a home", []plan.Step{create(upper)}, syscall.ENOENT, false},
		{"a root without an upper", []plan.Step{create(home), create(room)}, syscall.ENOENT, false},
		{"a view of nothing", []plan.Step{create(view)}, syscall.ENOENT, false},
		{"a root twice", []plan.Step{create(home), create(upper), create(room), create(room)}, syscall.EEXIST, false},
		{"an upper mounted twice", []plan.Step{create(home), create(upper), create(room), create(view), destroy(room), create(room)}, syscall.EBUSY, false},
		{"an upper under a live root", []plan.Step{create(home), create(upper), create(room), destroy(upper)}, nil, true},
		{"an upper under a live view", []plan.Step{create(home), create(upper), create(room), create(view), destroy(room), destroy(upper)}, nil, true},
		{"what is absent", []plan.Step{destroy(view), destroy(room), destroy(upper), destroy(home)}, nil, false},
	} {
		m := fake.New("/srv/a")
		k := m.Start()
		var err error
		for _, s := range row.steps {
			if err != nil {
				t.Fatalf("%s: %v before %v", row.name, err, s)
			}
			err = k.Do(t.Context(), s)
		}
		if !errors.Is(err, row.want) {
			t.Errorf("%s: error %v, want %v", row.name, err, row.want)
		}
		if v := m.Violations(); (len(v) > 0) != row.violates {
			t.Errorf("%s: violations %q, want some: %t", row.name, v, row.violates)
		}
		if errors.Is(row.want, syscall.EBUSY) && fault.ReasonOf(err) != fault.Busy {
			t.Errorf("%s: reason %s, want %s", row.name, fault.ReasonOf(err), fault.Busy)
		}
	}
}

func TestACrashKillsTheDaemonAndNotTheMachine(t *testing.T) {
	for _, row := range []struct {
		after bool
		want  string
	}{{false, ""}, {true, "home s torn"}} {
		m := fake.New()
		k := m.Start()
		m.CrashAt(1, row.after)
		for range 2 {
			if err := k.Do(t.Context(), create(home)); !errors.Is(err, fake.ErrCrashed) {
				t.Errorf("after=%t: error %v, want %v", row.after, err, fake.ErrCrashed)
			}
		}
		if state := m.State(); !strings.HasPrefix(state, row.want) || row.want == "" && state != "" {
			t.Errorf("after=%t: state %q, want %q", row.after, state, row.want)
		}
		if w := m.Start().Observe(t.Context(), owner, nil); len(w.Blind) > 0 || len(w.Objects) > 1 {
			t.Errorf("a new daemon sees %v", w)
		}
	}
}

func TestFaultsAndBlindness(t *testing.T) {
	m := fake.New()
	k := m.Start()
	m.FailAt(1, syscall.EIO)
	if err := k.Do(t.Context(), create(home)); !errors.Is(err, syscall.EIO) {
		t.Errorf("error %v, want %v", err, syscall.EIO)
	}
	if err := k.Do(t.Context(), create(home)); err != nil {
		t.Errorf("a fault came twice: %v", err)
	}
	m.Blind(object.KindHome)
	if w := k.Observe(t.Context(), owner, nil); w.Blind[object.KindHome] == "" || len(w.Objects) > 0 || w.Empty() {
		t.Errorf("blind for homes, it saw %v", w)
	}
	m.Blind()
	if w := k.Observe(t.Context(), owner, nil); len(w.Objects) != 1 || len(w.Blind) > 0 {
		t.Errorf("with its sight back, it saw %v", w)
	}
}
