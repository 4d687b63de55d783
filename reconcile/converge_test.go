package reconcile_test

import (
	"context"
	"errors"
	"slices"
	"testing"

	"coppice.dev/reconcile"
	"coppice.dev/reconcile/fault"
	"coppice.dev/reconcile/object"
	"coppice.dev/reconcile/plan"
)

// scripted is a world of one owner in which steps do just what they say, but
// for those that a test makes fail or forget.
type scripted struct {
	there  map[object.Address]object.Object
	fails  map[object.Address]error
	undone object.Address // vanishes again before each look
	blind  map[object.Kind]string
	done   []string
}

func (s *scripted) Owners(context.Context) ([]object.Owner, error) { return nil, nil }

func (s *scripted) Observe(_ context.Context, owner object.Owner, _ []object.Object) object.World {
	delete(s.there, s.undone)
	w := object.World{Owner: owner, Blind: s.blind}
	for _, o := range s.there {
		w.Objects = append(w.Objects, object.Observed{ID: o.ID, Kind: o.Kind(), Print: object.PrintOf(o.Spec), Spec: o.Spec})
	}
	return w
}

func (s *scripted) Do(_ context.Context, step plan.Step) error {
	s.done = append(s.done, string(step.Op)+" "+string(step.ID.Address))
	if err := s.fails[step.ID.Address]; err != nil {
		return err
	}
	if step.Op == plan.Destroy {
		delete(s.there, step.ID.Address)
		if step.Kind() == object.KindNamespace {
			delete(s.there, "5-mounts/proc") // goes with its namespace
		}
		return nil
	}
	for _, o := range append(step.Contents, step.Object) {
		s.there[o.Address] = o
	}
	return nil
}

var sessionOwner = object.SessionOwner("s")

func wanted() []object.Object {
	at := func(a string, s object.Spec) object.Object {
		return object.Object{ID: object.ID{Owner: sessionOwner, Address: object.Address(a)}, Spec: s}
	}
	return []object.Object{
		at("0-home/home", object.Home{}),
		at("3-write/upper", object.Upper{Dir: "/u"}),
		at("4-root/namespace", object.Namespace{Type: object.RootOverlay}),
		at("5-mounts/proc", object.Mount{Type: "proc", Target: "/proc"}),
		at("7-view/root", object.View{Path: "/v"}),
	}
}

func converge(t *testing.T, k reconcile.Kernel, desired []object.Object) (reconcile.Outcome, error) {
	t.Helper()
	return reconcile.Converge(t.Context(), k, sessionOwner, desired, plan.Policy{}, reconcile.Trace{})
}

func TestConvergeThereAndBack(t *testing.T) {
	k := &scripted{there: map[object.Address]object.Object{}}
	for _, round := range []struct {
		name    string
		desired []object.Object
		want    []string
	}{
		{"made", wanted(), []string{"Create 0-home/home", "Create 3-write/upper", "Create 4-root/namespace", "Create 7-view/root"}},
		{"at rest", wanted(), nil},
		{"unmade", nil, []string{"Destroy 7-view/root", "Destroy 4-root/namespace", "Destroy 3-write/upper", "Destroy 0-home/home"}},
		{"gone", nil, nil},
	} {
		k.done = nil
		out, err := converge(t, k, round.desired)
		if err != nil {
			t.Fatalf("%s: %v", round.name, err)
		}
		if !slices.Equal(k.done, round.want) || len(out.Taken) != len(round.want) {
			t.Errorf("%s: took %q, want %q", round.name, k.done, round.want)
		}
	}
}

func TestConvergeStopsAtTheFirstFailure(t *testing.T) {
	broken := errors.New("broken")
	k := &scripted{there: map[object.Address]object.Object{}, fails: map[object.Address]error{"4-root/namespace": broken}}
	out, err := converge(t, k, wanted())
	if !errors.Is(err, broken) {
		t.Fatalf("error is %v, want %v", err, broken)
	}
	if len(out.Taken) != 2 || len(k.done) != 3 {
		t.Errorf("took %d steps of %q, want two that succeeded and one that failed", len(out.Taken), k.done)
	}
	k.fails, k.done = nil, nil
	if _, err := converge(t, k, wanted()); err != nil {
		t.Fatal(err)
	}
	if want := []string{"Create 4-root/namespace", "Create 7-view/root"}; !slices.Equal(k.done, want) {
		t.Errorf("took %q after the failure, want %q", k.done, want)
	}
}

func TestConvergeIsDoneWhenNothingIsLeftAndNotWhenNothingFailed(t *testing.T) {
	k := &scripted{there: map[object.Address]object.Object{}, undone: "3-write/upper"}
	_, err := converge(t, k, wanted())
	if fault.ReasonOf(err) != fault.Unsettled {
		t.Errorf("error is %v, want one with reason %s", err, fault.Unsettled)
	}
}

func TestConvergeLeavesWhatIsHeld(t *testing.T) {
	k := &scripted{there: map[object.Address]object.Object{}, blind: map[object.Kind]string{object.KindView: "it hid"}}
	for _, o := range wanted() {
		k.there[o.Address] = o
	}
	out, err := converge(t, k, nil)
	if err != nil {
		t.Fatal(err)
	}
	if len(out.Held) == 0 || len(k.there) < 4 {
		t.Errorf("held %v, left %d objects; want what a view might stand on to stay", out.Held, len(k.there))
	}
}

func TestConvergeEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	enough := errors.New("enough")
	cancel(enough)
	k := &scripted{there: map[object.Address]object.Object{}}
	_, err := reconcile.Converge(ctx, k, sessionOwner, wanted(), plan.Policy{}, reconcile.Trace{})
	if !errors.Is(err, enough) || len(k.done) != 0 {
		t.Errorf("error %v after %q, want %v and no step", err, k.done, enough)
	}
}
