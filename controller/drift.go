package controller

import (
	"fmt"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"coppice.dev/reconcile"
	"coppice.dev/reconcile/compile"
	"coppice.dev/reconcile/object"
	"coppice.dev/reconcile/plan"
	"coppice.dev/spec"
	"coppice.dev/status"
)

// leaves reports whether what differs from what is wanted is left as it is, and tells
// of it then: of a suspended session, and of one whose drift is only to be told of.
func (p *pass) leaves(result compile.Result, bases answer) (bool, error) {
	if p.paused == "" {
		drifts, err := p.onlyTells()
		if err != nil || !drifts {
			return false, err
		}
	}
	left := plan.Make(result.Objects, p.world, plan.Policy{})
	if p.paused == "" && len(left.Steps) == 0 {
		return false, nil // as wanted: all else is as ever
	}
	p.looked(!doubtful(left.Held))
	if err := heldFault(left.Held); err != nil {
		p.fail(err)
		return true, nil
	}
	v := p.verdict(reconcile.Outcome{World: p.world, Held: left.Held}, len(result.Objects)+len(bases.objects), bases)
	what := differs(left)
	if v.Ready == metav1.ConditionTrue && !usable(left) {
		v.Ready, v.Note = metav1.ConditionFalse, status.Note{Reason: status.ReasonDrifted, Message: what}
	}
	if p.paused != "" {
		p.suspendedVerdict(&v, what)
	} else {
		p.drifted(&v, what)
	}
	p.finish(v)
	return true, nil
}

// drifted says what is not as wanted, and is only told of.
func (p *pass) drifted(v *status.Verdict, what string) {
	note := status.Note{Reason: status.ReasonDrifted, Message: what + "; it is left so by driftPolicy: Report, and repaired by coppice reconcile " + p.name}
	if v.Stalled == nil {
		v.Stalled = &note
	}
	p.drift = drift{metav1.ConditionFalse, note}
	p.report.remind(status.ReasonDrifted, what)
}

// onlyTells reports whether the session has drift, if any, that is only to be told
// of: it was as wanted once, since its manifest last changed, and it still has its
// root, which a reboot takes.
func (p *pass) onlyTells() (bool, error) {
	if p.record.Session.Session.DriftPolicy != spec.DriftReport || p.begun || p.forced != 0 || p.memory != remembered {
		return false, nil
	}
	if _, stands := p.world.Find(object.At(object.GroupRoot, "namespace")); !stands {
		return false, nil
	}
	mark, err := p.record.Mark()
	return p.record.Settled == mark, err
}

// settle remembers that the session is as wanted, if that matters, and reports
// whether the record has changed by it.
func (p *pass) settle(held []plan.Held) (bool, error) {
	if p.record.Session.Session.DriftPolicy != spec.DriftReport {
		changed := p.record.Settled != ""
		p.record.Settled = ""
		return changed, nil
	}
	if slices.ContainsFunc(held, inUse) {
		return false, nil // that is still to be done
	}
	mark, err := p.record.Mark()
	if err != nil || p.record.Settled == mark {
		return false, err
	}
	p.record.Settled = mark
	return true, nil
}

// inUse reports whether something is left alone only until those inside have left.
func inUse(h plan.Held) bool { return h.Cause == plan.CauseInUse }

// usable reports whether commands can be run in a session of which a plan says what
// is wrong with it.
func usable(p plan.Plan) bool {
	for _, s := range p.Steps {
		if s.ID.Address.Group() <= object.GroupRoot && s.Op != plan.Amend {
			return false
		}
	}
	return true
}

// differs says in a line what a plan would do, and why.
func differs(p plan.Plan) string {
	const most = 3
	var parts []string
	seen := map[object.Address]bool{}
	for _, s := range p.Steps {
		if !seen[s.ID.Address] {
			seen[s.ID.Address] = true
			parts = append(parts, fmt.Sprintf("%s: %s", s.ID.Address, s.Reason))
		}
	}
	if len(parts) > most {
		parts = append(parts[:most], fmt.Sprintf("and %d more", len(parts)-most))
	}
	return strings.Join(parts, "; ")
}
