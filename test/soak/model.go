package main

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// mostSessions is how many sessions there are at most, the witnesses aside.
const mostSessions = 14

// item is a session that ought to be there, and what has happened to it.
type item struct {
	recipe
	name string
	path string // its manifest, below the private folder
	// broken says what is wrong with its manifest now; "" for nothing.
	broken string
	// seen is set once it was seen as it is hoped to be, and changed when its
	// manifest has said something else before.
	seen, changed bool
	since         time.Time
}

// soak is one run: the host, what is wanted of it, and what was done.
type soak struct {
	*host
	r       *rand.Rand
	items   map[string]*item
	leaving map[string]bool // names of sessions that nobody wants any more
	refs    map[string]bool // the Chroots whose manifest is there
	rev     int             // the number of the synced folder
	dangles bool            // the link to it leads nowhere
	inside  []program
	running []errand

	witnesses []*witness
	alike     *lookalikes

	story   []string
	begun   time.Time
	figures figures
}

// program was started in a session and left there.
type program struct {
	session string
	cmd     *exec.Cmd
	ended   chan struct{}
}

// errand is a `coppice run` under way.
type errand struct {
	name  string
	ended chan struct{}
}

// tell notes a step.
func (s *soak) tell(format string, args ...any) {
	s.story = append(s.story, fmt.Sprintf("%7.2fs  ", time.Since(s.begun).Seconds())+fmt.Sprintf(format, args...))
}

// any returns one of the sessions for which ok holds; nil if there is none.
func (s *soak) any(ok func(*item) bool) *item {
	var fit []*item
	for _, name := range slices.Sorted(maps.Keys(s.items)) {
		if i := s.items[name]; ok == nil || ok(i) {
			fit = append(fit, i)
		}
	}
	if len(fit) == 0 {
		return nil
	}
	return fit[s.r.IntN(len(fit))]
}

// name returns one that nobody uses; "" if all are used.
func (s *soak) name() string {
	for n := range 2 * mostSessions {
		name := fmt.Sprintf("s%d", n)
		if s.items[name] == nil && !s.leaving[name] {
			return name
		}
	}
	return ""
}

// free returns the images to write to that no session has or may still have.
func (s *soak) free() []int {
	free := []int{0, 1, 2}
	for _, i := range s.items {
		free = slices.DeleteFunc(free, func(n int) bool { return i.own == n+1 })
	}
	if len(s.leaving) > 0 {
		return nil
	}
	return free
}

// write puts an item's manifest in its place, by one of the ways people do.
func (s *soak) write(i *item) error {
	text := s.expand(i.manifest(i.name))
	i.broken, i.since = "", time.Now()
	path := s.path(i.path)
	switch s.r.IntN(3) {
	case 0: // an editor that writes in place, slowly
		half := s.r.IntN(len(text))
		if err := os.WriteFile(path, []byte(text[:half]), 0o644); err != nil {
			return err
		}
		time.Sleep(time.Duration(s.r.IntN(20)) * time.Millisecond)
		return os.WriteFile(path, []byte(text), 0o644)
	case 1:
		return os.WriteFile(path, []byte(text), 0o644)
	default: // an editor that swaps
		draft := filepath.Join(filepath.Dir(path), "."+filepath.Base(path)+".swp")
		if err := os.WriteFile(draft, []byte(text), 0o644); err != nil {
			return err
		}
		return os.Rename(draft, path)
	}
}

// remove takes an item's manifest away. The session is to go from now on.
func (s *soak) withdraw(i *item) error {
	if err := os.Remove(s.path(i.path)); err != nil && (!i.passes() || !errors.Is(err, fs.ErrNotExist)) {
		return err
	}
	s.gone(i)
	return nil
}

// passes reports whether the daemon itself takes a session's manifest away when its time
// is over.
func (i *item) passes() bool { return i.hope == expires && strings.HasPrefix(i.path, runtimed) }

func (s *soak) gone(i *item) {
	_ = os.Remove(s.path(lasting + "/twin-" + i.name + ".yaml")) // there may be none
	delete(s.items, i.name)
	s.leaving[i.name] = true
}

// sync makes the synced folder hold the sessions in it, by the swap of a link.
func (s *soak) sync() error {
	s.rev++
	rev := fmt.Sprintf("rev-%d", s.rev)
	if err := os.Mkdir(s.path("git/"+rev), 0o755); err != nil {
		return err
	}
	texts := map[string]string{"none.yaml": "# there is always a file\n"}
	for _, name := range slices.Sorted(maps.Keys(s.items)) {
		i := s.items[name]
		if !strings.HasPrefix(i.path, synced) {
			continue
		}
		file := filepath.Base(i.path)
		texts[file] += "---\n" + i.manifest(name)
	}
	for file, text := range texts {
		if err := os.WriteFile(s.path("git/"+rev+"/"+file), []byte(s.expand(text)), 0o644); err != nil {
			return err
		}
	}
	s.dangles = false
	return s.point(rev)
}

// point lets the link to the synced folder lead elsewhere.
func (s *soak) point(target string) error {
	draft := s.path("git/.next")
	_ = os.Remove(draft) // of a former swap, if it was cut short
	if err := os.Symlink(target, draft); err != nil {
		return err
	}
	return os.Rename(draft, s.path(synced))
}
