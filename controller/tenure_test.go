package controller_test

import (
	"strings"
	"sync"
	"testing"
	"time"

	"coppice.dev/controller"
	"coppice.dev/manifests"
	"coppice.dev/reconcile/object"
	"coppice.dev/spec"
	"coppice.dev/status"
)

// tenants are processes in memory.
type tenants struct {
	folder string

	mu    sync.Mutex
	dead  map[string]bool
	ended map[string]func()
}

func (n *tenants) Lives(client string, ended func()) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.ended[client] = ended
	return !n.dead[client]
}

func (n *tenants) Withdraw(session *spec.Session, manifest string) (bool, error) {
	key := manifests.Key{Kind: spec.KindSession, Name: session.Name}
	if manifest != n.folder+"/"+manifests.FileName(key) {
		return false, nil
	}
	_, err := manifests.Remove(n.folder, key)
	return err == nil, err
}

// die ends a process; told says whether anybody hears of it.
func (n *tenants) die(client string, told bool) {
	n.mu.Lock()
	n.dead[client] = true
	ended := n.ended[client]
	n.mu.Unlock()
	if told && ended != nil {
		ended()
	}
}

// let has the folder's sessions swept by a reboot, and the processes known that
// they were begun for.
func let(r *room) *tenants {
	n := &tenants{folder: r.folder, dead: map[string]bool{}, ended: map[string]func(){}}
	r.ephemeral, r.set = true, func(c *controller.Controller) { c.Tenants = n }
	r.restart()
	return n
}

// begun is the manifest of a session that was begun for a process.
func begun(client string, more ...string) string {
	text := session("a", "bookworm", more...)
	return strings.Replace(text, "{name: a}", "{name: a, annotations: {"+spec.ClientAnnotation+": '"+client+"'}}", 1)
}

const file = "session-a.yaml" // as Coppice writes it

func TestASessionEndsWithItsClient(t *testing.T) {
	bubble(t, func(r *room) {
		n := let(r)
		r.write("c.yaml", directory("bookworm"))
		r.write(file, begun("1"))
		r.phase("a", status.Ready)
		n.die("1", true)
		r.wait(time.Second)
		if r.world.owners() != "" {
			t.Errorf("left: %s", r.world.owners())
		}
		r.refresh()
		r.none("a")
		// One whose process has died before it was heard of is never made.
		r.world.taken()
		r.write(file, begun("1"))
		r.refresh()
		r.none("a")
		if steps := r.world.taken(); len(steps) > 0 {
			t.Errorf("it was made: %q", steps)
		}
	})
}

// The client dies while no controller runs, or nobody tells.
func TestAClientThatDiedUnheard(t *testing.T) {
	bubble(t, func(r *room) {
		n := let(r)
		r.write("c.yaml", directory("bookworm"))
		r.write(file, begun("1"))
		r.phase("a", status.Ready)
		r.restart()
		r.phase("a", status.Ready)
		n.die("1", false)
		r.restart()
		r.refresh()
		r.none("a")
		if r.world.owners() != "" {
			t.Errorf("left: %s", r.world.owners())
		}
	})
}

// What people wrote is not taken away: neither does it go because of a process.
func TestAManifestOfTheirOwn(t *testing.T) {
	bubble(t, func(r *room) {
		n := let(r)
		n.die("1", false)
		r.write("c.yaml", directory("bookworm"))
		r.write("mine.yaml", begun("1"))
		r.phase("a", status.Ready)
		r.write("mine.yaml", session("a", "bookworm", "ttl: 1h"))
		r.wait(2 * time.Hour)
		r.phase("a", status.Expired)
	})
}

func TestRetainOnFailure(t *testing.T) {
	bubble(t, func(r *room) {
		n := let(r)
		owner := object.SessionOwner("a")
		r.write("c.yaml", directory("bookworm"))
		r.write(file, begun("1", "retainOnFailure: true"))
		r.phase("a", status.Ready)
		r.world.change(func() { r.world.visits[owner] = object.Visits{Open: 1} })
		n.die("1", true)
		r.wait(5 * time.Second)
		r.phase("a", status.Ready) // the command is just being ended
		r.world.change(func() { r.world.visits[owner] = object.Visits{Failed: "exit code 2"} })
		r.wait(time.Hour)
		happened(t, r.phase("a", status.Ready), "Retained", "exit code 2")
		r.restart()
		r.phase("a", status.Ready)
		r.remove(file)
		r.none("a")

		// One that did not fail goes.
		r.write(file, begun("2", "retainOnFailure: true"))
		r.phase("a", status.Ready)
		r.world.change(func() { delete(r.world.visits, owner) })
		n.die("2", true)
		r.refresh()
		r.none("a")
	})
}

