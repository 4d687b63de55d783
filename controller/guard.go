package controller

import (
	"maps"
	"slices"
	"sync"

	"coppice.dev/manifests"
	"coppice.dev/spec"
)

// guard keeps a mistake with a folder of manifests from taking all of its
// sessions down: a bad commit, a sync that stopped half-way, an rm in the wrong
// place. When more sessions of one folder have lost their manifests at the same
// time than may go without asking, and these are more than half of the folder's,
// all of them stay until their files are back or somebody confirms.
//
// It rests on what the sessions' homes remember, so that it does not matter
// whether a daemon was there when the files went: nothing is decided before every
// session has been looked at. What is held is noted in its home, and what has
// begun to go is not counted again, so that neither is changed by what becomes of
// the others.
type guard struct {
	// most is how many may go at the same time without asking; less than nothing
	// for any number.
	most int

	mu sync.Mutex
	// wanted counts the sessions that each folder names, and named are these, with their
	// folders.
	wanted map[string]int
	named  map[string]string
	// folders are where lasting sessions came from that were looked at, by name.
	folders map[string]string
	// going are those that have begun to go.
	going map[string]bool
	// held are those that were found to be too many, waiting those that nothing
	// could be said of yet.
	held, waiting map[string]bool
}

func newGuard(most int) *guard {
	return &guard{
		most: most, wanted: map[string]int{}, named: map[string]string{}, folders: map[string]string{},
		going: map[string]bool{}, held: map[string]bool{}, waiting: map[string]bool{},
	}
}

// tooMany decides: lost is how many sessions of a folder have no manifest any
// more and have not begun to go, wanted how many have one.
func tooMany(most, lost, wanted int) bool {
	return most >= 0 && lost > most && lost > wanted // more than half of lost + wanted
}

// changed takes what the manifests now say, which is something else of these keys than
// before.
func (g *guard) changed(set manifests.Set, keys []manifests.Key) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, key := range keys {
		if key.Kind != spec.KindSession {
			continue
		}
		if folder, was := g.named[key.Name]; was {
			g.wanted[folder]--
			delete(g.named, key.Name)
		}
		if entry, named := set.Entries.Get(key); named {
			g.wanted[entry.Folder]++
			g.named[key.Name] = entry.Folder
			delete(g.going, key.Name)
			delete(g.held, key.Name)
		}
	}
}

// isNamed reports whether a manifest names the session by now, whatever whoever asks
// about it has been told. It needs the lock.
func (g *guard) isNamed(session string) bool {
	_, is := g.named[session]
	return is
}

// saw says that a lasting session was looked at, and which folder it came from.
func (g *guard) saw(session, folder string, held bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.folders[session] = folder
	if held && !g.going[session] && !g.isNamed(session) {
		g.held[session] = true
	}
}

// forget forgets a session that is gone.
func (g *guard) forget(session string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.folders, session)
	delete(g.going, session)
	delete(g.held, session)
	delete(g.waiting, session)
}

// holds reports whether a session whose manifest is gone has to stay. If it may
// go, it has begun to, and stays so.
func (g *guard) holds(session string) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.would(session) {
		g.goes(session)
		return false
	}
	if !g.held[session] {
		for _, name := range g.lost(g.folders[session]) {
			g.held[name] = true
		}
	}
	return true
}

// keeps reports whether such a session would have to stay. Nothing is decided by that.
func (g *guard) keeps(session string) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.would(session)
}

// would needs the lock.
func (g *guard) would(session string) bool {
	folder := g.folders[session]
	return !g.going[session] && (g.held[session] || tooMany(g.most, len(g.lost(folder)), g.wanted[folder]))
}

// confirmed says that a session may go: somebody said so.
func (g *guard) confirmed(session string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.held, session)
	g.goes(session)
}

// goes says that a session begins to go, unless a manifest names it again. It needs the
// lock.
func (g *guard) goes(session string) {
	if !g.isNamed(session) {
		g.going[session] = true
	}
}

// kept returns the sessions of a folder that are held, sorted.
func (g *guard) kept(folder string) []string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.DeleteFunc(g.lost(folder), func(name string) bool { return !g.held[name] })
}

// all returns all that are held.
func (g *guard) all() []string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.Sorted(maps.Keys(g.held))
}

// lost returns the sessions of a folder whose manifests are gone and that have
// not begun to go, sorted. It needs the lock.
func (g *guard) lost(folder string) []string {
	var names []string
	for name, from := range g.folders {
		if from == folder && !g.isNamed(name) && !g.going[name] {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// wait says that nothing can be said of a session yet.
func (g *guard) wait(session string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.waiting[session] = true
}

// waited returns those of which nothing could be said, once.
func (g *guard) waited() []string {
	g.mu.Lock()
	defer g.mu.Unlock()
	names := slices.Collect(maps.Keys(g.waiting))
	clear(g.waiting)
	return names
}
