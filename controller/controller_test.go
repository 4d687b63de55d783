package controller_test

import (
	"errors"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"coppice.dev/reconcile/fault"
	"coppice.dev/reconcile/object"
	"coppice.dev/status"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestThereAndBack(t *testing.T) {
	bubble(t, func(r *room) {
		r.write("all.yaml", directory("bookworm"), session("a", "bookworm"))
		f := r.phase("a", status.Ready)
		says(t, f, "Ready=True/Converged", "objects")
		says(t, f, "UpToDate=True/Current")
		happened(t, f, "Admitted", "bookworm", "minimal")
		happened(t, f, "Created")
		if f.Metadata.Generation != 1 || f.Status.ObservedGeneration != 1 || f.Metadata.UID == "" {
			t.Errorf("generation %d, observed %d, uid %q", f.Metadata.Generation, f.Status.ObservedGeneration, f.Metadata.UID)
		}
		if f.Status.Root != "/run/sessions/a/root" || f.Status.Chroot != "bookworm" || f.Status.Source.Document != 2 {
			t.Errorf("root %q, chroot %q, source %+v", f.Status.Root, f.Status.Chroot, f.Status.Source)
		}
		chroot := r.of("Chroot", "bookworm")
		says(t, chroot, "Ready=True/Valid")
		if !slices.Equal(chroot.Status.Sessions, []string{"a"}) {
			t.Errorf("the chroot knows of sessions %q", chroot.Status.Sessions)
		}
		says(t, r.of("Profile", "minimal"), "Ready=True/Valid")
		r.remove("all.yaml")
		if left := r.world.owners(); left != "" {
			t.Errorf("left: %s", left)
		}
		if f := r.session("a"); f.Kind != "" {
			t.Errorf("a status is left: %s", told(f))
		}
		if f := r.of("Chroot", "bookworm"); f.Kind != "" {
			t.Errorf("a status of the chroot is left: %s", told(f))
		}
	})
}

func TestAtRestThereIsNothingToDo(t *testing.T) {
	bubble(t, func(r *room) {
		r.write("all.yaml", directory("bookworm"), session("a", "bookworm"))
		r.phase("a", status.Ready)
		r.wait(time.Minute)
		r.world.taken()
		before, err := os.Stat(status.Path(r.status, "Session", "a"))
		if err != nil {
			t.Fatal(err)
		}
		r.wait(10 * time.Minute)
		if steps := r.world.taken(); len(steps) != 0 {
			t.Errorf("steps at rest: %q", steps)
		}
		after, err := os.Stat(status.Path(r.status, "Session", "a"))
		if err != nil || !os.SameFile(before, after) {
			t.Errorf("the status was written again (%v)", err)
		}
		r.restart()
		r.wait(time.Minute)
		if steps := r.world.taken(); len(steps) != 0 {
			t.Errorf("steps after a second start: %q", steps)
		}
	})
}

func TestAMissingChrootThenAppears(t *testing.T) {
	bubble(t, func(r *room) {
		r.write("a.yaml", session("a", "bookwrm"))
		says(t, r.phase("a", status.Pending), "Ready=False/ChrootNotFound", "bookwrm")
		r.write("c.yaml", directory("bookworm"))
		says(t, r.phase("a", status.Pending), "Ready=False/ChrootNotFound", `did you mean "bookworm"?`)
		r.write("c.yaml", strings.Replace(directory("bookworm"), "spec:", "spec:\n  aliases: [bookwrm]", 1))
		f := r.phase("a", status.Ready)
		if f.Status.Chroot != "bookworm" {
			t.Errorf("grown from %q", f.Status.Chroot)
		}
		r.write("b.yaml", session("b", "bookworm", "profileRef: {name: mine}"))
		says(t, r.phase("b", status.Pending), "Ready=False/ProfileNotFound", "mine")
		r.write("p.yaml", manifest("Profile", "mine", "mounts: [{type: proc, target: /proc}]"))
		r.phase("b", status.Ready)
	})
}

func TestAMissingSourceThenAppears(t *testing.T) {
	bubble(t, func(r *room) {
		r.missing["/srv/bookworm"] = true
		r.write("all.yaml", directory("bookworm"), session("a", "bookworm"))
		f := r.phase("a", status.Failed)
		says(t, f, "Ready=False/SourceMissing", "/srv/bookworm")
		says(t, f, "Stalled=True/SourceMissing")
		if f.Status.NextRetry == nil {
			t.Error("it is not told when it is tried again")
		}
		says(t, r.of("Chroot", "bookworm"), "Ready=False/SourceMissing")
		r.wait(20 * time.Minute) // the pauses are long by now
		r.world.change(func() { delete(r.missing, "/srv/bookworm") })
		r.wait(46 * time.Second)
		says(t, r.of("Chroot", "bookworm"), "Ready=True/Valid")
		f = r.phase("a", status.Ready)
		if f.Status.NextRetry != nil || f.Status.Condition("Stalled") != nil {
			t.Errorf("left of the failure: %s", told(f))
		}
	})
}

func TestABrokenManifestKeepsItsSession(t *testing.T) {
	bubble(t, func(r *room) {
		r.write("c.yaml", directory("bookworm"))
		good := session("a", "bookworm")
		r.write("a.yaml", good)
		uid := r.phase("a", status.Ready).Metadata.UID
		r.world.taken()
		for _, broken := range []string{"", "kind: [", strings.Replace(good, "chrootRef", "chrotRef", 1)} {
			r.write("a.yaml", broken)
			f := r.phase("a", status.Degraded)
			says(t, f, "Ready=True/Converged")
			says(t, f, "Stalled=True/InvalidManifest", "what it said before still holds")
			if f.Metadata.Generation != 1 || f.Metadata.UID != uid {
				t.Errorf("generation %d, uid %s", f.Metadata.Generation, f.Metadata.UID)
			}
			if m := r.of("Manifest", r.folder+"/a.yaml"); len(m.Status.Problems) == 0 {
				t.Errorf("the manifest %q has no status", broken)
			}
		}
		r.restart()
		f := r.phase("a", status.Degraded)
		says(t, f, "Ready=True/Converged")
		says(t, f, "Stalled=True/InvalidManifest")
		if steps := r.world.taken(); len(steps) != 0 {
			t.Errorf("steps for a broken manifest: %q", steps)
		}
		r.write("a.yaml", good)
		r.phase("a", status.Ready)
		if m := r.of("Manifest", r.folder+"/a.yaml"); m.Kind != "" {
			t.Errorf("the manifest is good and its status is left: %q", m.Status.Problems)
		}
		r.write("b.yaml", strings.Replace(session("b", "bookworm"), "chrootRef", "chrotRef", 1))
		says(t, r.phase("b", status.Failed), "Ready=False/InvalidManifest", "chrotRef")
		r.phase("a", status.Ready)
	})
}

func TestAFolderThatIsUnavailableDeletesNothing(t *testing.T) {
	bubble(t, func(r *room) {
		r.write("all.yaml", directory("bookworm"), session("a", "bookworm"))
		r.phase("a", status.Ready)
		if err := os.Rename(r.folder, r.folder+".away"); err != nil {
			t.Fatal(err)
		}
		r.refresh()
		check := func() {
			t.Helper()
			f := r.session("a")
			says(t, f, "Ready=True/Converged")
			says(t, f, "UpToDate=Unknown/ManifestUnavailable", r.folder)
			if r.world.owners() != "a" {
				t.Errorf("left: %q", r.world.owners())
			}
			if m := r.of("Manifest", r.folder); len(m.Status.Problems) == 0 {
				t.Error("the folder has no status")
			}
		}
		check()
		r.restart()
		r.wait(time.Minute)
		check()
		// One that nobody remembers is not swept either.
		r.halt()
		if err := os.RemoveAll(r.status); err != nil {
			t.Fatal(err)
		}
		r.start()
		r.wait(time.Minute)
		check()
		if err := os.Rename(r.folder+".away", r.folder); err != nil {
			t.Fatal(err)
		}
		r.refresh()
		says(t, r.phase("a", status.Ready), "UpToDate=True/Current")
	})
}

func TestARecordIsKeptAcrossARestart(t *testing.T) {
	bubble(t, func(r *room) {
		r.write("c.yaml", directory("bookworm"))
		r.write("a.yaml", session("a", "bookworm"))
		r.write("a.yaml", session("a", "bookworm", "user: alice"))
		before := r.phase("a", status.Ready)
		if before.Metadata.Generation != 2 {
			t.Errorf("generation %d after a change, want 2", before.Metadata.Generation)
		}
		r.remove("c.yaml")
		f := r.phase("a", status.Ready)
		says(t, f, "UpToDate=Unknown/ChrootNotFound", "keeps what it was admitted with")
		r.world.taken()
		r.restart()
		f = r.phase("a", status.Ready)
		if f.Metadata.UID != before.Metadata.UID || f.Metadata.Generation != 2 || len(f.Status.Events) < len(before.Status.Events) {
			t.Errorf("before %+v, after %+v", before.Metadata, f.Metadata)
		}
		if steps := r.world.taken(); len(steps) != 0 {
			t.Errorf("steps after a restart without the chroot: %q", steps)
		}
	})
}

func TestDriftIsRepairedAtOnce(t *testing.T) {
	bubble(t, func(r *room) {
		r.write("p.yaml", manifest("Profile", "mine", "mounts: [{type: proc, target: /proc}]"))
		r.write("all.yaml", directory("bookworm"), session("a", "bookworm", "profileRef: {name: mine}"))
		r.phase("a", status.Ready)
		owner := object.SessionOwner("a")
		r.world.change(func() { delete(r.world.there[owner], "5-mounts/proc") })
		r.controller.Touch(owner)
		r.wait(time.Second)
		f := r.phase("a", status.Ready)
		happened(t, f, "Repaired", "5-mounts/proc")
		if !slices.Contains(r.world.addresses(owner), "5-mounts/proc") {
			t.Error("the mount is not there")
		}
	})
}

func TestAnOrphanIsSwept(t *testing.T) {
	bubble(t, func(r *room) {
		r.write("all.yaml", directory("bookworm"), session("a", "bookworm"))
		r.phase("a", status.Ready)
		r.halt()
		if err := os.RemoveAll(r.status); err != nil {
			t.Fatal(err)
		}
		if err := os.Remove(r.folder + "/all.yaml"); err != nil {
			t.Fatal(err)
		}
		r.start()
		r.wait(time.Second)
		if r.world.owners() != "" {
			t.Errorf("left: %s", r.world.owners())
		}
	})
}

// TestALookThatFindsNothingNewHurriesNothing has a session that nobody knows to
// be wanted, and that fails: it is tried again in its own time, however often
// something happens in or beside the watched folders.
func TestALookThatFindsNothingNewHurriesNothing(t *testing.T) {
	bubble(t, func(r *room) {
		r.world.change(func() { r.world.fails["session/a 4-root/namespace"] = errors.New("for good") })
		r.write("c.yaml", directory("bookworm"))
		r.write("a.yaml", session("a", "bookworm"))
		r.phase("a", status.Failed)
		if err := os.Rename(r.folder, r.folder+".away"); err != nil {
			t.Fatal(err)
		}
		r.restart()
		tries := func() int {
			n := 0
			for _, e := range r.session("a").Status.Events {
				n += e.Count
			}
			return n
		}
		r.wait(time.Minute)
		before := tries()
		for range 50 {
			r.source.Refresh()
			r.wait(10 * time.Millisecond)
		}
		if more := tries() - before; more > 2 {
			t.Errorf("50 looks that found nothing new led to %d tries", more)
		}
	})
}

func TestAFailedStepIsToldAndTriedAgain(t *testing.T) {
	bubble(t, func(r *room) {
		r.world.change(func() {
			r.world.fails["session/a 4-root/namespace"] = &fault.Fault{Reason: fault.NoSpace, Doing: "mount", Hint: "free some"}
		})
		r.write("all.yaml", directory("bookworm"), session("a", "bookworm"), session("b", "bookworm"))
		f := r.phase("a", status.Failed)
		says(t, f, "Ready=False/NoSpace", "free some")
		says(t, f, "Reconciling=True/Retrying", "free some")
		r.phase("b", status.Ready)
		r.wait(time.Minute)
		f = r.session("a")
		if e := f.Status.Events[len(f.Status.Events)-1]; e.Reason != "NoSpace" || e.Count < 5 || e.Count > 15 {
			t.Errorf("after a minute the event is %+v, want between 5 and 15 tries", e)
		}
		r.wait(20 * time.Minute)
		if next := time.Until(r.session("a").Status.NextRetry.Time); next > 2*time.Minute {
			t.Errorf("the next try is in %s", next)
		}
		r.world.change(func() { clear(r.world.fails) })
		r.write("all.yaml", directory("bookworm"), session("a", "bookworm", "user: bob"), session("b", "bookworm"))
		r.phase("a", status.Ready) // at once: the manifest has changed
	})
}

func TestAFailureIsShownWhileItIsTriedAgain(t *testing.T) {
	bubble(t, func(r *room) {
		const step = "session/a 4-root/namespace"
		r.world.change(func() {
			r.world.fails[step] = &fault.Fault{Reason: fault.NoSpace, Doing: "mount", Hint: "free some"}
		})
		r.write("all.yaml", directory("bookworm"), session("a", "bookworm"))
		r.phase("a", status.Failed)
		free := make(chan struct{})
		r.world.change(func() {
			clear(r.world.fails)
			r.world.hangs[step] = free
		})
		r.wait(30 * time.Second)
		f := r.phase("a", status.Failed)
		says(t, f, "Ready=False/NoSpace", "free some")
		if f.Status.Step == nil || f.Status.Step.Address != "4-root/namespace" {
			t.Errorf("step %+v", f.Status.Step)
		}
		r.world.change(func() { clear(r.world.hangs) })
		close(free)
		r.wait(time.Second)
		r.phase("a", status.Ready)
		if f := r.session("a"); f.Status.NextRetry != nil {
			t.Errorf("ready, and tried again %s", f.Status.NextRetry)
		}
	})
}

func TestAHungStepHoldsUpNobodyElse(t *testing.T) {
	bubble(t, func(r *room) {
		free := make(chan struct{})
		r.world.change(func() {
			for _, name := range []string{"h1", "h2", "h3"} {
				r.world.hangs["session/"+name+" 4-root/namespace"] = free
			}
		})
		r.write("all.yaml", directory("bookworm"), session("h1", "bookworm"), session("h2", "bookworm"), session("h3", "bookworm"))
		r.wait(2 * time.Second)
		f := r.phase("h1", status.Provisioning)
		if f.Status.Step == nil || f.Status.Step.Address != "4-root/namespace" {
			t.Errorf("step %+v", f.Status.Step)
		}
		r.write("b.yaml", session("b", "bookworm"))
		r.wait(time.Minute) // both workers hang
		r.phase("b", status.Ready)
		says(t, r.session("h2"), "Reconciling=True/Progressing", "4-root/namespace", "has been running for")
		happened(t, r.session("h2"), "Slow")
		r.write("all.yaml", directory("bookworm"), session("h1", "bookworm"), session("h3", "bookworm"))
		r.wait(3 * time.Minute) // the steps run out of time
		happened(t, r.session("h1"), "TimedOut", "4-root/namespace", "within 3m")
		r.world.change(func() { clear(r.world.hangs) })
		close(free)
		r.wait(10 * time.Minute)
		r.phase("h1", status.Ready)
		r.phase("h3", status.Ready)
		if r.world.owners() != "b h1 h3" {
			t.Errorf("left: %s", r.world.owners())
		}
	})
}

func TestTermLetsAStepFinishAndLeavesSessions(t *testing.T) {
	bubble(t, func(r *room) {
		free := make(chan struct{})
		r.write("all.yaml", directory("bookworm"), session("a", "bookworm"))
		r.world.change(func() { r.world.hangs["session/b 3-write/upper"] = free })
		r.write("b.yaml", session("b", "bookworm"))
		go func() {
			time.Sleep(3 * time.Second)
			close(free)
		}()
		r.halt()
		if got := r.world.addresses(object.SessionOwner("b")); !slices.Equal(got, []string{"0-home/home", "3-write/upper"}) {
			t.Errorf("b has %q, want the step finished and no further one", got)
		}
		r.phase("a", status.Ready)
		r.start()
		r.wait(time.Second)
		r.phase("a", status.Ready)
		r.phase("b", status.Ready)
	})
}

func TestTermDoesNotWaitForever(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRoom(t)
		r.start()
		r.world.change(func() { r.world.hangs["session/a 3-write/upper"] = make(chan struct{}) })
		r.write("all.yaml", directory("bookworm"), session("a", "bookworm"))
		begun := time.Now()
		r.halt()
		if took := time.Since(begun); took > 15*time.Second {
			t.Errorf("it took %s to end", took)
		}
	})
}

