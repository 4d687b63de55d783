package controller_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"coppice.dev/controller"
	"coppice.dev/manifests"
	"coppice.dev/status"
)

// words are wishes in memory.
type words struct {
	mu   sync.Mutex
	said map[string]manifests.Wish
}

func (w *words) Wished(session string) (manifests.Wish, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	wish, is := w.said[session]
	return wish, is
}

func (w *words) Forget(session string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.said, session)
	return nil
}

func (w *words) say(session, uid string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.said[session] = manifests.Wish{UID: uid, At: time.Now()}
}

// crowd begins n sessions, each in a file of its own.
func crowd(r *room, n int) (names []string) {
	r.t.Helper()
	r.write("root.yaml", directory("root"))
	for i := range n {
		name := fmt.Sprintf("s%02d", i)
		names = append(names, name)
		if err := os.WriteFile(filepath.Join(r.folder, name+".yaml"), []byte(session(name, "root")), 0o644); err != nil {
			r.t.Fatal(err)
		}
	}
	r.refresh()
	for _, name := range names {
		r.phase(name, status.Ready)
	}
	r.world.taken()
	return names
}

// drop takes the files of sessions away, all before anybody looks.
func drop(r *room, names ...string) {
	r.t.Helper()
	for _, name := range names {
		if err := os.Remove(filepath.Join(r.folder, name+".yaml")); err != nil {
			r.t.Fatal(err)
		}
	}
	r.refresh()
}

// untouched wants that nothing of anybody was taken down.
func untouched(r *room) {
	r.t.Helper()
	if i := slices.IndexFunc(r.world.taken(), func(step string) bool { return strings.HasPrefix(step, "Destroy") }); i >= 0 {
		r.t.Error("something was taken down")
	}
}

func held(bubbled *testing.T, test func(*room, *words)) {
	said := &words{said: map[string]manifests.Wish{}}
	bubble(bubbled, func(r *room) {
		r.set = func(c *controller.Controller) { c.Wishes = said }
		r.restart()
		test(r, said)
	})
}

func TestAMassDeletionIsHeld(t *testing.T) {
	held(t, func(r *room, said *words) {
		names := crowd(r, 16)
		drop(r, names[:11]...)
		untouched(r)
		for _, name := range names[:11] {
			f := r.phase(name, status.Ready)
			says(r.t.(*testing.T), f, "UpToDate=False/DeletionHeld", "10 other", "coppice prune --confirm", r.folder)
		}
		folder := r.of("Manifest", r.folder)
		says(r.t.(*testing.T), folder, "Ready=False/DeletionHeld", "11 sessions", "s00", "1 more", "coppice prune --confirm")
		// A daemon that knows nothing of it holds them all the same; so it does when
		// fewer than eleven are left.
		r.restart()
		untouched(r)
		for _, name := range names[:5] {
			said.say(name, r.session(name).Metadata.UID)
		}
		r.refresh()
		for _, name := range names[:5] {
			if f := r.session(name); f.Status.Phase != "" {
				t.Errorf("%s was confirmed, and is %s: %s", name, f.Status.Phase, told(f))
			}
		}
		r.world.taken()
		r.restart()
		untouched(r)
		for _, name := range names[5:11] {
			says(t, r.phase(name, status.Ready), "UpToDate=False/DeletionHeld")
		}
		// Their files come back, and nothing is said any more.
		for _, name := range names[5:11] {
			r.write(name+".yaml", session(name, "root"))
		}
		untouched(r)
		for _, name := range names[5:] {
			says(t, r.phase(name, status.Ready), "UpToDate=True/Current")
		}
		if f := r.of("Manifest", r.folder); f.Status.Phase != "" {
			t.Errorf("the folder is still told of: %s", told(f))
		}
		// Then one goes as ever.
		drop(r, names[5])
		if f := r.session(names[5]); f.Status.Phase != "" {
			t.Errorf("one alone is %s: %s", f.Status.Phase, told(f))
		}
	})
}

func TestFewGoAsEver(t *testing.T) {
	held(t, func(r *room, _ *words) {
		names := crowd(r, 12)
		drop(r, names[:10]...)
		for _, name := range names[:10] {
			if f := r.session(name); f.Status.Phase != "" {
				t.Errorf("%s is %s: %s", name, f.Status.Phase, told(f))
			}
		}
	})
}

// The files went while nobody was there.
func TestAMassDeletionIsHeldAtTheStart(t *testing.T) {
	held(t, func(r *room, _ *words) {
		names := crowd(r, 40)
		r.halt()
		for _, name := range names {
			if err := os.Remove(filepath.Join(r.folder, name+".yaml")); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.RemoveAll(r.status); err != nil {
			t.Fatal(err)
		}
		r.start()
		r.wait(time.Second)
		untouched(r)
		for _, name := range names {
			says(t, r.phase(name, status.Ready), "UpToDate=False/DeletionHeld")
		}
	})
}

func TestWhoDeletesInWordsIsNotAsked(t *testing.T) {
	held(t, func(r *room, said *words) {
		names := crowd(r, 20)
		for _, name := range names {
			said.say(name, r.session(name).Metadata.UID)
		}
		drop(r, names...)
		for _, name := range names {
			if f := r.session(name); f.Status.Phase != "" {
				t.Errorf("%s is %s: %s", name, f.Status.Phase, told(f))
			}
		}
		if len(said.said) > 0 {
			t.Errorf("wishes that are left: %v", said.said)
		}
	})
}

// A wish is for the session that was meant, not for a later one of its name, nor
// for one that is wanted again.
func TestAWishHitsNobodyElse(t *testing.T) {
	held(t, func(r *room, said *words) {
		names := crowd(r, 12)
		said.say(names[0], "of-an-earlier-one")
		said.say(names[1], r.session(names[1]).Metadata.UID)
		r.wait(2 * time.Minute) // with some resyncs
		drop(r, names...)
		untouched(r)
		for _, name := range names {
			says(t, r.phase(name, status.Ready), "UpToDate=False/DeletionHeld")
		}
	})
}

func TestWhatAnybodyMayTakeBackIsNeverHeld(t *testing.T) {
	held(t, func(r *room, _ *words) {
		r.set = func(c *controller.Controller) { c.MaxPrune = -1 }
		r.restart()
		names := crowd(r, 30)
		drop(r, names...)
		for _, name := range names {
			if f := r.session(name); f.Status.Phase != "" {
				t.Errorf("without a limit %s is %s", name, f.Status.Phase)
			}
		}
	})
}

func TestEphemeralSessionsAreNeverHeld(t *testing.T) {
	held(t, func(r *room, _ *words) {
		r.ephemeral = true
		r.restart()
		names := crowd(r, 30)
		drop(r, names...)
		for _, name := range names {
			if f := r.session(name); f.Status.Phase != "" {
				t.Errorf("%s is %s: %s", name, f.Status.Phase, told(f))
			}
		}
	})
}
