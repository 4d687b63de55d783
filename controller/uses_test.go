package controller_test

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"testing"
	"time"

	"coppice.dev/reconcile/object"
	"coppice.dev/reconcile/plan"
	"coppice.dev/status"
)

const opens = "openSource: true"

func TestASourceIsOpenedAlone(t *testing.T) {
	bubble(t, func(r *room) {
		r.write("c.yaml", directory("deb"), directory("other"))
		r.write("a.yaml", session("a", "deb"))
		r.phase("a", status.Ready)
		r.write("fix.yaml", session("fix", "deb", opens))
		says(t, r.phase("fix", status.Pending), "Ready=False/SourceInUse", "/srv/deb", "session a")
		// Who comes now comes after it, or it would never get its turn.
		r.write("b.yaml", session("b", "deb"))
		says(t, r.phase("b", status.Pending), "Ready=False/SourceOpen", "session fix waits to open")
		r.write("o.yaml", session("o", "other"))
		r.phase("o", status.Ready)
		if by := r.of("Chroot", "deb").Status.OpenedBy; by != "" {
			t.Errorf("deb is said to be opened by %q, which waits", by)
		}
		r.remove("a.yaml")
		r.wait(time.Second)
		f := r.phase("fix", status.Ready)
		if !f.Status.OpenSource {
			t.Error("it is not told that it opens the source")
		}
		happened(t, f, "Admitted", "has open for writing")
		if by := r.of("Chroot", "deb").Status.OpenedBy; by != "fix" {
			t.Errorf("deb is said to be opened by %q, want fix", by)
		}
		says(t, r.phase("b", status.Pending), "Ready=False/SourceOpen", "session fix has the source /srv/deb open")
		r.remove("fix.yaml")
		r.wait(time.Second)
		r.phase("b", status.Ready)
		if by := r.of("Chroot", "deb").Status.OpenedBy; by != "" {
			t.Errorf("deb is still said to be opened by %q", by)
		}
	})
}

// TestASourceStaysOpenAcrossRestarts has controllers come up that remember
// nothing, with those who want the source there before who has it.
func TestASourceStaysOpenAcrossRestarts(t *testing.T) {
	bubble(t, func(r *room) {
		r.write("c.yaml", directory("deb"))
		r.write("fix.yaml", session("fix", "deb", opens))
		r.phase("fix", status.Ready)
		for range 5 {
			r.write("a.yaml", session("a", "deb"), session("b", "deb", opens))
			r.restart()
			r.wait(time.Minute)
			r.phase("fix", status.Ready)
			says(t, r.phase("a", status.Pending), "Ready=False/SourceOpen", "fix")
			says(t, r.phase("b", status.Pending), "Ready=False/SourceInUse", "fix")
			r.remove("a.yaml")
		}
		// Its manifest is gone, and something of it still stands.
		r.world.change(func() {
			r.world.inside[object.SessionOwner("fix")] = []object.Process{{PID: 7, Command: "dpkg"}}
			r.world.fails["session/fix 6-inside/processes"] = fmt.Errorf("they do not go")
		})
		r.remove("fix.yaml")
		r.write("a.yaml", session("a", "deb"))
		r.phase("a", status.Pending)
		r.restart()
		r.wait(time.Minute)
		r.phase("a", status.Pending)
		r.world.change(func() { clear(r.world.fails) })
		r.wait(5 * time.Minute)
		r.phase("a", status.Ready)
	})
}

// TestASourceIsNotOpenedUnderARunningSession is the other way round.
func TestASourceIsNotOpenedUnderARunningSession(t *testing.T) {
	bubble(t, func(r *room) {
		r.write("c.yaml", directory("deb"))
		r.write("a.yaml", session("a", "deb"))
		r.phase("a", status.Ready)
		r.halt()
		r.write("fix.yaml", session("fix", "deb", opens))
		r.start()
		r.wait(time.Minute)
		says(t, r.phase("fix", status.Pending), "Ready=False/SourceInUse", "session a")
		// It cannot be looked at: nobody knows what it stands on.
		r.halt()
		r.world.change(func() { r.world.blind[object.SessionOwner("a")] = object.KindHome })
		r.start()
		r.wait(time.Minute)
		says(t, r.phase("fix", status.Pending), "Ready=False/SourceHeld", "not all sessions could be looked at")
		r.world.change(func() { clear(r.world.blind) })
		r.wait(time.Minute)
		says(t, r.phase("fix", status.Pending), "Ready=False/SourceInUse", "session a")
		r.remove("a.yaml")
		r.wait(time.Minute)
		r.phase("fix", status.Ready)
	})
}