func TestWaitPolicy(t *testing.T) {
	bubble(t, func(r *room) {
		r.write("c.yaml", directory("bookworm"))
		r.write("a.yaml", session("a", "bookworm", "deletionPolicy: Wait"))
		r.phase("a", status.Ready)
		owner := object.SessionOwner("a")
		r.world.change(func() {
			r.world.inside[owner] = []object.Process{{PID: 4711, Command: "make", UID: 0}}
			r.world.steps = nil
		})
		r.remove("a.yaml")
		f := r.phase("a", status.Terminating)
		says(t, f, "Ready=False/Terminating", "4711", "make")
		happened(t, f, "Terminating", "waits for those inside")
		if len(f.Status.Leases) != 1 || f.Status.Leases[0].Command != "make" || f.Status.Leases[0].User != "root" {
			t.Errorf("leases %+v", f.Status.Leases)
		}
		r.restart()
		r.wait(5 * time.Minute)
		r.phase("a", status.Terminating)
		if steps := r.world.taken(); len(steps) != 0 {
			t.Errorf("steps while somebody is inside: %q", steps)
		}
		r.world.change(func() { delete(r.world.inside, owner) })
		r.wait(5 * time.Second)
		if r.world.owners() != "" {
			t.Errorf("left: %s", r.world.owners())
		}
	})
}

