package controller

import (
	"maps"
	"slices"
	"sync"
)

// A session that names what is not there has to do with all that might be meant:
// a near name is suggested, and an alias may be added to any chroot.
var anyChroot, anyProfile = key{class: classChroot}, key{class: classProfile}

// links tells which sessions name which chroots and profiles, be they there or
// not. Its methods may be called from any goroutine.
type links struct {
	mu sync.Mutex
	// of holds what each session names.
	of map[string][]key
	// users holds the sessions that name a key: the reverse of the above.
	users map[key]map[string]struct{}
}

func newLinks() *links {
	return &links{of: map[string][]key{}, users: map[key]map[string]struct{}{}}
}

// set says what a session names now. It returns the keys for which that is new.
func (l *links) set(session string, named ...key) []key {
	l.mu.Lock()
	defer l.mu.Unlock()
	before := l.of[session]
	var changed []key
	for _, k := range before {
		if !slices.Contains(named, k) {
			delete(l.users[k], session)
			if len(l.users[k]) == 0 {
				delete(l.users, k)
			}
			changed = append(changed, k)
		}
	}
	for _, k := range named {
		if slices.Contains(before, k) {
			continue
		}
		if l.users[k] == nil {
			l.users[k] = map[string]struct{}{}
		}
		l.users[k][session] = struct{}{}
		changed = append(changed, k)
	}
	l.of[session] = named
	if len(named) == 0 {
		delete(l.of, session)
	}
	return changed
}

// sessions returns the names of the sessions that name any of the keys, sorted.
func (l *links) sessions(keys ...key) []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	all := map[string]struct{}{}
	for _, k := range keys {
		maps.Copy(all, l.users[k])
	}
	return slices.Sorted(maps.Keys(all))
}

// count returns how many sessions name a key.
func (l *links) count(k key) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.users[k])
}

// named returns what a session names.
func (l *links) named(session string) []key {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.of[session])
}