// TestAnOpenSourceThatCannotBeSeenIsNotGrownFrom has the memory of the session
// be unreadable; its manifest says that it opens the source.
func TestAnOpenSourceThatCannotBeSeenIsNotGrownFrom(t *testing.T) {
	for _, lose := range []func(*world){
		func(w *world) { w.blind[object.SessionOwner("fix")] = object.KindHome },
		func(w *world) { w.torn[object.SessionOwner("fix")] = true; w.lost = true },
	} {
		bubble(t, func(r *room) {
			r.write("c.yaml", directory("deb"))
			r.write("fix.yaml", session("fix", "deb", opens))
			r.phase("fix", status.Ready)
			r.halt()
			r.world.change(func() { lose(r.world) })
			r.write("a.yaml", session("a", "deb"))
			r.start()
			r.wait(10 * time.Minute)
			says(t, r.phase("a", status.Pending), "Ready=False/SourceOpen", "fix")
		})
	}
}

func TestPlacesThatMeetAreOneSource(t *testing.T) {
	for _, row := range []struct{ name, chroot string }{
		{"the same folder by another name", manifest("Chroot", "c", "source: {directory: {path: /srv/deb/}};union: {type: none}")},
		{"a folder above", manifest("Chroot", "c", "source: {directory: {path: /srv}}")},
		{"a folder below", manifest("Chroot", "c", "source: {directory: {path: /srv/deb/opt}}")},
		{"a lower", manifest("Chroot", "c", "source: {directory: {path: /srv/other}};union: {type: overlay, lowers: [/srv/deb]}")},
		{"a plain folder", manifest("Chroot", "c", "source: {plain: {path: /srv/deb}}")},
	} {
		t.Run(row.name, func(t *testing.T) {
			bubble(t, func(r *room) {
				r.write("c.yaml", directory("deb"), row.chroot)
				r.write("fix.yaml", session("fix", "deb", opens))
				r.write("a.yaml", session("a", "c"))
				says(t, r.phase("a", status.Pending), "Ready=False/SourceOpen", "fix")
				r.remove("fix.yaml")
				r.wait(time.Second)
				r.phase("a", status.Ready)
				r.write("fix.yaml", session("fix", "deb", opens))
				says(t, r.phase("fix", status.Pending), "Ready=False/SourceInUse", "session a")
			})
		})
	}
}

func TestWhatStandsOnCopiesHoldsNoSourceUp(t *testing.T) {
	bubble(t, func(r *room) {
		r.write("c.yaml", manifest("Chroot", "snap", "source: {btrfsSnapshot: {subvolume: /srv/sub}}"))
		r.write("a.yaml", session("a", "snap"))
		r.phase("a", status.Ready)
		r.write("fix.yaml", session("fix", "snap", opens))
		r.phase("fix", status.Ready)
		for _, address := range r.world.addresses(object.SessionOwner("fix")) {
			if address == "1-device/snapshot" {
				t.Error("it has a snapshot, not the source")
			}
		}
		r.write("b.yaml", session("b", "snap"))
		says(t, r.phase("b", status.Pending), "Ready=False/SourceOpen", "fix")
	})
}

func TestAnImageIsOpenedAlone(t *testing.T) {
	bubble(t, func(r *room) {
		r.write("c.yaml", image("img", "overlay"))
		r.write("a.yaml", session("a", "img"))
		r.phase("a", status.Ready)
		r.write("fix.yaml", session("fix", "img", opens))
		says(t, r.phase("fix", status.Pending), "Ready=False/SourceInUse", "session a")
		r.restart()
		r.wait(time.Minute)
		says(t, r.phase("fix", status.Pending), "Ready=False/SourceInUse", "session a")
		r.remove("a.yaml")
		r.wait(10 * time.Second)
		r.phase("fix", status.Ready)
		r.write("b.yaml", session("b", "img"))
		says(t, r.phase("b", status.Pending), "Ready=False/SourceOpen", "fix")
		r.remove("fix.yaml")
		r.wait(10 * time.Second)
		r.phase("b", status.Ready)
	})
}