// TestAnEndHeedsTheManifest has one edit that makes a session's root another and
// says that those inside are waited for no longer.
func TestAnEndHeedsTheManifest(t *testing.T) {
	bubble(t, func(r *room) {
		r.write("c.yaml", directory("bookworm"), directory("trixie"))
		r.write("a.yaml", session("a", "bookworm", "deletionPolicy: Wait"))
		uid := r.phase("a", status.Ready).Metadata.UID
		owner := object.SessionOwner("a")
		r.world.change(func() { r.world.inside[owner] = []object.Process{{PID: 4711, Command: "make", UID: 0}} })
		r.write("a.yaml", session("a", "trixie", "deletionPolicy: Wait", "updateStrategy: Recreate"))
		says(t, r.phase("a", status.Terminating), "Ready=False/Recreating", "4711")
		r.write("a.yaml", session("a", "trixie", "updateStrategy: Recreate"))
		if f := r.phase("a", status.Ready); f.Metadata.UID == uid {
			t.Error("it was not made anew")
		}
	})
}

func TestATTL(t *testing.T) {
	bubble(t, func(r *room) {
		r.write("c.yaml", directory("bookworm"))
		r.write("a.yaml", session("a", "bookworm", "ttl: 1h"))
		f := r.phase("a", status.Ready)
		if f.Status.Expires == nil {
			t.Fatal("it is not told when it expires")
		}
		uid := f.Metadata.UID
		r.wait(59 * time.Minute)
		r.phase("a", status.Ready)
		r.wait(2 * time.Minute)
		says(t, r.phase("a", status.Expired), "Ready=False/Expired", "ttl")
		if got := r.world.addresses(object.SessionOwner("a")); !slices.Equal(got, []string{"0-home/home"}) {
			t.Errorf("left: %q, want the home alone", got)
		}
		r.restart()
		r.wait(time.Minute)
		r.phase("a", status.Expired)
		r.write("a.yaml", session("a", "bookworm", "ttl: 5h"))
		if f := r.phase("a", status.Ready); f.Metadata.UID == uid {
			t.Error("the session that begins anew has the old identity")
		}
		r.remove("a.yaml")
		if r.world.owners() != "" {
			t.Errorf("left: %s", r.world.owners())
		}
	})
}

