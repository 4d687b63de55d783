package main

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"coppice.dev/cmd/internal/terminal"
	"coppice.dev/status"
)

// phaseGone is what is said of an object that is no more.
const phaseGone status.Phase = "Gone"

// styleOf is how it is shown how an object is.
func styleOf(s status.Status) terminal.Style {
	switch {
	case s.Phase == status.Ready:
		return terminal.Good
	case s.Phase == status.Expired, s.Phase == phaseGone:
		return terminal.Faint
	case s.Suspended():
		return terminal.Held
	case s.Phase == status.Failed, condition(s, status.ConditionStalled).Status == metav1.ConditionTrue:
		return terminal.Bad
	}
	return terminal.Waiting
}

// styleOfCondition is how it is shown what a condition says of an object that has that
// style itself.
func styleOfCondition(c metav1.Condition, own terminal.Style) terminal.Style {
	wanted := metav1.ConditionFalse
	if c.Type == status.ConditionReady || c.Type == status.ConditionUpToDate {
		wanted = metav1.ConditionTrue
	}
	switch {
	case c.Status == wanted && wanted == metav1.ConditionTrue:
		return terminal.Good
	case c.Status == wanted:
		return terminal.Plain
	case c.Type == status.ConditionStalled:
		return terminal.Bad
	case c.Type == status.ConditionSuspended:
		return terminal.Held
	case c.Type == status.ConditionReady && own != terminal.Good:
		return own
	}
	return terminal.Waiting
}

// styleOfEvent is how an event is shown.
func styleOfEvent(kind string) terminal.Style {
	if kind == status.EventWarning {
		return terminal.Waiting
	}
	return terminal.Plain
}