// TestAnArchiveIsSavedWhenNobodyIsInside and not before.
func TestAnArchiveIsSavedWhenNobodyIsInside(t *testing.T) {
	bubble(t, func(r *room) {
		fix := object.SessionOwner("fix")
		r.write("c.yaml", manifest("Chroot", "tar", "source: {file: {path: /srv/a.tar}}"))
		r.write("a.yaml", session("a", "tar"))
		r.write("fix.yaml", session("fix", "tar", opens))
		r.phase("a", status.Ready)
		if f := r.phase("fix", status.Ready); f.Status.Archive != "/srv/a.tar" || f.Status.Saved != 0 {
			t.Errorf("archive %q, saved %d times", f.Status.Archive, f.Status.Saved)
		}
		r.world.change(func() { r.world.inside[fix] = []object.Process{{PID: 7, Command: "dpkg"}} })
		r.write("fix.yaml", session("fix", "tar", opens, "save: 1"))
		r.wait(time.Minute)
		f := r.session("fix")
		says(t, f, "Reconciling=True/Waiting", "those inside have left", "dpkg")
		if f.Status.Saved != 0 {
			t.Error("it was saved while somebody was inside")
		}
		r.restart()
		r.wait(time.Minute)
		if f := r.session("fix"); f.Status.Saved != 0 {
			t.Error("it was saved after a restart while somebody was inside")
		}
		r.world.change(func() { delete(r.world.inside, fix) })
		r.wait(5 * time.Second)
		f = r.phase("fix", status.Ready)
		happened(t, f, "Saved", "/srv/a.tar")
		if f.Status.Saved != 1 {
			t.Errorf("saved %d times", f.Status.Saved)
		}
		// Nobody who goes is asked to save.
		r.world.taken()
		r.world.change(func() { r.world.inside[fix] = []object.Process{{PID: 7, Command: "dpkg"}} })
		r.write("fix.yaml", session("fix", "tar", opens, "save: 2"))
		r.remove("fix.yaml")
		r.wait(time.Minute)
		for _, step := range r.world.taken() {
			if step == string(plan.Amend)+" session/fix 2-layer/tree" {
				t.Error("it was saved on its way")
			}
		}
	})
}

func TestWhatCannotBeOpenedIsRefused(t *testing.T) {
	bubble(t, func(r *room) {
		r.write("c.yaml", manifest("Chroot", "host", "source: {directory: {path: /}}"))
		r.write("fix.yaml", session("fix", "host", opens))
		says(t, r.session("fix"), "Stalled=True/Conflict", "host's own root")
		// A running session does not begin to write to its source.
		r.write("d.yaml", directory("deb"))
		r.write("a.yaml", session("a", "deb"))
		r.write("a.yaml", session("a", "deb", opens))
		says(t, r.session("a"), "UpToDate=False/RecreateRequired", "spec.openSource")
		r.write("a.yaml", session("a", "deb", opens, "updateStrategy: Recreate"))
		r.wait(time.Second)
		if f := r.phase("a", status.Ready); !f.Status.OpenSource {
			t.Error("it was not made anew")
		}
	})
}

// TestSourceChurn has sessions that grow from a folder and that open it come and
// go, with restarts and failures between. The world checks at each step that
// nobody writes to what another stands on.
func TestSourceChurn(t *testing.T) {
	for seed := range uint64(4) {
		t.Run(strconv.FormatUint(seed, 10), func(t *testing.T) {
			bubble(t, func(r *room) {
				random := rand.New(rand.NewPCG(seed, 7))
				r.write("chroots.yaml", directory("deb"), directory("other"))
				there := map[string]bool{}
				for range 80 {
					name := string(rune('a' + random.IntN(6)))
					switch n := random.IntN(20); {
					case n < 10:
						more := []string{"updateStrategy: Recreate"}
						if random.IntN(3) == 0 {
							more = append(more, opens)
						}
						r.write(name+".yaml", session(name, []string{"deb", "deb", "other"}[random.IntN(3)], more...))
						there[name] = true
					case n < 16 && there[name]:
						r.remove(name + ".yaml")
						delete(there, name)
					case n == 16:
						r.restart()
					case n == 17:
						r.world.change(func() { r.world.fails["session/"+name+" 4-root/namespace"] = fmt.Errorf("for a while") })
					case n == 18:
						r.world.change(func() { clear(r.world.fails) })
					default:
						r.wait(time.Duration(random.IntN(60)) * time.Second)
					}
				}
				r.world.change(func() { clear(r.world.fails) })
				// All who are left get their turn when those before them go.
				for len(there) > 0 {
					r.wait(5 * time.Minute)
					ready := 0
					for name := range there {
						if r.session(name).Status.Phase == status.Ready {
							r.remove(name + ".yaml")
							delete(there, name)
							ready++
						}
					}
					if ready == 0 {
						for name := range there {
							t.Log(name, told(r.session(name)))
						}
						t.Fatal("they are in each other's way for ever")
					}
				}
				r.wait(time.Minute)
				if got := r.world.owners(); got != "" {
					t.Errorf("in the end there are %q", got)
				}
			})
		})
	}
}