// A session that is given a time to live when it is older than that ends at once:
// there is nothing to doubt about a clock that was watched.
func TestATTLThatIsOverWhenItIsGiven(t *testing.T) {
	bubble(t, func(r *room) {
		r.write("c.yaml", directory("bookworm"))
		r.write("a.yaml", session("a", "bookworm"))
		r.phase("a", status.Ready)
		r.wait(2 * time.Hour)
		r.write("a.yaml", session("a", "bookworm", "ttl: 1h"))
		r.phase("a", status.Expired)
	})
}

func TestOnDeleteReportsAndRecreateDoes(t *testing.T) {
	bubble(t, func(r *room) {
		r.write("c.yaml", directory("old"), directory("new"))
		r.write("a.yaml", session("a", "old"))
		uid := r.phase("a", status.Ready).Metadata.UID
		r.world.taken()
		r.write("a.yaml", session("a", "new"))
		f := r.phase("a", status.Ready)
		says(t, f, "UpToDate=False/RecreateRequired", "spec.chrootRef.name", "Recreate")
		if f.Status.Chroot != "old" || f.Metadata.UID != uid || f.Status.ObservedGeneration != 2 {
			t.Errorf("chroot %q, uid %q, observed %d", f.Status.Chroot, f.Metadata.UID, f.Status.ObservedGeneration)
		}
		// What can be changed in place is.
		r.write("a.yaml", session("a", "new", "profile: {mounts: [{type: tmpfs, target: /tmp}]}"))
		f = r.phase("a", status.Ready)
		happened(t, f, "Changed", "5-mounts/tmp")
		r.write("a.yaml", session("a", "new", "updateStrategy: Recreate"))
		f = r.phase("a", status.Ready)
		says(t, f, "UpToDate=True/Current")
		happened(t, f, "Recreating", "spec.chrootRef.name")
		if f.Status.Chroot != "new" || f.Metadata.UID == uid {
			t.Errorf("chroot %q, uid %q", f.Status.Chroot, f.Metadata.UID)
		}
	})
}

