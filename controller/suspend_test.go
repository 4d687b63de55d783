package controller_test

import (
	"errors"
	"maps"
	"slices"
	"testing"
	"time"

	"coppice.dev/controller"
	"coppice.dev/manifests"
	"coppice.dev/reconcile/object"
	"coppice.dev/spec"
	"coppice.dev/status"
)

// annotated is a session with an annotation.
func annotated(name, chroot, key, value string, lines string) string {
	return "apiVersion: coppice.dev/v1alpha1\nkind: Session\nmetadata: {name: " + name + ", annotations: {" + key + ": \"" + value + "\"}}\n" +
		"spec: {chrootRef: {name: " + chroot + "}, " + lines + "}\n"
}

const mine = "mounts: [{type: proc, target: /proc}]"

// lose takes a session's mount away, as somebody else would, and has it looked at.
func (r *room) lose(owner object.Owner) {
	r.world.change(func() { delete(r.world.there[owner], "5-mounts/proc") })
	r.controller.Touch(owner)
	r.wait(time.Minute)
}

// there reports whether the mount is.
func (r *room) there(owner object.Owner) bool {
	return slices.Contains(r.world.addresses(owner), "5-mounts/proc")
}

func TestDriftIsReported(t *testing.T) {
	bubble(t, func(r *room) {
		a := object.SessionOwner("a")
		r.write("p.yaml", manifest("Profile", "mine", mine))
		r.write("all.yaml", directory("bookworm"), session("a", "bookworm", "profileRef: {name: mine}", "driftPolicy: Report"))
		r.phase("a", status.Ready)
		r.lose(a)
		f := r.phase("a", status.Degraded)
		says(t, f, "Ready=True/Converged")
		says(t, f, "Stalled=True/Drifted", "5-mounts/proc: it is not there", "coppice reconcile a")
		says(t, f, "UpToDate=False/Drifted")
		r.restart()
		r.wait(time.Minute)
		if r.phase("a", status.Degraded); r.there(a) {
			t.Error("a restart has repaired it")
		}
		if !r.controller.Reconcile("a") || r.controller.Reconcile("b") {
			t.Error("session a is not known, or b is")
		}
		r.wait(time.Second)
		if r.phase("a", status.Ready); !r.there(a) {
			t.Error("it was not repaired when somebody asked for it")
		}
		// What cannot be used is said to be so.
		r.world.change(func() { delete(r.world.there[a], "3-write/upper") })
		r.controller.Touch(a)
		r.wait(time.Minute)
		says(t, r.session("a"), "Ready=False/Drifted", "3-write/upper")
	})
}

// TestReportIsNoExcuse has a session made to the end that was not whole when the
// controller went, and again when the machine was started anew.
func TestReportIsNoExcuse(t *testing.T) {
	bubble(t, func(r *room) {
		a := object.SessionOwner("a")
		r.world.change(func() { r.world.fails["session/a 7-view/root"] = errors.New("no") })
		r.write("all.yaml", directory("bookworm"), session("a", "bookworm", "driftPolicy: Report", "expose: Tree"))
		r.wait(time.Second)
		r.restart()
		r.world.change(func() { delete(r.world.fails, "session/a 7-view/root") })
		r.wait(10 * time.Minute)
		r.phase("a", status.Ready)
		// A reboot leaves what is on disk.
		r.halt()
		r.world.change(func() {
			maps.DeleteFunc(r.world.there[a], func(at object.Address, _ object.Object) bool { return at.Group() >= object.GroupRoot })
		})
		r.start()
		r.wait(time.Minute)
		r.phase("a", status.Ready)
	})
}

