package controller_test

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"coppice.dev/controller"
	"coppice.dev/reconcile/fault"
	"coppice.dev/reconcile/object"
	"coppice.dev/reconcile/plan"
	"coppice.dev/status"
)

// tally is an observer that keeps what it is told, as words.
type tally struct {
	mu    sync.Mutex
	words map[string]int
	took  map[string]time.Duration
}

func newTally() *tally { return &tally{words: map[string]int{}, took: map[string]time.Duration{}} }

func (t *tally) say(took time.Duration, format string, args ...any) {
	t.mu.Lock()
	defer t.mu.Unlock()
	word := fmt.Sprintf(format, args...)
	t.words[word]++
	t.took[word] += took
}

// count returns how often it was told something, and forgets that.
func (t *tally) count(word string) int {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := t.words[word]
	delete(t.words, word)
	return n
}

func (t *tally) Passed(class string, _, took time.Duration) { t.say(took, "passed %s", class) }

func (t *tally) Looked(class string, took time.Duration, blind []object.Kind) {
	t.say(took, "looked %s %v", class, blind)
}

func (t *tally) Stepped(kind object.Kind, op plan.Op, took time.Duration, failure fault.Reason) {
	t.say(took, "%s %s %s", op, kind, failure)
}

func (t *tally) Happened(i controller.Incident) { t.say(i.Took, "%s %s %s", i.What, i.Of, i.Reason) }

// counted runs a test in a bubble with an observer.
func counted(t *testing.T, test func(*room, *tally)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		r, seen := newRoom(t), newTally()
		r.set = func(c *controller.Controller) { c.Observer = seen }
		r.start()
		defer func() { r.halt() }()
		test(r, seen)
	})
}

func (t *tally) wants(test *testing.T, n int, word string) {
	test.Helper()
	if got := t.count(word); got != n {
		test.Errorf("told %d times of %q, want %d; it was told of %v", got, word, n, t.words)
	}
}

// TestWhatIsCounted: each thing that happens to a session is told once.
func TestWhatIsCounted(t *testing.T) {
	counted(t, func(r *room, seen *tally) {
		owner := object.SessionOwner("a")
		r.write("c.yaml", directory("bookworm"), manifest("Profile", "mine", "mounts: [{type: proc, target: /proc}]"))
		r.write("a.yaml", session("a", "bookworm", "profileRef: {name: mine}"))
		r.phase("a", status.Ready)
		seen.wants(t, 1, "Admitted session ")
		seen.wants(t, 1, "Begun session ")
		seen.wants(t, 1, "Create Namespace ")
		r.wait(10 * time.Minute)
		for word := range seen.words {
			if word[:8] == "Repaired" {
				t.Errorf("%s, and nothing was broken", word)
			}
		}
		r.world.change(func() { delete(r.world.there[owner], "5-mounts/proc") })
		r.controller.Touch(owner)
		r.wait(time.Second)
		r.phase("a", status.Ready)
		seen.wants(t, 1, "Repaired Mount ")
		seen.wants(t, 1, "Create Mount ")
		// Its root goes, and all that is in it.
		r.world.change(func() {
			delete(r.world.there[owner], "4-root/namespace")
			delete(r.world.there[owner], "5-mounts/proc")
		})
		r.controller.Touch(owner)
		r.wait(time.Second)
		r.phase("a", status.Ready)
		seen.wants(t, 1, "Repaired Namespace ")
		seen.wants(t, 0, "Begun session ")
		r.remove("a.yaml")
		seen.wants(t, 1, "Ended session ManifestRemoved")
		seen.wants(t, 0, "Swept session ")
		if seen.count("passed session") == 0 || seen.count("looked session []") == 0 {
			t.Error("passes and looks are not told")
		}
	})
}

// TestFailuresAreCounted: why a step failed, and that it is tried again.
func TestFailuresAreCounted(t *testing.T) {
	counted(t, func(r *room, seen *tally) {
		const step = "session/a 4-root/namespace"
		r.world.change(func() {
			r.world.fails[step] = &fault.Fault{Reason: fault.NoSpace, Doing: "make it", Err: errors.New("full")}
		})
		r.write("all.yaml", directory("bookworm"), session("a", "bookworm"))
		r.phase("a", status.Failed)
		if failed, steps := seen.count("Failed session NoSpace"), seen.count("Create Namespace NoSpace"); failed == 0 || failed != steps {
			t.Errorf("%d failures of the session, %d of the step", failed, steps)
		}
		if f := r.controller.Figures(); f.Pace.Failing["session"] != 1 || f.NotReady["NoSpace"] != 1 {
			t.Errorf("failing %v, not ready %v", f.Pace.Failing, f.NotReady)
		}
		r.wait(time.Minute)
		if f := r.controller.Figures(); f.Longest < time.Minute {
			t.Errorf("not ready for %s", f.Longest)
		}
		r.world.change(func() { delete(r.world.fails, step) })
		r.wait(3 * time.Minute)
		r.phase("a", status.Ready)
		seen.wants(t, 1, "Begun session ")
		seen.mu.Lock()
		defer seen.mu.Unlock()
		if took := seen.took["Begun session "]; took < time.Minute {
			t.Errorf("it was ready after %s, with all that it waited", took)
		}
		for word := range seen.words {
			if word[:6] == "Repair" {
				t.Errorf("%s, and nobody has broken anything", word)
			}
		}
	})
}

