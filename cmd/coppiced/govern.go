package main

import (
	"context"
	"fmt"

	"coppice.dev/controller"
	"coppice.dev/controller/socket/wire"
	"coppice.dev/manifests"
	"coppice.dev/reconcile/object"
	"coppice.dev/reconcile/plan"
	"coppice.dev/spec"
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

// Foresee implements socket.Host. What is asked for is taken for what apply would put
// there, which a reboot sweeps away.
func (h *host) Foresee(ctx context.Context, given []spec.Object) []wire.Forecast {
	var items []wire.Forecast
	for _, f := range h.controller.Foresee(ctx, given, true) {
		items = append(items, shownForecast(f))
	}
	return items
}

// shownForecast is a forecast as the socket tells it.
func shownForecast(f controller.Forecast) wire.Forecast {
	item := wire.Forecast{Session: f.Session, Problem: f.Problem, Gone: f.Gone, Anew: f.Anew, Left: f.Left, Fields: f.Fields}
	own := object.SessionOwner(f.Session)
	for _, p := range f.Plans {
		owner := ""
		if p.Owner != own {
			owner = p.Owner.String()
		}
		for _, s := range p.Steps {
			step := wire.Step{Operation: string(s.Op), Owner: owner, Address: string(s.ID.Address), Kind: string(s.Kind()), Name: s.Seen.Name, Reason: s.Reason}
			item.Steps = append(item.Steps, step)
			for _, inside := range s.Contents {
				item.Steps = append(item.Steps, wire.Step{
					Operation: string(plan.Create), Owner: owner, Address: string(inside.Address), Kind: string(inside.Kind()),
					Reason: fmt.Sprintf("it is made with %s", s.ID.Address),
				})
			}
		}
		for _, held := range p.Held {
			item.Steps = append(item.Steps, wire.Step{Operation: "Hold", Owner: owner, Address: string(held.ID.Address), Reason: held.Reason})
		}
	}
	return item
}
