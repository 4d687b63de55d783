package drift

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"coppice.dev/reconcile/kernel/mounttable"
	"coppice.dev/reconcile/layout"
	"coppice.dev/reconcile/object"
)

// view is what was seen of the host: which mounts of ours there were, by owner.
type view map[object.Owner]mounts

// mounts are the numbers of what an owner has on the host: 0 if it is not there. They
// are unique where the kernel has such numbers.
type mounts struct {
	pin             string
	published, root uint64
	disk            uint64
	deaf            bool // listening to it could not begin
}

// host follows what becomes of the host's mounts, and looks at those owners only
// whose mounts came or went, as far as that is known: else each session would cost
// more the more there are.
type host struct {
	watcher Watcher
	ear     ear
	notify  func(object.Owner)

	seen  view
	owner map[uint64]object.Owner // by the numbers of their mounts
	// above are mounts that others made over the folders in which ours are, which
	// may hide all of them.
	above map[uint64]bool
	// deaf are those to which listening could not begin.
	deaf map[object.Owner]bool
}

// follow looks at those whose mounts came or went.
func (h *host) follow(c change) {
	if c.all {
		h.followAll()
		return
	}
	who := map[object.Owner]bool{}
	for _, id := range c.went {
		if h.above[id] {
			h.followAll()
			return
		}
		if o, known := h.owner[id]; known {
			who[o] = true
		}
	}
	for _, id := range c.came {
		point, err := mounttable.Point(id)
		if err != nil {
			continue // it has gone again, which is told as well
		}
		if h.watcher.hides(point) {
			h.above[id] = true
			h.followAll()
			return
		}
		if o, ours := h.watcher.ownerOf(point); ours {
			who[o] = true
		}
	}
	for o := range h.deaf {
		who[o] = true // it is tried again
	}
	for o := range who {
		h.update(o, h.watcher.lookAt(o))
	}
}

// followAll looks at all that there are and were.
func (h *host) followAll() {
	now := h.watcher.look()
	for o, m := range now {
		h.update(o, m)
	}
	for _, o := range slices.Collect(maps.Keys(h.seen)) {
		if _, still := now[o]; !still {
			h.update(o, mounts{})
		}
	}
}

// update notes what an owner has now, listens to a new namespace, and tells whose
// mounts are not what they were.
func (h *host) update(o object.Owner, now mounts) {
	was, known := h.seen[o]
	for _, id := range []uint64{was.published, was.root, was.disk} {
		delete(h.owner, id)
	}
	if now == (mounts{}) {
		if was.pin != "" {
			h.ear.forget(o.Name)
		}
		delete(h.seen, o)
		delete(h.deaf, o)
		if known {
			h.notify(o)
		}
		return
	}
	for _, id := range []uint64{now.published, now.root, now.disk} {
		if id != 0 {
			h.owner[id] = o
		}
	}
	begins := now.pin != "" && (was.published != now.published || was.deaf)
	if was.pin != "" && (begins || now.pin == "") {
		h.ear.forget(o.Name) // its disk may be there yet, and must not be held
	}
	now.deaf = was.deaf && now.pin != ""
	if begins {
		// If it vanished meanwhile the next change on the host tells; if it failed
		// otherwise it is tried again then.
		now.deaf = h.ear.watch(o.Name, now.pin) != nil
	}
	h.seen[o] = now
	if delete(h.deaf, o); now.deaf {
		h.deaf[o] = true
	}
	was.deaf = now.deaf
	if known && was != now || !known && now.pin != "" { // it tells of what happened before anybody listened
		h.notify(o)
	}
}

// hides reports whether a mount at the path lies over a folder in which ours are.
func (w Watcher) hides(point string) bool {
	for _, folder := range []string{w.Layout.Pins(), w.Layout.Views(), w.Layout.BaseMounts(), w.Layout.Disks()} {
		if point == "/" || folder == point || strings.HasPrefix(folder, point+"/") {
			return true
		}
	}
	return false
}

// ownerOf returns whose the place of a mount is.
func (w Watcher) ownerOf(point string) (object.Owner, bool) {
	parent, name := filepath.Split(point)
	folder := filepath.Clean(parent)
	switch {
	case folder == w.Layout.BaseMounts():
		return object.BaseOwner(name), true
	case folder == w.Layout.Disks():
		return layout.ParseDisk(name)
	}
	session := object.SessionOwner(filepath.Base(folder))
	return session, filepath.Dir(folder) == w.Layout.Pins() || point == w.Layout.View(session.Name)
}

// look reads the folders of pins, views, and mounted images and disks.
func (w Watcher) look() view {
	now := view{}
	for _, session := range names(w.Layout.Pins()) {
		now.note(w, object.SessionOwner(session))
	}
	for _, key := range names(w.Layout.BaseMounts()) {
		now.note(w, object.BaseOwner(key))
	}
	for _, name := range names(w.Layout.Disks()) {
		if owner, is := layout.ParseDisk(name); is {
			now.note(w, owner)
		}
	}
	return now
}

func (v view) note(w Watcher, o object.Owner) {
	if _, looked := v[o]; looked {
		return
	}
	if m := w.lookAt(o); m != (mounts{}) {
		v[o] = m
	}
}

// lookAt looks at what one owner has. What nobody has pinned is no session's.
func (w Watcher) lookAt(o object.Owner) mounts {
	m := mounts{disk: mountedAt(w.Layout.Disk(o))}
	if o.Class == object.Base {
		m.root = mountedAt(w.Layout.BaseMount(o.Name))
		return m
	}
	for _, name := range names(w.Layout.PinFolder(o.Name)) {
		path := filepath.Join(w.Layout.PinFolder(o.Name), name)
		if _, _, ok := layout.ParsePin(name); !ok {
			continue
		}
		if id := mountedAt(path); id != 0 {
			m.pin, m.published, m.root = path, id, mountedAt(w.Layout.View(o.Name))
		}
	}
	return m
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
