package crashtest

import (
	"errors"
	"math/rand"
	"strings"
	"syscall"
	"testing"

	"coppice.dev/reconcile/fake"
	"coppice.dev/reconcile/object"
)

// machines returns how many machines are wrecked.
func machines() int64 {
	if thorough {
		return 20000
	}
	return 2000
}

// recovers settles until it succeeds; what only others can end, they end.
func recovers(t *testing.T, m *fake.Machine, w world) {
	t.Helper()
	// Each of three hooks may be undone three times in vain before it is given up.
	err := settle(t.Context(), m.Start(), w)
	for tries := 0; err != nil && tries < 12; tries++ {
		m.Relieve()
		err = settle(t.Context(), m.Start(), w)
	}
	if err != nil {
		t.Fatalf("to %s: %v\n%s", w.name, err, m.State())
	}
}

func TestWreckedMachinesRecover(t *testing.T) {
	t.Parallel()
	all := worlds()
	var wrecks, crashes, faults, toNothing int
	for seed := range machines() {
		r := rand.New(rand.NewSource(seed))
		m := fake.New(sources...)
		m.Plant()
		others := m.Foreign()
		for range 1 + r.Intn(3) {
			w := all[r.Intn(len(all))]
			k := m.Start()
			switch r.Intn(4) {
			case 0:
				m.CrashAt(1+r.Intn(25), r.Intn(2) == 0)
				crashes++
			case 1:
				m.FailAt(1+r.Intn(25), []error{syscall.EIO, syscall.ENOSPC, syscall.EBUSY}[r.Intn(3)])
				faults++
			}
			// Whatever becomes of this; what must never happen is checked below.
			_ = settle(t.Context(), k, w)
			m.CrashAt(0, false)
			m.FailAt(0, nil)
			for range r.Intn(5) {
				m.Wreck(r, session)
				wrecks++
			}
		}
		to := all[r.Intn(len(all))]
		if len(to.objects) == 0 {
			toNothing++
		}
		recovers(t, m, to)
		at := m.State()
		if again := reach(t, m, to); again != at {
			t.Fatalf("seed %d: %s is not at rest: \n%s\n\n%s", seed, to.name, at, again)
		}
		recovers(t, m, all[0])
		if left := m.State(); left != "" {
			t.Fatalf("seed %d: left over after %s:\n%s", seed, to.name, left)
		}
		if v := m.Violations(); len(v) > 0 {
			t.Fatalf("seed %d, to %s: %q", seed, to.name, v)
		}
		if m.Foreign() != others {
			t.Fatalf("seed %d: other people's things were touched:\n%s", seed, m.Foreign())
		}
	}
	t.Logf("%d machines, %d wrecks by hand, up to %d crashes and %d faults set, %d straight to nothing", machines(), wrecks, crashes, faults, toNothing)
}

func TestAFaultAnywhereIsOvercome(t *testing.T) {
	all, faults := worlds(), 0
	for _, w := range all[1:] {
		calm := fake.New(sources...)
		want := reach(t, calm, w)
		for n := range calm.Effects() {
			m := fake.New(sources...)
			k := m.Start()
			m.FailAt(n+1, syscall.EIO)
			if err := settle(t.Context(), k, w); !errors.Is(err, syscall.EIO) {
				t.Fatalf("%s, effect %d: error is %v", w.name, n+1, err)
			}
			faults++
			if err := settle(t.Context(), k, w); err != nil || m.State() != want {
				t.Fatalf("%s, effect %d: %v\n%s", w.name, n+1, err, m.State())
			}
			innocent(t, m)
		}
	}
	t.Logf("%d faults", faults)
}

var kinds = []object.Kind{
	object.KindHome, object.KindImage, object.KindSnapshot, object.KindVolume, object.KindDisk, object.KindTree, object.KindStore, object.KindQuota, object.KindUpper, object.KindNamespace,
	object.KindMount, object.KindProcesses, object.KindView, object.KindFile, object.KindHook,
}

func TestBlindnessIsNeverEmptiness(t *testing.T) {
	t.Parallel()
	all, looks := worlds(), 0
	for _, from := range all {
		for _, to := range all {
			calm := fake.New(sources...)
			reach(t, calm, from)
			want := reach(t, calm, to)
			for _, blind := range kinds {
				m := fake.New(sources...)
				reach(t, m, from)
				k := m.Start()
				m.Blind(blind)
				err := settle(t.Context(), k, to)
				if err != nil && !errors.Is(err, errHeld) {
					t.Errorf("%s to %s, blind for %s: %v", from.name, to.name, blind, err)
				}
				innocent(t, m)
				m.Blind()
				looks++
				if state := reach(t, m, to); once(state) != once(want) {
					t.Fatalf("%s to %s, after blindness for %s: got\n%s\n\nwant\n%s", from.name, to.name, blind, state, want)
				}
				reach(t, m, all[0])
				innocent(t, m)
			}
		}
	}
	t.Logf("%d convergences with a kind unseen", looks)
}

// once leaves out what recover hooks did: a root that had to be kept at first may
// have been made again since.
func once(state string) string {
	return strings.Replace(state, "mark session/s:8-task/3-hook/001-b\n", "", 1)
}
