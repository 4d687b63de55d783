package controller

import (
	"context"
	"errors"
	"testing"
	"time"

	"coppice.dev/reconcile/layout"
	"coppice.dev/status"
)

func TestMoves(t *testing.T) {
	for name, row := range map[string]struct {
		pace        Pace
		alive, hung bool
	}{
		"nothing to do":               {Pace{}, true, false},
		"long ago":                    {Pace{Last: time.Hour}, true, false},
		"much to do":                  {Pace{Waiting: 9000, Oldest: time.Hour, Last: time.Second}, true, false},
		"it has just come":            {Pace{Waiting: 1, Oldest: time.Second, Last: time.Hour}, true, false},
		"nobody takes it":             {Pace{Waiting: 1, Oldest: 2 * stuck, Last: 2 * stuck}, false, false},
		"some hang, and nobody helps": {Pace{Waiting: 1, Oldest: 2 * stuck, Last: 2 * stuck, Hanging: 4}, false, false},
		"all hang that there may be":  {Pace{Waiting: 1, Oldest: 2 * stuck, Last: 2 * stuck, Hanging: mostHelpers}, false, true},
		"all hang, and nothing to do": {Pace{Hanging: mostHelpers}, true, false},
	} {
		err := row.pace.moves()
		if (err == nil) != row.alive || errors.Is(err, ErrHung) != row.hung {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestLockedOut: a lock that nobody gives back is a death, until it is given back.
func TestLockedOut(t *testing.T) {
	writer, err := status.New(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	c := New(nil, layout.Layout{}, writer)
	defer c.queue.close()
	c.probe.limit = time.Minute
	if err := c.Alive(t.Context()); err != nil {
		t.Errorf("at rest: %v", err)
	}
	c.claims.mu.Lock()
	c.probe.limit = time.Millisecond
	if err := c.Alive(t.Context()); err == nil {
		t.Error("a controller that has locked itself out counts as alive")
	}
	gone, leave := context.WithCancel(t.Context())
	leave()
	if err := c.Alive(gone); err != nil {
		t.Errorf("nobody wants to know: %v", err)
	}
	c.claims.mu.Unlock()
	c.probe.limit = time.Minute
	if err := c.Alive(t.Context()); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}