func TestReconcileAt(t *testing.T) {
	bubble(t, func(r *room) {
		a := object.SessionOwner("a")
		r.write("p.yaml", manifest("Profile", "mine", mine), directory("bookworm"))
		r.write("a.yaml", annotated("a", "bookworm", spec.ReconcileAtAnnotation, "1", "profileRef: {name: mine}, driftPolicy: Report"))
		if at := r.phase("a", status.Ready).Status.LastHandledReconcileAt; at != "1" {
			t.Errorf("heeded %q", at)
		}
		r.lose(a)
		r.phase("a", status.Degraded)
		r.write("a.yaml", annotated("a", "bookworm", spec.ReconcileAtAnnotation, "2", "profileRef: {name: mine}, driftPolicy: Report"))
		r.wait(time.Second)
		if at := r.phase("a", status.Ready).Status.LastHandledReconcileAt; at != "2" || !r.there(a) {
			t.Errorf("heeded %q, repaired %v", at, r.there(a))
		}
	})
}

// suspending has the controller heed a folder in which sessions are suspended.
func (r *room) suspending() manifests.Suspensions {
	s := manifests.Suspensions{Folder: r.t.TempDir() + "/suspended"}
	r.set = func(c *controller.Controller) { c.Suspensions = s }
	r.restart()
	return s
}

func TestASuspendedSessionIsLeftAlone(t *testing.T) {
	bubble(t, func(r *room) {
		a := object.SessionOwner("a")
		s := r.suspending()
		r.write("p.yaml", manifest("Profile", "mine", mine), directory("bookworm"))
		r.write("a.yaml", session("a", "bookworm", "profileRef: {name: mine}", "ttl: 1h"))
		r.phase("a", status.Ready)
		if err := s.Suspend("a", "somebody looks at it"); err != nil {
			t.Fatal(err)
		}
		r.controller.Look("a")
		r.wait(time.Second)
		r.world.taken()
		r.lose(a)
		f := r.phase("a", status.Suspended)
		says(t, f, "Suspended=True/Suspended", "somebody looks at it", "5-mounts/proc: it is not there")
		says(t, f, "Ready=True/Converged")
		r.restart()
		r.wait(2 * time.Hour) // longer than it lives
		r.phase("a", status.Suspended)
		r.remove("a.yaml")
		r.wait(time.Hour)
		says(t, r.phase("a", status.Suspended), "UpToDate=False/Suspended", "its manifest is gone", "coppice resume a")
		if steps := r.world.taken(); len(steps) != 0 {
			t.Errorf("steps while it was suspended: %q", steps)
		}
		if err := s.Resume("a"); err != nil {
			t.Fatal(err)
		}
		r.controller.Look("a")
		r.wait(time.Minute)
		r.none("a")
		if r.world.owners() != "" {
			t.Errorf("left: %s", r.world.owners())
		}
	})
}

func TestASessionIsSuspendedByItsManifest(t *testing.T) {
	bubble(t, func(r *room) {
		r.write("c.yaml", directory("bookworm"))
		r.write("a.yaml", session("a", "bookworm", "suspend: true"))
		says(t, r.phase("a", status.Suspended), "Ready=False/Suspended", "its manifest says suspend: true")
		if r.world.owners() != "" {
			t.Errorf("there is %s", r.world.owners())
		}
		r.write("a.yaml", session("a", "bookworm"))
		r.phase("a", status.Ready)
		r.world.taken()
		r.write("a.yaml", session("a", "bookworm", "suspend: true", "expose: None"))
		says(t, r.phase("a", status.Suspended), "Suspended=True/Suspended", "left undone", "7-view/root")
		if steps := r.world.taken(); len(steps) != 0 {
			t.Errorf("steps while it was suspended: %q", steps)
		}
		r.remove("a.yaml") // and with it the word that it is suspended
		r.wait(time.Minute)
		r.none("a")
	})
}

