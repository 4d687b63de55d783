package controller_test

import (
	"math/rand"
	"slices"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"coppice.dev/reconcile/fake"
	"coppice.dev/status"
)

// TestWrecks has sessions come and go on a machine that is wrecked, with
// daemons that die at any step, and checks that nothing happens that must never
// happen, that all is well when the trouble is over, and that nothing is left.
func TestWrecks(t *testing.T) {
	for seed := range int64(4) {
		t.Run(strconv.FormatInt(seed, 10), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRoom(t)
				r.machine = fake.New("/srv/image", "/srv/a.tar", "/srv/dir")
				r.world.layout = r.machine.Layout
				wreck(r, rand.New(rand.NewSource(seed)))
			})
		})
	}
}

func wreck(r *room, random *rand.Rand) {
	clean := r.machine.State()
	r.start()
	defer func() { r.halt() }()
	r.write("chroots.yaml", image("ro", "overlay"), image("rw", "none"), directory("dir"),
		manifest("Chroot", "tar", "source: {file: {path: /srv/a.tar}};union: {type: overlay}"))
	chroots := []string{"ro", "rw", "dir", "tar"}
	there := map[string]bool{}
	for range 60 {
		name := string(rune('a' + random.Intn(4)))
		switch n := random.Intn(20); {
		case n < 6:
			strategy := []string{"OnDelete", "Recreate"}[random.Intn(2)]
			r.write(name+".yaml", session(name, chroots[random.Intn(4)], "updateStrategy: "+strategy))
			there[name] = true
		case n < 9 && there[name]:
			r.remove(name + ".yaml")
			delete(there, name)
		case n < 11:
			r.machine.CrashAt(1+random.Intn(12), random.Intn(2) == 0)
		case n < 14:
			r.restart()
		case n < 18:
			r.machine.Wreck(random, name)
		default:
			r.wait(time.Duration(random.Intn(60)) * time.Second)
		}
	}
	r.machine.Relieve()
	r.machine.CrashAt(0, false)
	r.restart()
	r.wait(10 * time.Minute)
	for name := range there {
		f := r.session(name)
		excuses := []string{"SourceHeld", "RecordLost"} // both need a person
		if f.Status.Phase != status.Ready && !slices.Contains(excuses, f.Status.Condition("Ready").Reason) {
			r.t.Errorf("%s is %s: %s", name, f.Status.Phase, told(f))
		}
		r.remove(name + ".yaml")
	}
	r.wait(10 * time.Minute)
	for _, v := range r.machine.Violations() {
		r.t.Error("this must never happen: " + v)
	}
	if state := r.machine.State(); state != clean {
		r.t.Errorf("in the end there is\n%s\nwant\n%s", state, clean)
	}
}