func TestABlindHomeIsLeftAlone(t *testing.T) {
	bubble(t, func(r *room) {
		r.write("all.yaml", directory("bookworm"), session("a", "bookworm"))
		r.phase("a", status.Ready)
		owner := object.SessionOwner("a")
		r.world.change(func() { r.world.blind[owner] = object.KindHome; r.world.steps = nil })
		r.controller.Touch(owner)
		r.remove("all.yaml")
		r.wait(time.Minute)
		f := r.session("a")
		says(t, f, "Ready=Unknown/Blind", "home of session a")
		if steps := r.world.taken(); len(steps) != 0 {
			t.Errorf("steps in the dark: %q", steps)
		}
		r.world.change(func() { clear(r.world.blind) })
		r.wait(2 * time.Minute)
		if r.world.owners() != "" {
			t.Errorf("left: %s", r.world.owners())
		}
	})
}

func TestARootInUseIsNotTakenAway(t *testing.T) {
	bubble(t, func(r *room) {
		r.write("all.yaml", directory("bookworm"), session("a", "bookworm"))
		r.phase("a", status.Ready)
		owner := object.SessionOwner("a")
		r.world.change(func() {
			r.world.inside[owner] = []object.Process{{PID: 4711}}
			delete(r.world.there[owner], "3-write/upper")
			r.world.steps = nil
		})
		r.controller.Touch(owner)
		r.wait(time.Minute)
		f := r.phase("a", status.Degraded)
		says(t, f, "Ready=False/InUse", "4-root/namespace")
		says(t, f, "Reconciling=True/Repairing")
		r.world.change(func() { delete(r.world.inside, owner) })
		r.wait(5 * time.Second)
		r.phase("a", status.Ready)
	})
}

