package reconcile

import (
	"context"
	"fmt"
	"strings"

	"coppice.dev/reconcile/fault"
	"coppice.dev/reconcile/object"
	"coppice.dev/reconcile/plan"
)

// rounds is how often Converge looks before it gives up. A world at rest needs
// one look, a change two; a few more leave room for what others change
// meanwhile.
const rounds = 8

// Outcome is what became of a convergence.
type Outcome struct {
	// World is the last look that was taken. After an error steps may have
	// been taken since.
	World object.World
	// Held is what differs and was left alone.
	Held []plan.Held
	// Taken are the steps that succeeded.
	Taken []plan.Step
}

// Trace is told of each step. Both functions may be nil; they must not block.
type Trace struct {
	Begin func(plan.Step)
	End   func(plan.Step, error)
}

// Converge observes, plans and acts until the plan is empty: done is a look that
// finds nothing left to do, never a call that returned no error. It stops at the
// first step that fails; what was done stays, and the next call goes on from
// there.
func Converge(ctx context.Context, k Kernel, owner object.Owner, desired []object.Object, policy plan.Policy, trace Trace) (Outcome, error) {
	return ConvergeFrom(ctx, k, k.Observe(ctx, owner, desired), desired, policy, trace)
}

// ConvergeFrom is Converge from a look that was just taken, with the same objects in mind.
func ConvergeFrom(ctx context.Context, k Kernel, world object.World, desired []object.Object, policy plan.Policy, trace Trace) (Outcome, error) {
	var out Outcome
	var last plan.Plan
	owner := world.Owner
	for round := range rounds {
		if round > 0 {
			world = k.Observe(ctx, owner, desired)
		}
		out.World = world
		last = plan.Make(desired, out.World, policy)
		out.Held = last.Held
		if len(last.Steps) == 0 {
			return out, nil
		}
		for _, step := range last.Steps {
			if err := context.Cause(ctx); err != nil {
				return out, fmt.Errorf("%s %s: %w", strings.ToLower(string(step.Op)), step.ID, err)
			}
			if err := take(ctx, k, step, trace); err != nil {
				return out, err
			}
			out.Taken = append(out.Taken, step)
		}
	}
	return out, &fault.Fault{
		Reason: fault.Unsettled,
		Doing:  fmt.Sprintf("converge %s: after %d rounds there is still to do: %s", owner, rounds, last.Steps[0]),
		Hint:   "something else on this machine undoes it; it is tried again later",
	}
}

func take(ctx context.Context, k Kernel, step plan.Step, trace Trace) error {
	if trace.Begin != nil {
		trace.Begin(step)
	}
	err := k.Do(ctx, step)
	if trace.End != nil {
		trace.End(step, err)
	}
	if err != nil {
		return fmt.Errorf("%s %s: %w", strings.ToLower(string(step.Op)), step.ID.Address, err)
	}
	return nil
}
