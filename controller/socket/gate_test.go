package socket

import "testing"

func TestGateGivesEachAShare(t *testing.T) {
	g := newGate(nil, nil)
	for i := range share {
		if !g.enter(1000) {
			t.Fatalf("connection %d is refused", i+1)
		}
	}
	if g.enter(1000) {
		t.Error("one more than the share is let in")
	}
	if !g.enter(1001) {
		t.Error("somebody else is refused for it")
	}
	g.left(1000)
	if !g.enter(1000) {
		t.Error("one left, and nobody is let in")
	}
	for range 2 * share {
		if !g.enter(0) {
			t.Fatal("root is refused")
		}
	}
	g.left(1001)
	if len(g.open) != 2 {
		t.Errorf("who has left is still counted: %v", g.open)
	}
}