// TestADeletedSessionGoesThoughSuspended has somebody say so in so many words.
func TestADeletedSessionGoesThoughSuspended(t *testing.T) {
	bubble(t, func(r *room) {
		s := r.suspending()
		wishes := manifests.Wishes{Folder: r.t.TempDir() + "/wishes"}
		r.set = func(c *controller.Controller) { c.Suspensions, c.Wishes = s, wishes }
		r.restart()
		r.write("all.yaml", directory("bookworm"), session("b", "bookworm"))
		r.write("a.yaml", session("a", "bookworm"))
		uid := r.phase("a", status.Ready).Metadata.UID
		if err := s.Suspend("a", "somebody looks at it"); err != nil {
			t.Fatal(err)
		}
		if err := wishes.Wish("a", uid); err != nil {
			t.Fatal(err)
		}
		r.remove("a.yaml")
		r.wait(time.Minute)
		r.none("a")
		if _, is, err := s.Suspended("a"); is || err != nil {
			t.Errorf("the next session of that name is suspended from the start: %v", err)
		}
	})
}

// TestNothingIsMadeForASuspendedSession has what it shares with others be gone, as after
// a reboot: that is not made either before the session is resumed.
func TestNothingIsMadeForASuspendedSession(t *testing.T) {
	bubble(t, func(r *room) {
		s := r.suspending()
		r.write("all.yaml", image("img", "overlay"), session("a", "img"))
		r.phase("a", status.Ready)
		r.halt()
		if err := s.Suspend("a", "somebody looks at it"); err != nil {
			t.Fatal(err)
		}
		r.world.change(func() {
			maps.DeleteFunc(r.world.there, func(o object.Owner, _ map[object.Address]object.Object) bool { return o.Class == object.Base })
			maps.DeleteFunc(r.world.there[object.SessionOwner("a")], func(at object.Address, _ object.Object) bool { return at.Group() >= object.GroupRoot })
		})
		r.world.taken()
		r.start()
		r.wait(time.Hour)
		f := r.phase("a", status.Suspended)
		says(t, f, "Ready=False/Drifted", "4-root/namespace: it is not there")
		says(t, f, "Suspended=True/Suspended", "somebody looks at it", "coppice resume a", "left undone: 4-root/namespace: it is not there")
		if steps := r.world.taken(); len(steps) != 0 {
			t.Errorf("steps while it was suspended: %q", steps)
		}
		if err := s.Resume("a"); err != nil {
			t.Fatal(err)
		}
		r.controller.Look("a")
		r.wait(time.Second)
		happened(t, r.phase("a", status.Ready), "Resumed")
		if r.world.owners() != "a base" {
			t.Errorf("there is %s", r.world.owners())
		}
	})
}

// TestASuspendedSessionIsInNobodysWay suspends one that waits to open a source: those who
// would have waited for it need not.
func TestASuspendedSessionIsInNobodysWay(t *testing.T) {
	bubble(t, func(r *room) {
		s := r.suspending()
		r.write("c.yaml", directory("deb"))
		r.write("a.yaml", session("a", "deb"))
		r.write("fix.yaml", session("fix", "deb", opens))
		r.write("b.yaml", session("b", "deb"))
		r.phase("b", status.Pending)
		if err := s.Suspend("fix", "not now"); err != nil {
			t.Fatal(err)
		}
		r.controller.Look("fix")
		r.wait(time.Second)
		says(t, r.phase("fix", status.Suspended), "Ready=False/Suspended", "nothing is made of it: not now")
		r.phase("b", status.Ready)
	})
}

