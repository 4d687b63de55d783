package crashtest

import (
	"testing"

	"coppice.dev/reconcile/fake"
)

// sides says whether to crash before and after the n-th effect, from 0. Before one
// is the same moment as after the one before it: with the race detector, which
// makes all of this ten times slower, that is left out.
func sides(n int) []bool {
	if thorough || n == 0 {
		return []bool{false, true}
	}
	return []bool{true}
}

func TestACrashAtAnyEffectChangesNothingAboutTheEnd(t *testing.T) {
	t.Parallel()
	all, crashes, pairs := worlds(), 0, 0
	for _, from := range all {
		for _, to := range all {
			t.Run(from.name+" to "+to.name, func(t *testing.T) {
				calm := fake.New(sources...)
				reach(t, calm, from)
				calm.CrashAt(0, false)
				want := reach(t, calm, to)
				effects := calm.Effects()
				innocent(t, calm)
				fresh := fake.New(sources...)
				if state := reach(t, fresh, to); state != want {
					t.Errorf("the way there shows: fresh\n%s\n\nand from %s\n%s", state, from.name, want)
				}
				pairs++
				for n := range effects {
					for _, after := range sides(n) {
						m := fake.New(sources...)
						m.Plant()
						others := m.Foreign()
						reach(t, m, from)
						k := m.Start()
						m.CrashAt(n+1, after)
						if err := settle(t.Context(), k, to); err == nil {
							t.Fatalf("effect %d: no crash", n+1)
						}
						crashes++
						if state := reach(t, m, to); state != want {
							t.Fatalf("crash at effect %d, after=%t: got\n%s\n\nwant\n%s", n+1, after, state, want)
						}
						if state := reach(t, m, all[0]); state != "" {
							t.Fatalf("crash at effect %d, after=%t: left\n%s", n+1, after, state)
						}
						innocent(t, m)
						if m.Foreign() != others {
							t.Fatal("other people's things were touched")
						}
					}
				}
			})
		}
	}
	t.Logf("%d pairs of worlds, %d crashes", pairs, crashes)
}
