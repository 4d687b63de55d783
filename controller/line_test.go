package controller_test

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"coppice.dev/controller"
	"coppice.dev/controller/budget"
	"coppice.dev/status"
)

// waiting returns the names of the sessions that wait for room, with the reason, sorted.
func (r *room) waitingFor(reason string) []string {
	var names []string
	for _, f := range r.controller.Statuses("Session") {
		if ready := f.Status.Condition(status.ConditionReady); ready != nil && ready.Reason == reason {
			if f.Status.Phase != status.Pending {
				r.t.Errorf("%s waits, and is %s", f.Metadata.Name, f.Status.Phase)
			}
			names = append(names, f.Metadata.Name)
		}
	}
	slices.Sort(names)
	return names
}

func onFolder(name string) string { return inline(name, "/srv") }

// inline is a session with a chroot of its own.
func inline(name, path string, more ...string) string {
	return manifest("Session", name, strings.Join(append([]string{"chroot: {source: {directory: {path: " + path + "}}}"}, more...), ";"))
}

// phaseOf returns what is told of a session; "" if there is none.
func (r *room) phaseOf(name string) status.Phase {
	for _, f := range r.controller.Statuses("Session") {
		if f.Metadata.Name == name {
			return f.Status.Phase
		}
	}
	return ""
}

// Only so many sessions are there; those that wait begin in the order in which they
// came, as soon as one goes, and keep their places over a restart.
func TestSessionsAreCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRoom(t)
		r.set = func(c *controller.Controller) { c.Limits = budget.Limits{Sessions: 2} }
		r.start()
		defer func() { r.halt() }()
		for i := range 5 {
			name := fmt.Sprintf("s%d", 9-i) // in the order of their coming, not of their names
			r.write(name+".yaml", onFolder(name))
			r.wait(time.Minute)
		}
		expect := func(what string, ready, waiting []string) {
			t.Helper()
			slices.Sort(ready)
			slices.Sort(waiting)
			if got := r.waitingFor(budget.HostFull); !slices.Equal(got, waiting) {
				t.Errorf("%s: %v wait, want %v", what, got, waiting)
			}
			for _, name := range ready {
				if phase := r.phaseOf(name); phase != status.Ready {
					t.Errorf("%s: %s is %s", what, name, phase)
				}
			}
		}
		expect("at first", []string{"s9", "s8"}, []string{"s7", "s6", "s5"})
		more := controller.Supposition{Given: parsed(t, onFolder("more"))}
		if told := outlook(r.foresee(more)); !strings.HasPrefix(told, "more Pending PROBLEM there are 2 sessions") {
			t.Errorf("of one more it is foreseen: %s", told)
		}
		r.remove("s8.yaml")
		r.wait(time.Minute)
		expect("one has gone", []string{"s9", "s7"}, []string{"s6", "s5"})
		r.restart()
		r.wait(time.Minute)
		expect("restarted", []string{"s9", "s7"}, []string{"s6", "s5"})
		r.remove("s9.yaml")
		r.wait(time.Minute)
		expect("who came first is first after a restart, too", []string{"s7", "s6"}, []string{"s5"})
		// One that waits goes without a trace.
		r.write("s4.yaml", onFolder("s4"))
		r.remove("s5.yaml")
		r.remove("s7.yaml")
		r.wait(time.Minute)
		expect("two have gone", []string{"s6", "s4"}, nil)
		r.none("s5")
	})
}

// Whose place was taken by its time being over asks for one again, and who has one can be
// made anew.
func TestPlacesOfThoseWhoseTimeIsOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRoom(t)
		r.set = func(c *controller.Controller) { c.Limits = budget.Limits{Sessions: 1} }
		r.start()
		defer func() { r.halt() }()
		r.write("a.yaml", inline("a", "/srv", "ttl: 1h", "updateStrategy: Recreate"))
		r.write("b.yaml", onFolder("b"))
		r.write("a.yaml", inline("a", "/usr", "ttl: 1h", "updateStrategy: Recreate"))
		r.wait(time.Minute)
		if r.phaseOf("a") != status.Ready || len(r.waitingFor(budget.HostFull)) != 1 {
			t.Errorf("made anew, it is %s; %v wait", r.phaseOf("a"), r.waitingFor(budget.HostFull))
		}
		r.wait(2 * time.Hour)
		if r.phaseOf("a") != status.Expired || r.phaseOf("b") != status.Ready {
			t.Errorf("a is %s, b %s", r.phaseOf("a"), r.phaseOf("b"))
		}
	})
}

// A full disk keeps all from beginning and nobody from going; who waits goes on by itself,
// and the host is not looked at when nobody waits.
func TestDiskFull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		free, looks := int64(100), 0
		set := func(n int64) {
			mu.Lock()
			defer mu.Unlock()
			free, looks = n, 0
		}
		r := newRoom(t)
		r.set = func(c *controller.Controller) {
			c.Resync = 24 * time.Hour
			c.Limits = budget.Limits{Space: budget.Share{Number: 50}}
			c.LookAtDisks = func() []budget.Disk {
				mu.Lock()
				defer mu.Unlock()
				looks++
				return []budget.Disk{{Name: "the state folder", Path: "/state", Size: 200, Free: free}}
			}
		}
		r.start()
		defer func() { r.halt() }()
		r.write("a.yaml", onFolder("a"))
		r.wait(time.Minute)
		set(49)
		r.wait(time.Hour)
		if mu.Lock(); looks > 0 {
			t.Errorf("nobody waited, and the host was looked at %d times", looks)
		}
		mu.Unlock()
		for _, name := range []string{"b", "c", "d"} {
			r.write(name+".yaml", onFolder(name))
		}
		r.wait(time.Minute)
		if got := r.waitingFor(budget.DiskFull); len(got) != 3 || r.phaseOf("a") != status.Ready {
			t.Errorf("%v wait, and a is %s", got, r.phaseOf("a"))
		}
		if message := r.session("b").Status.Condition(status.ConditionReady).Message; !strings.Contains(message, "the state folder (/state) has 49 B free of 200 B (24.5%)") {
			t.Errorf("it says %q", message)
		}
		r.remove("a.yaml")
		r.remove("b.yaml")
		r.wait(time.Minute)
		if got := r.waitingFor(budget.DiskFull); !slices.Equal(got, []string{"c", "d"}) || len(r.controller.Statuses("Session")) != 2 {
			t.Errorf("two were taken away, and %v wait", got)
		}
		set(50)
		r.wait(10 * time.Second)
		if r.phaseOf("c") != status.Ready || r.phaseOf("d") != status.Ready {
			t.Errorf("there is room, and c is %s, d %s", r.phaseOf("c"), r.phaseOf("d"))
		}
	})
}
