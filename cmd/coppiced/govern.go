package main

import (
	"cmp"
	"context"

	"coppice.dev/controller"
	"coppice.dev/controller/socket"
	"coppice.dev/controller/socket/wire"
	"coppice.dev/manifests"
	"coppice.dev/reconcile/object"
	"coppice.dev/reconcile/plan"
)

// Reconcile implements socket.Host.
func (h *host) Reconcile(session string) bool { return h.controller.Reconcile(session) }

// Suspend implements socket.Host.
func (h *host) Suspend(session, why string) error {
	if err := h.suspensions().Suspend(session, why); err != nil {
		return err
	}
	h.controller.Look(session)
	return nil
}

// Resume implements socket.Host.
func (h *host) Resume(session string) error {
	if err := h.suspensions().Resume(session); err != nil {
		return err
	}
	h.controller.Look(session)
	return nil
}

func (h *host) suspensions() manifests.Suspensions {
	return manifests.Suspensions{Folder: h.layout.Suspensions()}
}

// Foresee implements socket.Host.
func (h *host) Foresee(ctx context.Context, s socket.Supposition) ([]wire.Forecast, error) {
	supposed := controller.Supposition{Given: s.Given, Ephemeral: !s.Lasting}
	for _, k := range s.Without {
		supposed.Without = append(supposed.Without, manifests.Key{Kind: k.Kind, Name: k.Name})
	}
	forecasts, err := h.controller.Foresee(ctx, supposed)
	var items []wire.Forecast
	for _, f := range forecasts {
		items = append(items, shownForecast(f))
	}
	return items, err
}

// shownForecast is a forecast as the socket tells it.
func shownForecast(f controller.Forecast) wire.Forecast {
	item := wire.Forecast{
		Session: f.Session, Outcome: string(f.Outcome), Why: f.Why, Problem: f.Problem, Left: f.Left, Waits: f.Waits, Fields: f.Fields,
	}
	own := object.SessionOwner(f.Session)
	for _, p := range f.Plans {
		owner := ""
		if p.Owner != own {
			owner = p.Owner.String()
		}
		for _, s := range p.Steps {
			for _, step := range shownSteps(owner, s) {
				step.Name = cmp.Or(step.Name, p.Source)
				item.Steps = append(item.Steps, step)
			}
		}
		for _, held := range p.Held {
			item.Steps = append(item.Steps, wire.Step{Operation: wire.OperationHold, Owner: owner, Address: string(held.ID.Address), Name: p.Source, Reason: held.Reason})
		}
	}
	return item
}

// operations are those of steps, in the words of the socket.
var operations = map[plan.Op]string{
	plan.Create: wire.OperationCreate, plan.Amend: wire.OperationAmend, plan.Destroy: wire.OperationDestroy,
}

// shownSteps is a step, and one for each object that is made with it.
func shownSteps(owner string, s plan.Step) []wire.Step {
	steps := []wire.Step{{
		Operation: operations[s.Op], Owner: owner, Address: string(s.ID.Address), Kind: string(s.Kind()), Name: s.Seen.Name, Reason: s.Reason,
	}}
	for _, inside := range s.Contents {
		steps = append(steps, wire.Step{
			Operation: wire.OperationCreate, Owner: owner, Address: string(inside.Address), Kind: string(inside.Kind()), Reason: s.Reason,
		})
	}
	return steps
}