// TestOrphansAreCounted: what nobody knows of is swept, and told of as that.
func TestOrphansAreCounted(t *testing.T) {
	counted(t, func(r *room, seen *tally) {
		r.ephemeral = true
		r.write("all.yaml", directory("bookworm"), session("a", "bookworm"))
		r.phase("a", status.Ready)
		r.halt()
		if err := os.RemoveAll(r.status); err != nil {
			t.Fatal(err)
		}
		r.remove("all.yaml")
		r.start()
		r.wait(time.Minute)
		if left := r.world.owners(); left != "" {
			t.Fatalf("left: %s", left)
		}
		seen.wants(t, 1, "Swept session ")
		seen.wants(t, 1, "Ended session Orphan")
	})
}

// TestFigures: how things are, in numbers.
func TestFigures(t *testing.T) {
	bubble(t, func(r *room) {
		if lines := r.controller.Unready(); len(lines) > 0 {
			t.Errorf("an empty host is not ready: %q", lines)
		}
		r.write("all.yaml", directory("bookworm"), session("a", "bookworm"), session("b", "nowhere"))
		r.write("bad.yaml", "apiVersion: coppice.dev/v1alpha1\nkind: Session\nmetadata: {name: c}\nspec: {no: 1}")
		r.phase("a", status.Ready)
		r.world.change(func() {
			r.world.inside[object.SessionOwner("a")] = []object.Process{{PID: 7, Lease: "x"}, {PID: 8}, {PID: 9}}
		})
		r.controller.Touch(object.SessionOwner("a"))
		r.wait(time.Second)
		f := r.controller.Figures()
		if f.Phases["Session"][status.Ready] != 1 || f.Phases["Session"][status.Pending] != 1 || f.Phases["Chroot"][status.Ready] != 1 {
			t.Errorf("phases: %v", f.Phases)
		}
		if f.NotReady["ChrootNotFound"] != 1 || f.Leases != 1 || f.Strays != 2 || f.Occupied != 1 {
			t.Errorf("not ready %v, %d leases, %d strays in %d sessions", f.NotReady, f.Leases, f.Strays, f.Occupied)
		}
		if f.Objects["Namespace"] != 1 || f.Objects["Home"] != 1 {
			t.Errorf("objects: %v", f.Objects)
		}
		if m := f.Manifests; m.Objects["Session"] != 3 || m.Files != 1 || !m.Folders[r.folder] || m.Deaf {
			t.Errorf("manifests: %+v", m)
		}
		names := []string{}
		for _, s := range r.controller.Statuses("Session") {
			names = append(names, s.Metadata.Name)
		}
		if !slices.Equal(names, []string{"a", "b", "c"}) {
			t.Errorf("sessions %q", names)
		}
		if err := r.controller.Alive(r.t.Context()); err != nil {
			t.Errorf("not alive: %v", err)
		}
	})
}

// TestHungWorkers: what waits is told of, and who is replaced is still alive.
func TestHungWorkers(t *testing.T) {
	bubble(t, func(r *room) {
		r.write("c.yaml", directory("bookworm"))
		end := make(chan struct{})
		for i := range 80 { // more than all workers that there may be
			r.world.hangs[fmt.Sprintf("session/s%d 0-home/home", i)] = end
			r.write(fmt.Sprintf("s%d.yaml", i), session(fmt.Sprintf("s%d", i), "bookworm"))
		}
		r.wait(45 * time.Second)
		if err := r.controller.Alive(r.t.Context()); err != nil {
			t.Errorf("workers that are replaced are no sign of death: %v", err)
		}
		if p := r.controller.Figures().Pace; p.Hanging == 0 || p.Waiting == 0 || p.Longest < 30*time.Second {
			t.Errorf("pace: %+v", p)
		}
		close(end)
		r.wait(time.Minute)
		if p := r.controller.Figures().Pace; p.Hanging != 0 || p.Waiting != 0 {
			t.Errorf("pace in the end: %+v", p)
		}
	})
}

// TestNews: who waits hears of the next change, and of nothing at rest.
func TestNews(t *testing.T) {
	bubble(t, func(r *room) {
		r.write("all.yaml", directory("bookworm"), session("a", "bookworm"))
		r.wait(time.Minute)
		told := func(news <-chan struct{}) bool {
			select {
			case <-news:
				return true
			default:
				return false
			}
		}
		news := r.controller.News()
		r.wait(10 * time.Second)
		if told(news) {
			t.Error("something is told at rest")
		}
		r.write("b.yaml", session("b", "bookworm"))
		if !told(news) {
			t.Error("a new session is no news")
		}
		news = r.controller.News()
		r.remove("b.yaml")
		if !told(news) {
			t.Error("that a session is gone is no news")
		}
		if _, there := r.controller.Status("Session", "a"); !there {
			t.Error("a session is not there")
		}
		if _, there := r.controller.Status("Session", "b"); there {
			t.Error("a session is still there that is gone")
		}
	})
}
