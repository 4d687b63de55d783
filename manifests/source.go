package manifests

import (
	"context"
	"errors"
	"maps"
	"path/filepath"
	"sync"
	"time"

	"github.com/fsnotify/fsnotify"
)

// Source watches folders.
type Source struct {
	// Folders are looked at in this order.
	Folders []Folder
	// OnChange is told of each new set, and of what is new in it. It is called
	// from one goroutine at a time. It may be nil.
	OnChange func(set Set, changed []Key)
	// Resync is how often the folders are looked at without any hint; 30s if 0.
	Resync time.Duration
	// OnTrouble is told why hints are not to be had, and with nil that they are
	// again. Folders are looked at once a second meanwhile. It may be nil.
	OnTrouble func(error)

	// Memory is a file in which is kept which folders held manifests, so that one
	// that is empty after a restart can be told from one that was emptied; "" to do
	// without. OnLapse is told when it cannot be read or written. It may be nil.
	Memory  string
	OnLapse func(error)

	mu      sync.Mutex // held during a look, so that sets come in order
	current Set
	known   map[string]string // as Memory has it; nil before the first look
}

const (
	defaultResync = 30 * time.Second
	// poll is how often the folders are looked at when there are no hints.
	poll = time.Second
	// quiet is how long nothing may happen before a look at everything, patience how
	// long that is put off at the most while things go on happening.
	quiet    = 20 * time.Millisecond
	patience = 250 * time.Millisecond
	// share is the part of the time that such looks may take when things never cease
	// to happen: one in so many; idle the part that looks may take when nobody tells
	// that something happens.
	share = 5
	idle  = 50
	// glances is how many files are looked at alone before a look at everything:
	// many are cheaper together.
	glances = 8
)

// Current returns the newest set.
func (s *Source) Current() Set {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.current
}

// Refresh looks at all folders now.
func (s *Source) Refresh() Set {
	s.mu.Lock()
	defer s.mu.Unlock()
	before := s.recalled()
	s.current = merge(before, look(s.Folders, before.folders))
	s.remember()
	if s.OnChange != nil {
		s.OnChange(s.current, Diff(before, s.current))
	}
	return s.current
}

// recalled returns the last set; before the first look, what is remembered.
func (s *Source) recalled() Set {
	if s.Memory == "" || s.known != nil {
		return s.current
	}
	known, err := recall(s.Memory)
	s.lapse(errors.Join(err, tidy(s.Memory)))
	s.known = map[string]string{}
	before := Set{folders: map[string]folderState{}}
	for path, identity := range known {
		before.folders[path] = folderState{identity: identity}
		s.known[path] = identity
	}
	return before
}

// remember keeps what is to be known after a restart, if that has changed.
func (s *Source) remember() {
	if s.Memory == "" {
		return
	}
	known := s.current.identities()
	if maps.Equal(known, s.known) {
		return
	}
	err := remember(s.Memory, known)
	s.lapse(err)
	s.known = known // told once, and not with each look
}

func (s *Source) lapse(err error) {
	if err != nil && s.OnLapse != nil {
		s.OnLapse(err)
	}
}

// Run looks at the folders whenever something may have changed, until the
// context ends. What the kernel tells of changes is a hint to look, no more: it
// is lost when folders are swapped or mounted over, and overflows.
func (s *Source) Run(ctx context.Context) {
	w := s.watch()
	defer w.close()
	for {
		began := time.Now()
		s.refresh(w)
		if !s.wait(ctx, w, time.Since(began)) {
			return
		}
	}
}

// refresh looks at all folders that are watched. In those that are found by that,
// something may have changed before they were watched too.
func (s *Source) refresh(w *watch) {
	followed := s.Current()
	for range attempts {
		w.follow(followed.watched(s.Folders))
		found := s.Refresh()
		if found.sameFolders(followed) {
			return
		}
		followed = found
	}
}

// wait returns when it is time for the next look, after one that took so long; false
// when the context ended.
func (s *Source) wait(ctx context.Context, w *watch, took time.Duration) bool {
	every := s.Resync
	if every <= 0 {
		every = defaultResync
	}
	if w.deaf() || s.Current().unheard() {
		every = min(every, max(poll, idle*took))
	}
	g := glancer{left: glances}
	resync := time.NewTimer(every)
	defer resync.Stop()
	for known := true; known; {
		select {
		case <-ctx.Done():
			return false
		case <-resync.C:
			return true
		case <-w.errors(): //nolint:errcheck // whatever it is
			known = false // what happened since is not told
		case e := <-w.events():
			known = s.hear(w, e, &g)
		}
	}
	// More is likely to follow: an editor writes several files, or takes one away
	// before it writes it anew; a sync writes many.
	took = min(took, poll)
	latest := time.NewTimer(max(patience, share*took))
	defer latest.Stop()
	for {
		select {
		case <-ctx.Done():
			return false
		case <-latest.C:
			return true
		case <-time.After(max(quiet, share*took)):
			return true
		case <-w.errors(): //nolint:errcheck // all is looked at anyway
		case e := <-w.events():
			s.hear(w, e, &g)
		}
	}
}

// glancer counts how many files are still looked at alone.
type glancer struct {
	left int
	full time.Time // when it was as many as can be
}

// may reports whether one more is.
func (g *glancer) may() bool {
	if time.Since(g.full) > patience {
		g.left, g.full = glances, time.Now()
	}
	g.left--
	return g.left >= 0
}

// hear takes a hint, and reports whether all is known of what it is about, so that
// nothing else need be looked at. What one file says for sure is taken at once, as
// often as may be.
func (s *Source) hear(w *watch, e fsnotify.Event, g *glancer) (known bool) {
	w.heard(e)
	if s.meaningless(e.Name) {
		return true
	}
	if !Considered(filepath.Base(e.Name)) {
		return false
	}
	switch {
	case s.gone(e.Name), e.Has(fsnotify.Create) && s.taken(e.Name):
		return true // what is done after that is told as well
	case e.Has(fsnotify.Create), e.Has(fsnotify.Write):
		return g.may() && s.Glance(e.Name)
	}
	return false
}

func (s *Source) watch() *watch {
	return &watch{trouble: s.OnTrouble, watched: map[string]place{}}
}