func TestWhatCannotBeSeenIsNotTouched(t *testing.T) {
	bubble(t, func(r *room) {
		r.write("all.yaml", directory("bookworm"), session("a", "bookworm"))
		r.phase("a", status.Ready)
		owner := object.SessionOwner("a")
		r.world.change(func() { r.world.blind[owner] = object.KindNamespace; r.world.steps = nil })
		r.controller.Touch(owner)
		r.wait(time.Second)
		says(t, r.phase("a", status.Failed), "Ready=Unknown/Blind", "Namespace")
		r.remove("all.yaml")
		r.wait(time.Minute)
		says(t, r.phase("a", status.Terminating), "Reconciling=True/Terminating", "Namespace")
		if !slices.Contains(r.world.addresses(owner), "0-home/home") {
			t.Error("the home went before what nobody could see")
		}
		r.world.change(func() { clear(r.world.blind) })
		r.wait(3 * time.Minute)
		if r.world.owners() != "" {
			t.Errorf("left: %s", r.world.owners())
		}
	})
}

func TestALostRecordIsWrittenAgain(t *testing.T) {
	bubble(t, func(r *room) {
		r.write("c.yaml", directory("old"), directory("new"))
		r.write("a.yaml", session("a", "old"))
		uid := r.phase("a", status.Ready).Metadata.UID
		owner := object.SessionOwner("a")
		tear := func() {
			r.halt()
			r.world.change(func() { r.world.torn[owner] = true; r.world.steps = nil })
			r.start()
		}
		tear()
		if f := r.phase("a", status.Ready); f.Metadata.UID != uid {
			t.Errorf("it has another identity")
		}
		if steps := r.world.taken(); !slices.Equal(steps, []string{"Amend session/a 0-home/home"}) {
			t.Errorf("steps %q, want the record written and nothing else", steps)
		}
		// With another manifest nobody knows what the root stands on.
		tear()
		r.write("a.yaml", session("a", "new"))
		r.world.change(func() { r.world.torn[owner] = true; r.world.steps = nil })
		r.restart()
		f := r.phase("a", status.Failed)
		says(t, f, "Ready=False/RecordLost", "delete the session")
		says(t, f, "Stalled=True/RecordLost")
		if steps := r.world.taken(); len(steps) != 0 {
			t.Errorf("steps %q", steps)
		}
		r.write("a.yaml", session("a", "new", "updateStrategy: Recreate"))
		if f := r.phase("a", status.Ready); f.Status.Chroot != "new" {
			t.Errorf("grown from %q", f.Status.Chroot)
		}
	})
}

