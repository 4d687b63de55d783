package controller

import (
	"testing"

	"coppice.dev/controller/budget"
)

// TestWhatIsGivenBack: what was counted a moment ago does for who begins, but nobody is
// refused for the sake of sessions that have gone since.
func TestWhatIsGivenBack(t *testing.T) {
	mounts, looks := 85, 0
	l := newLine()
	l.counted, l.limits = true, budget.Limits{Mounts: 100}
	l.look = func() budget.Host {
		looks++
		return budget.Host{Loops: -1, Mounts: mounts, MostMounts: 1000}
	}
	for i, step := range []struct {
		ask, leave string
		frees      int
		enters     bool
		looks      int
	}{
		{ask: "a", enters: true, looks: 1},
		{ask: "b", leave: "a", frees: 10, enters: true, looks: 1}, // both fit into what was counted
		{ask: "c", leave: "b", frees: 10, enters: true, looks: 2}, // by what was counted it would not
		{ask: "d", enters: true, looks: 2},
		{ask: "e", enters: true, looks: 2},
		{ask: "f", enters: true, looks: 2},
		{ask: "g", enters: true, looks: 2},
		{ask: "h", looks: 2}, // nothing has come back since
	} {
		if step.leave != "" {
			l.leaves(step.leave)
			mounts -= step.frees
		}
		refusal, _, _ := l.ask(step.ask, l.since, budget.Needs{Mounts: 7})
		if !refusal.Refused() != step.enters || looks != step.looks {
			t.Errorf("step %d: %s is refused: %t %s; %d looks, want %d", i, step.ask, refusal.Refused(), refusal.Message, looks, step.looks)
		}
	}
}
