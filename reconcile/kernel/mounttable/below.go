package mounttable

import (
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// points remembers where the host's mounts are, so that the kernel is asked only for
// those that are new.
//
// A mount that is moved, or whose mount point is renamed, keeps its number. So what is
// remembered is not trusted for long, and never alone: what it finds is asked for
// again. That a mount was moved to a place may be learned late; whoever must not be
// wrong about that reads the table (Host).
type points struct {
	mu    sync.Mutex
	known []place   // by number, which is the order of mounting
	since time.Time // when all of them were asked for
}

type place struct {
	id    uint64
	point string
}

// trusted is how long a mount is taken to be where it was.
const trusted = 10 * time.Second

var host points

// HostBelow returns the mounts of the host at the path and below it, deepest and
// latest first, without their options. It costs next to nothing for each mount that
// is elsewhere, which Host and Below do not. A mount that was moved there is found
// after ten seconds at the latest.
func HostBelow(path string) ([]*Entry, error) {
	found, err := host.below(path)
	if Unsupported(err) {
		table, err := Host()
		return Below(table, path), err
	}
	return found, err
}

// HostAt returns the uppermost mount at the path, nil if there is none, as HostBelow
// does.
func HostAt(path string) (*Entry, error) {
	below, err := HostBelow(path)
	if i := slices.IndexFunc(below, func(e *Entry) bool { return e.Mountpoint == path }); i >= 0 {
		return below[i], err
	}
	return nil, err
}

func (p *points) below(path string) ([]*Entry, error) {
	ids, err := p.find(path)
	if err != nil {
		return nil, err
	}
	var found []*Entry
	for _, id := range ids {
		e, err := entry(id)
		if errors.Is(err, unix.ENOENT) {
			continue // it has gone since
		}
		if err != nil {
			return nil, err
		}
		found = append(found, e)
	}
	return Below(found, path), nil
}

// find returns the numbers of the mounts that are known to be at the path or below
// it, in the order of mounting.
func (p *points) find(path string) ([]uint64, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	ids, err := list()
	if err != nil {
		return nil, err
	}
	if time.Since(p.since) > trusted {
		p.known, p.since = nil, time.Now()
	}
	if err := p.learn(ids); err != nil {
		return nil, err
	}
	var found []uint64
	for _, at := range p.known {
		if path == "/" || strings.HasPrefix(at.point, path) && (len(at.point) == len(path) || at.point[len(path)] == '/') {
			found = append(found, at.id)
		}
	}
	return found, nil
}

// learn asks for what is new, and forgets what has gone. It needs the lock.
func (p *points) learn(ids []uint64) error {
	if slices.EqualFunc(ids, p.known, func(id uint64, at place) bool { return id == at.id }) {
		return nil
	}
	now := make([]place, 0, len(ids))
	before := p.known
	for _, id := range ids {
		for len(before) > 0 && before[0].id < id {
			before = before[1:]
		}
		here := place{id: id}
		var err error
		if len(before) > 0 && before[0].id == id {
			here = before[0]
		} else if here.point, err = Point(id); errors.Is(err, unix.ENOENT) {
			continue
		} else if err != nil {
			return err
		}
		now = append(now, here)
	}
	p.known = now
	return nil
}
