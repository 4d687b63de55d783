package conformance_test

import (
	"testing"

	"coppice.dev/reconcile/conformance"
)

// What was found out about the kernel in memory holds of the real one as far as
// the two cannot be told apart.
func TestTheyCannotBeToldApart(t *testing.T) {
	machine := onThisMachine(t)
	taken, sequences := 0, sequences
	if testing.Short() {
		sequences /= 6
	}
	for seed := range int64(sequences) {
		memory, m := inMemory()
		taken += conformance.Compare(t, seed, 25, memory, machine, func() bool { return len(m.Violations()) > 0 })
		if t.Failed() {
			return
		}
	}
	t.Logf("%d sequences, %d steps", sequences, taken)
}

// sequences is how many are tried; many more have been, with other seeds.
const sequences = 60
