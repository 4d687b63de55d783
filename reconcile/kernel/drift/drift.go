package drift

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"coppice.dev/reconcile/layout"
	"coppice.dev/reconcile/object"
)

// Watcher watches the mounts of all sessions below one run-time folder.
type Watcher struct {
	Layout layout.Layout
	// Poll leaves fanotify alone, as on a kernel without it.
	Poll bool
	// Polling is told why mount tables are polled instead. It may be nil.
	Polling func(error)
	// Listening is called when everything that is there is listened to; whoever sets it
	// looks at all of that afterwards by himself, and is told of what happens from then
	// on alone. Without it, all that is there is told of first.
	Listening func()
}

// gathering is how long changes on the host are gathered before pins are looked
// for: they come in bursts when sessions begin and end.
const gathering = 20 * time.Millisecond

// ear hears of changes.
type ear interface {
	// watch begins to listen to a session's namespace.
	watch(session, pin string) error
	// forget ends that. It is not an error if nothing listens.
	forget(session string)
	// listen waits for changes and calls back: for the host's table, or for a
	// session's. It returns when stop is readable.
	listen(stop int, host func(change), session func(name string)) error
	close() error
}

// change is what became of the host's mounts.
type change struct {
	// came and went are the unique numbers of mounts.
	came, went []uint64
	// all is set if it is not known which came and went.
	all bool
}

// Run tells of changes until the context ends. notify must not block.
func (w Watcher) Run(ctx context.Context, notify func(object.Owner)) error {
	e, err := w.ear()
	if err != nil {
		return fmt.Errorf("watch mounts: %w", err)
	}
	defer e.close()
	stop, wake, err := os.Pipe()
	if err != nil {
		return fmt.Errorf("watch mounts: %w", err)
	}
	defer stop.Close()
	ended := context.AfterFunc(ctx, func() { wake.Close() })
	defer func() {
		if ended() {
			wake.Close()
		}
	}()
	h := host{watcher: w, ear: e, notify: notify, seen: view{}, owner: map[uint64]object.Owner{}, above: map[uint64]bool{}, deaf: map[object.Owner]bool{}}
	if w.Listening != nil {
		h.notify = func(object.Owner) {}
	}
	h.followAll()
	if h.notify = notify; w.Listening != nil {
		w.Listening()
	}
	err = e.listen(int(stop.Fd()), h.follow, func(name string) { notify(object.SessionOwner(name)) })
	if ctx.Err() != nil {
		return nil
	}
	return fmt.Errorf("watch mounts: %w", err)
}

// ear returns the best ear that the kernel offers.
func (w Watcher) ear() (ear, error) {
	if !w.Poll {
		e, err := newMarks()
		if err == nil {
			return e, nil
		}
		if !errors.Is(err, unix.EINVAL) && !errors.Is(err, unix.ENOSYS) && !errors.Is(err, unix.EPERM) && !errors.Is(err, unix.EMFILE) {
			return nil, err
		}
		if w.Polling != nil {
			w.Polling(err)
		}
	}
	return newTables()
}