// A limited upper stays in what it was made in, whatever the machine offers by now, and
// shrinks in place where it can.
func TestWhatLimitsAnUpperStays(t *testing.T) {
	for _, quotas := range []bool{false, true} {
		bubble(t, func(r *room) {
			owner, kind := object.SessionOwner("a"), map[bool]string{false: "Store", true: "Quota"}
			limited := func(size string) string {
				return manifest("Session", "a", "chroot: {source: {directory: {path: /srv}}, union: {upper: {size: "+size+"}}}")
			}
			lies := func() {
				t.Helper()
				f := r.phase("a", status.Ready)
				if !slices.ContainsFunc(f.Status.Objects, func(o status.Object) bool { return o.Kind == kind[quotas] }) {
					t.Errorf("with quotas %t it is made of %+v", quotas, f.Status.Objects)
				}
			}
			r.quotas = quotas
			r.write("a.yaml", limited("2Gi"))
			lies()
			r.halt()
			r.quotas = !quotas
			r.world.change(func() { r.world.torn[owner] = true; r.world.steps = nil })
			r.start()
			lies()
			if steps := r.world.taken(); !slices.Equal(steps, []string{"Amend session/a 0-home/home"}) {
				t.Errorf("steps %q, want the record written and nothing else", steps)
			}
			r.write("a.yaml", limited("1Gi"))
			want := "UpToDate=False/RecreateRequired"
			if quotas {
				want = "UpToDate=True/Current"
			}
			says(t, r.phase("a", status.Ready), want)
		})
	}
}

func TestStatusIsThereAtOnce(t *testing.T) {
	bubble(t, func(r *room) {
		free := make(chan struct{})
		defer close(free)
		r.world.change(func() { r.world.hangs["session/a 0-home/home"] = free })
		r.write("all.yaml", directory("bookworm"), session("a", "bookworm"))
		f := r.phase("a", status.Provisioning)
		says(t, f, "Ready=False/Provisioning")
		says(t, f, "Reconciling=True/Progressing")
	})
}

func TestASurpriseIsNoStall(t *testing.T) {
	bubble(t, func(r *room) {
		r.world.change(func() { r.world.fails["session/a 0-home/home"] = errors.New("surprise") })
		r.write("all.yaml", directory("bookworm"), session("a", "bookworm"))
		f := r.phase("a", status.Failed)
		says(t, f, "Ready=False/Error", "surprise")
		if f.Status.Condition("Stalled") != nil {
			t.Error("it is stalled")
		}
	})
}