func TestTTLOfAnEphemeralSession(t *testing.T) {
	bubble(t, func(r *room) {
		let(r)
		r.write("c.yaml", directory("bookworm"))
		r.write(file, session("a", "bookworm", "ttl: 1h"))
		r.phase("a", status.Ready)
		r.wait(59 * time.Minute)
		r.phase("a", status.Ready)
		r.wait(time.Minute)
		r.none("a") // not even a status that says it is expired
		r.world.taken()
		r.controller.Touch(object.SessionOwner("a")) // before it is told that the manifest is gone
		r.wait(10 * time.Second)
		if steps := r.world.taken(); len(steps) > 0 {
			t.Errorf("it was made again: %q", steps)
		}
		r.refresh()
		r.none("a")
		r.write(file, session("a", "bookworm", "ttl: 1h"))
		r.phase("a", status.Ready)
		r.remove(file)
		if r.world.owners() != "" {
			t.Errorf("left: %s", r.world.owners())
		}
	})
}

func TestIdleTimeout(t *testing.T) {
	bubble(t, func(r *room) {
		owner := object.SessionOwner("a")
		inside := func(is bool) {
			r.world.change(func() {
				delete(r.world.inside, owner)
				if is {
					r.world.inside[owner] = []object.Process{{PID: 1}}
				} else {
					r.world.visits[owner] = object.Visits{Last: time.Now()}
				}
			})
			r.controller.Touch(owner)
			r.wait(time.Second)
		}
		r.write("c.yaml", directory("bookworm"))
		r.write("a.yaml", session("a", "bookworm", "idleTimeout: 10m"))
		r.phase("a", status.Ready)
		r.wait(9 * time.Minute)
		if f := r.phase("a", status.Ready); f.Status.IdleUntil == nil || time.Until(f.Status.IdleUntil.Time).Round(10*time.Second) != time.Minute {
			t.Errorf("it is told to end at %v", f.Status.IdleUntil)
		}
		inside(true)
		r.wait(time.Hour)
		if f := r.phase("a", status.Ready); f.Status.IdleSince != nil {
			t.Errorf("idle since %s while somebody is inside", f.Status.IdleSince)
		}
		inside(false)
		r.wait(9 * time.Minute)
		r.phase("a", status.Ready)
		// Somebody comes and goes between two looks.
		r.world.change(func() { r.world.visits[owner] = object.Visits{Last: time.Now()} })
		r.wait(9 * time.Minute)
		r.phase("a", status.Ready)
		r.wait(2 * time.Minute)
		says(t, r.phase("a", status.Expired), "Ready=False/Expired", "nobody was inside for 10m", "idleTimeout")
		r.restart()
		r.phase("a", status.Expired)
		r.write("a.yaml", session("a", "bookworm", "idleTimeout: 20m"))
		r.phase("a", status.Ready)
		r.wait(15 * time.Minute)
		r.restart() // what the clock says is believed
		r.wait(4 * time.Minute)
		r.phase("a", status.Ready)
		r.wait(2 * time.Minute)
		r.phase("a", status.Expired)
	})
}

// A session that was idle for too long while nobody looked has its time again.
func TestIdleWhileNobodyLooked(t *testing.T) {
	bubble(t, func(r *room) {
		r.write("c.yaml", directory("bookworm"))
		r.write("a.yaml", session("a", "bookworm", "idleTimeout: 10m"))
		r.phase("a", status.Ready)
		r.halt()
		time.Sleep(time.Hour) // or the clock was set
		r.start()
		r.phase("a", status.Ready)
		r.wait(9 * time.Minute)
		r.phase("a", status.Ready)
		r.wait(2 * time.Minute)
		r.phase("a", status.Expired)
	})
}
