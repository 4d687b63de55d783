package page

import (
	"fmt"
	"net/http"
	"sync"
	"time"
)

// live tells browsers that there is something new to see. What it is they ask for.
type live struct {
	source Source

	mu       sync.Mutex
	audience int
}

// crowd is how many may be told at a time: each keeps a connection.
const crowd = 32

// How often somebody is told at the most, and at the least, so that it shows when they
// are gone; and how long they may take to hear it.
const (
	atMost  = time.Second
	atLeast = 20 * time.Second
	hearing = 10 * time.Second
)

// serve tells one browser, as long as it listens (server-sent events).
func (l *live) serve(w http.ResponseWriter, r *http.Request) {
	if !l.enter() {
		http.Error(w, "too many look on; the page can be loaded again by hand", http.StatusServiceUnavailable)
		return
	}
	defer l.leave()
	control := http.NewResponseController(w)
	say := func(text string) bool {
		_ = control.SetWriteDeadline(time.Now().Add(hearing)) // every connection has deadlines
		_, err := fmt.Fprint(w, text)
		return err == nil && control.Flush() == nil
	}
	_ = control.SetReadDeadline(time.Time{}) // nothing more is expected of them
	w.Header().Set("Content-Type", "text/event-stream")
	changed := l.source.News()
	// What has changed since the page was written is not known: it is looked at once.
	for there := say("retry: 2000\n\ndata: changed\n\n"); there; {
		select {
		case <-r.Context().Done():
			return
		case <-time.After(atLeast):
			there = say(": still here\n\n")
		case <-changed:
			select {
			case <-r.Context().Done():
				return
			case <-time.After(atMost):
			}
			changed = l.source.News() // before it is told, so that nothing is missed
			there = say("data: changed\n\n")
		}
	}
}

func (l *live) enter() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.audience == crowd {
		return false
	}
	l.audience++
	return true
}

func (l *live) leave() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.audience--
}
