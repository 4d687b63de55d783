package socket

import "testing"

func TestACrowdGivesEachAShare(t *testing.T) {
	const share = 256
	var g crowd
	for i := range share {
		if !g.enter(1000, share) {
			t.Fatalf("number %d is refused", i+1)
		}
	}
	if g.enter(1000, share) {
		t.Error("one more than the share is let in")
	}
	if !g.enter(1001, share) {
		t.Error("somebody else is refused for it")
	}
	g.left(1000)
	if !g.enter(1000, share) {
		t.Error("one left, and nobody is let in")
	}
	for range 2 * share {
		if !g.enter(0, share) {
			t.Fatal("root is refused")
		}
	}
	g.left(1001)
	if len(g.in) != 2 {
		t.Errorf("who has left is still counted: %v", g.in)
	}
}
