package crashtest

import (
	"slices"
	"testing"

	"coppice.dev/reconcile/fake"
	"coppice.dev/reconcile/object"
	"coppice.dev/reconcile/plan"
)

// A proof that cannot fail proves nothing: planners that are wrong are caught.
func TestWrongPlannersAreCaught(t *testing.T) {
	ascending := func(w object.World) []plan.Step {
		steps := plan.Make(nil, w, plan.Policy{}).Steps
		slices.Reverse(steps)
		return steps
	}
	sighted := func(w object.World) []plan.Step {
		w.Blind = nil
		return plan.Make(nil, w, plan.Policy{}).Steps
	}
	right := func(w object.World) []plan.Step { return plan.Make(nil, w, plan.Policy{}).Steps }
	for _, row := range []struct {
		name   string
		plan   func(object.World) []plan.Step
		blind  []object.Kind
		caught bool
	}{
		{"right", right, nil, false},
		{"right and blind", right, []object.Kind{object.KindView}, false},
		{"ascending destroys", ascending, nil, true},
		{"blindness for views ignored", sighted, []object.Kind{object.KindView}, true},
		{"blindness for hooks ignored", sighted, []object.Kind{object.KindHook}, true},
		{"blindness for namespaces ignored", sighted, []object.Kind{object.KindNamespace}, true},
	} {
		m := fake.New(sources...)
		i := slices.IndexFunc(worlds(), func(w world) bool { return w.name == "hooks and files" })
		reach(t, m, worlds()[i])
		k := m.Start()
		m.Blind(row.blind...)
		for _, step := range row.plan(k.Observe(t.Context(), owner, nil)) {
			_ = k.Do(t.Context(), step) // refusals are not what is looked for
		}
		if got := len(m.Violations()) > 0; got != row.caught {
			t.Errorf("%s: violations %q, want some: %t", row.name, m.Violations(), row.caught)
		}
	}
}