// TestSuspensionIsTold looks at what is told while it lasts: whatever happens, it is said
// that it is suspended, and that it was is said once.
func TestSuspensionIsTold(t *testing.T) {
	bubble(t, func(r *room) {
		a := object.SessionOwner("a")
		s := r.suspending()
		r.write("c.yaml", directory("bookworm"))
		r.write("a.yaml", session("a", "bookworm"))
		if err := s.Suspend("a", "somebody looks at it"); err != nil {
			t.Fatal(err)
		}
		r.controller.Look("a")
		r.wait(time.Second)
		for _, what := range []struct {
			name string
			do   func()
		}{
			{"its manifest changes", func() { r.write("a.yaml", session("a", "bookworm", "expose: None")) }},
			{"its home cannot be seen", func() { r.world.change(func() { r.world.blind[a] = object.KindHome }) }},
			{"its root cannot be seen", func() { r.world.change(func() { r.world.blind[a] = object.KindNamespace }) }},
			{"its record is lost", func() { r.world.change(func() { delete(r.world.blind, a); r.world.torn[a] = true }) }},
			{"a restart", r.restart},
		} {
			what.do()
			r.controller.Look("a")
			r.wait(3 * time.Minute)
			if f := r.session("a"); f.Status.Phase != status.Suspended || f.Status.Condition(status.ConditionSuspended) == nil {
				t.Errorf("%s: it is %s: %s", what.name, f.Status.Phase, told(f))
			}
		}
		said := 0
		for _, e := range r.session("a").Status.Events {
			if e.Reason == status.ReasonSuspended {
				said += e.Count
			}
		}
		if said != 1 {
			t.Errorf("it is said %d times: %s", said, told(r.session("a")))
		}
	})
}

// deafSuspensions cannot be asked.
type deafSuspensions struct{ manifests.Suspensions }

func (deafSuspensions) Suspended(string) (string, bool, error) {
	return "", false, errors.New("input/output error")
}

// TestWhoMayBeSuspendedIsLeftAlone has nobody know whether sessions are suspended.
func TestWhoMayBeSuspendedIsLeftAlone(t *testing.T) {
	bubble(t, func(r *room) {
		r.write("c.yaml", directory("bookworm"))
		r.write("a.yaml", session("a", "bookworm"))
		r.phase("a", status.Ready)
		r.world.taken()
		r.set = func(c *controller.Controller) {
			c.Suspensions = deafSuspensions{manifests.Suspensions{Folder: t.TempDir() + "/none"}}
		}
		r.restart()
		r.write("a.yaml", session("a", "bookworm", "expose: None"))
		r.wait(time.Minute)
		says(t, r.session("a"), "Ready=Unknown/Blind", "whether session a is suspended", "input/output error")
		if steps := r.world.taken(); len(steps) != 0 {
			t.Errorf("steps: %q", steps)
		}
		r.set = nil
		r.restart()
		r.wait(time.Second)
		r.phase("a", status.Ready)
	})
}

// TestAStaleSuspensionIsForgotten has a session go while no controller is there, with
// all that told of it.
func TestAStaleSuspensionIsForgotten(t *testing.T) {
	bubble(t, func(r *room) {
		s := r.suspending()
		r.write("b.yaml", session("b", "bookworm"))
		if err := s.Suspend("a", "somebody looked at it"); err != nil {
			t.Fatal(err)
		}
		r.restart()
		r.wait(time.Second)
		if _, is, err := s.Suspended("a"); is || err != nil {
			t.Errorf("the next session of that name is suspended from the start: %v", err)
		}
		r.none("a")
	})
}

// TestARequestIsHeededInTheEnd asks for drift to be repaired while that cannot be done.
func TestARequestIsHeededInTheEnd(t *testing.T) {
	bubble(t, func(r *room) {
		a := object.SessionOwner("a")
		r.write("p.yaml", manifest("Profile", "mine", mine), directory("bookworm"))
		r.write("a.yaml", session("a", "bookworm", "profileRef: {name: mine}", "driftPolicy: Report"))
		r.phase("a", status.Ready)
		r.lose(a)
		r.world.change(func() { r.world.fails["session/a 5-mounts/proc"] = errors.New("not now") })
		if !r.controller.Reconcile("a") {
			t.Fatal("there is no session a")
		}
		r.wait(time.Minute)
		says(t, r.session("a"), "Reconciling=True/Retrying", "not now")
		r.world.change(func() { delete(r.world.fails, "session/a 5-mounts/proc") })
		r.wait(10 * time.Minute)
		if r.phase("a", status.Ready); !r.there(a) {
			t.Error("it is not repaired")
		}
		r.lose(a)
		if r.phase("a", status.Degraded); r.there(a) {
			t.Error("it was asked for once, and is repaired twice")
		}
	})
}
