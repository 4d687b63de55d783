package crashtest

import (
	"context"
	"errors"
	"maps"
	"slices"
	"testing"

	"coppice.dev/reconcile"
	"coppice.dev/reconcile/fake"
	"coppice.dev/reconcile/object"
	"coppice.dev/reconcile/plan"
)

// shared is what is wanted of several sessions: by name, the path that each
// stands on.
type shared map[string]string

// base returns the base whose objects are at the path, none for a folder.
func base(path string) (object.Object, bool) {
	switch path {
	case paths.BaseMount(imageKey):
		return at(object.BaseOwner(imageKey), object.GroupDevice, "image",
			object.Image{File: "/srv/base.img", FSType: "ext4", Path: path, ReadOnly: true}), true
	case paths.BaseTree(treeKey):
		return at(object.BaseOwner(treeKey), object.GroupLayer, "tree", object.Tree{Archive: "/srv/base.tar", Path: path}), true
	default:
		return object.Object{}, false
	}
}

func (w shared) session(name string) []object.Object {
	path, wanted := w[name]
	if !wanted {
		return nil
	}
	o, layer := object.SessionOwner(name), object.Layer{Path: path}
	rest := []object.Object{
		at(o, object.GroupWrite, "upper", object.Upper{Dir: paths.Upper(name), Work: paths.Work(name), Model: layer}),
		at(o, object.GroupRoot, "namespace", object.Namespace{
			Type: object.RootOverlay, Layers: []object.Layer{layer}, Upper: paths.Upper(name), Work: paths.Work(name),
		}),
		at(o, object.GroupView, "root", object.View{Path: paths.View(name)}),
	}
	home := at(o, object.GroupHome, "home", object.Home{Admitted: []byte(`"shared"`), Objects: rest})
	return append([]object.Object{home}, rest...)
}

// settle goes about it as the controller does: no base is ended before all
// sessions are as they should be.
func (w shared) settle(ctx context.Context, k reconcile.Kernel) error {
	one := func(o object.Owner, desired ...object.Object) error {
		out, err := reconcile.Converge(ctx, k, o, desired, plan.Policy{Replace: true}, reconcile.Trace{})
		if err == nil && len(out.Held) > 0 {
			return errHeld
		}
		return err
	}
	wanted := map[object.Owner]bool{}
	for _, path := range slices.Sorted(maps.Values(w)) {
		if b, is := base(path); is && !wanted[b.Owner] {
			wanted[b.Owner] = true
			if err := one(b.Owner, b); err != nil {
				return err
			}
		}
	}
	for _, name := range []string{"s", "t"} {
		if err := one(object.SessionOwner(name), w.session(name)...); err != nil {
			return err
		}
	}
	owners, err := k.Owners(ctx)
	for _, o := range owners {
		if o.Class == object.Base && !wanted[o] {
			err = errors.Join(err, one(o))
		}
	}
	return err
}

// TestSessionsThatShareABase crashes at every effect on the way between any two
// ways in which two sessions stand on bases. What one does must never take the
// base away from under the other.
func TestSessionsThatShareABase(t *testing.T) {
	t.Parallel()
	image, tree := paths.BaseMount(imageKey), paths.BaseTree(treeKey)
	all := []shared{
		{}, {"s": image}, {"s": image, "t": image}, {"s": tree, "t": tree}, {"s": image, "t": tree}, {"s": "/srv/a", "t": image},
	}
	reach := func(t *testing.T, m *fake.Machine, w shared) string {
		t.Helper()
		if err := w.settle(t.Context(), m.Start()); err != nil {
			t.Fatalf("to %v: %v\n%s", w, err, m.State())
		}
		innocent(t, m)
		return m.State()
	}
	crashes := 0
	for _, from := range all {
		for _, to := range all {
			calm := fake.New(sources...)
			reach(t, calm, from)
			calm.CrashAt(0, false)
			want := reach(t, calm, to)
			for n := range calm.Effects() {
				for _, after := range sides(n) {
					m := fake.New(sources...)
					reach(t, m, from)
					k := m.Start()
					m.CrashAt(n+1, after)
					if err := to.settle(t.Context(), k); !errors.Is(err, fake.ErrCrashed) {
						t.Fatalf("%v to %v, effect %d: error is %v", from, to, n+1, err)
					}
					crashes++
					if state := reach(t, m, to); state != want {
						t.Fatalf("%v to %v, crash at effect %d, after=%t: got\n%s\n\nwant\n%s", from, to, n+1, after, state, want)
					}
					if state := reach(t, m, all[0]); state != "" {
						t.Fatalf("%v to %v, crash at effect %d, after=%t: left\n%s", from, to, n+1, after, state)
					}
				}
			}
		}
	}
	t.Logf("%d pairs, %d crashes", len(all)*len(all), crashes)
}
