package controller_test

import (
	"sync/atomic"
	"testing"
	"time"

	"coppice.dev/controller"
	"coppice.dev/status"
)

const years = 30 * 365 * 24 * time.Hour

// clocked is a bubble whose time of day is off by what set was last given.
func clocked(t *testing.T, test func(r *room, set func(time.Duration))) {
	t.Helper()
	var off atomic.Int64
	bubble(t, func(r *room) {
		r.set = func(c *controller.Controller) {
			c.Clock = func() time.Time { return time.Now().Add(time.Duration(off.Load())) }
		}
		r.restart()
		test(r, func(d time.Duration) { off.Store(int64(d)) })
	})
}

func TestTheClockIsSetWhileSessionsRun(t *testing.T) {
	for name, jump := range map[string]time.Duration{"forward": years, "backward": -years, "a little forward": 2 * time.Hour} {
		t.Run(name, func(t *testing.T) {
			clocked(t, func(r *room, set func(time.Duration)) {
				r.write("c.yaml", directory("bookworm"))
				r.write("a.yaml", session("a", "bookworm", "ttl: 1h"))
				r.phase("a", status.Ready)
				r.wait(30 * time.Minute)
				set(jump)
				r.wait(29 * time.Minute)
				r.phase("a", status.Ready)
				r.write("b.yaml", session("b", "bookworm", "ttl: 1h"))
				r.wait(2 * time.Minute)
				says(t, r.phase("a", status.Expired), "Ready=False/Expired", "ttl")
				r.wait(56 * time.Minute)
				r.phase("b", status.Ready)
				r.wait(3 * time.Minute)
				r.phase("b", status.Expired)
			})
		})
	}
}

// After a boot the clock is ahead by years, until it is set right.
func TestTheClockIsWrongAtTheStart(t *testing.T) {
	for name, mended := range map[string]bool{"and is set right": true, "and stays": false} {
		t.Run(name, func(t *testing.T) {
			clocked(t, func(r *room, set func(time.Duration)) {
				r.write("c.yaml", directory("bookworm"))
				r.write("a.yaml", session("a", "bookworm", "ttl: 1h"))
				r.write("forever.yaml", session("forever", "bookworm"))
				r.wait(10 * time.Minute)
				set(years)
				r.restart()
				r.wait(time.Minute)
				f := r.phase("a", status.Ready)
				happened(t, f, "Overdue", "by the clock", "it goes at", "ttl is raised")
				says(t, f, "Reconciling=True/Waiting", "by the clock")
				before := len(f.Status.Events)
				r.wait(7 * time.Minute)
				f = r.phase("a", status.Ready)
				if len(f.Status.Events) != before {
					t.Errorf("it is told again and again: %s", told(f))
				}
				if !mended {
					r.wait(3 * time.Minute)
					says(t, r.phase("a", status.Expired), "Ready=False/Expired", "ttl")
					r.restart()
					r.wait(time.Minute)
					r.phase("a", status.Expired)
					r.phase("forever", status.Ready)
					return
				}
				set(0)
				r.wait(30 * time.Minute) // 49 of its 60 minutes by now
				if f := r.phase("a", status.Ready); f.Status.Condition(status.ConditionReconciling) != nil {
					t.Errorf("its clock is right again: %s", told(f))
				}
				r.wait(13 * time.Minute)
				r.phase("a", status.Expired)
			})
		})
	}
}

// A clock that is behind at the start cannot tell how old a session is: it
// lives as long again, not for ever.
func TestTheClockIsBehindAtTheStart(t *testing.T) {
	clocked(t, func(r *room, set func(time.Duration)) {
		r.write("c.yaml", directory("bookworm"))
		r.write("a.yaml", session("a", "bookworm", "ttl: 1h"))
		r.wait(10 * time.Minute)
		set(-years)
		r.restart()
		r.wait(58 * time.Minute)
		r.phase("a", status.Ready)
		r.wait(3 * time.Minute)
		r.phase("a", status.Expired)
	})
}
