package drift

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
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
	listen(stop int, host func(), session func(name string)) error
	close() error
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
	seen := view{}
	look := func() { seen = w.follow(e, seen, notify) }
	look()
	err = e.listen(int(stop.Fd()), look, func(name string) { notify(object.SessionOwner(name)) })
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

// view is what was seen of the host: which mounts of ours there were, by owner.
type view map[object.Owner]mounts

// mounts are the unique numbers of what an owner has on the host: 0 if it is not
// there.
type mounts struct {
	pin             string
	published, root uint64
	disk            uint64
	deaf            bool // listening to it could not begin
}

// follow looks at what is on the host now, listens to new namespaces and tells
// whose mounts are not what they were.
func (w Watcher) follow(e ear, before view, notify func(object.Owner)) view {
	now := w.look()
	for owner, m := range now {
		was, known := before[owner]
		if m.pin != "" && (!known || was.published != m.published || was.deaf) {
			e.forget(owner.Name)
			// If it vanished meanwhile the next change on the host tells; if it
			// failed otherwise it is tried again then.
			m.deaf = e.watch(owner.Name, m.pin) != nil
			now[owner] = m
			if !known {
				notify(owner) // what happened before anybody listened
			}
		}
		was.deaf = m.deaf
		if known && was != m {
			notify(owner)
		}
	}
	for owner, was := range before {
		m, still := now[owner]
		if was.pin != "" && m.pin == "" {
			e.forget(owner.Name) // its disk may be there yet, and must not be held
		}
		if !still {
			notify(owner)
		}
	}
	return now
}

// look reads the folders of pins, views, and mounted images and disks.
func (w Watcher) look() view {
	now := view{}
	for _, name := range names(w.Layout.Pins()) {
		session, _, _, ok := layout.ParsePin(name)
		path := filepath.Join(w.Layout.Pins(), name)
		if id := mountedAt(path); ok && id != 0 {
			now[object.SessionOwner(session)] = mounts{pin: path, published: id, root: mountedAt(w.Layout.View(session))}
		}
	}
	for _, key := range names(w.Layout.BaseMounts()) {
		if id := mountedAt(w.Layout.BaseMount(key)); id != 0 {
			now[object.BaseOwner(key)] = mounts{root: id}
		}
	}
	for _, name := range names(w.Layout.Disks()) {
		owner, is := layout.ParseDisk(name)
		if id := mountedAt(w.Layout.Disk(owner)); is && id != 0 {
			m := now[owner]
			m.disk = id
			now[owner] = m
		}
	}
	return now
}

func names(folder string) []string {
	dir, err := os.Open(folder)
	if err != nil {
		return nil
	}
	defer dir.Close()
	list, _ := dir.Readdirnames(-1) // what could be read counts
	return list
}

// mountedAt returns the number of the mount at the path itself; 0 if there is
// none. Kernels before 6.8 give numbers out again, and a mount that takes the
// place of another in no time is then taken for it.
func mountedAt(path string) uint64 {
	var st unix.Statx_t
	err := unix.Statx(unix.AT_FDCWD, path, unix.AT_SYMLINK_NOFOLLOW|unix.AT_NO_AUTOMOUNT|unix.AT_STATX_DONT_SYNC, unix.STATX_MNT_ID|unix.STATX_MNT_ID_UNIQUE, &st)
	if err != nil || st.Attributes&unix.STATX_ATTR_MOUNT_ROOT == 0 {
		return 0
	}
	return st.Mnt_id
}
