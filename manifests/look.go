package manifests

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Folder is a watched folder.
type Folder struct {
	Path string
	// Ephemeral folders do not survive a reboot.
	Ephemeral bool
	// Recursive folders are watched with the folders in them, but for hidden ones.
	Recursive bool
}

// pass is what one look at a watched folder found.
type pass struct {
	folder Folder
	// parts are the folder itself, first, and the folders in it that are watched with
	// it, each before those in it.
	parts []part
}

// part is one folder of a pass.
type part struct {
	path string
	// unavailable says why nothing can be told of it and what is in it; empty if the
	// look succeeded.
	unavailable string
	// busy is set when somebody is changing it just now, so that nothing is to be
	// told before that is over.
	busy     bool
	place    place
	identity string // as of identityOf
	stamp    int64  // when something was last made or removed in it
	// silent is set when others can change it and nothing is heard of that.
	silent   bool
	linked   bool // a link is among the files
	checkout checkout
	files    []file
}

// place tells one folder from another that is at the same path later.
type place struct{ device, inode, mount uint64 }

// attempts is how often folders are looked at that change under the look.
const attempts = 3

// look reads all folders, each through one descriptor. Those that changed meanwhile
// are looked at again: what is moved from one folder to another while they are read
// can be missed in both. One that never is at its path any more when the look is over
// is swapped all the time, and nothing can be told of it.
func look(folders []Folder, known map[string]folderState) []pass {
	passes := make([]pass, 0, len(folders))
	for _, f := range folders {
		passes = append(passes, lookOnce(f, known))
	}
	for range attempts - 1 {
		steady := true
		for i, p := range passes {
			if swapped, changed := p.since(); swapped || changed {
				steady = false
				passes[i] = lookOnce(p.folder, known)
			}
		}
		if steady {
			return passes
		}
	}
	for i, p := range passes {
		if swapped, _ := p.since(); swapped {
			passes[i] = pass{folder: p.folder, parts: []part{{path: p.folder.Path, unavailable: "it is swapped all the time"}}}
		}
	}
	return passes
}

// since reports what has happened to the folders since they were read: whether one is
// not at its path any more, and whether something was made or removed in one.
func (p pass) since() (swapped, changed bool) {
	for _, part := range p.parts {
		if part.unavailable != "" {
			continue
		}
		st, err := statx(unix.AT_FDCWD, part.path)
		swapped = swapped || err != nil || placeFrom(st) != part.place
		changed = changed || nanoseconds(st.Mtime) != part.stamp
	}
	return swapped, changed
}

// hasFiles reports whether there is a file in a folder of the pass, or in one below.
func (p pass) hasFiles(path string) bool {
	return slices.ContainsFunc(p.parts, func(part part) bool { return len(part.files) > 0 && within(part.path, path) })
}

// within reports whether a path is a folder, or below it.
func within(path, folder string) bool {
	return path == folder || strings.HasPrefix(path, folder+"/")
}

// mostFolders is how many folders a watched one may hold: far more than people make,
// and less than the kernel watches (fs.inotify.max_user_watches, inotify(7)).
const mostFolders = 4096

// walk is one way through a watched folder.
type walk struct {
	folder Folder
	known  map[string]folderState
	root   *os.File
	parts  []part
	// read are the folders that were read, whatever path led to them.
	read map[place]bool
	// links are the relative paths of links that may lead to folders.
	links []string
}

func lookOnce(folder Folder, known map[string]folderState) pass {
	root, err := os.OpenFile(folder.Path, os.O_RDONLY|unix.O_DIRECTORY|unix.O_NONBLOCK, 0)
	if err != nil {
		return pass{folder, []part{{path: folder.Path, unavailable: fmt.Sprintf("it cannot be opened: %v", errors.Unwrap(err))}}}
	}
	defer root.Close()
	w := walk{folder: folder, known: known, root: root, read: map[place]bool{}}
	w.enter(".", root, checkoutAt(root))
	// A link may lead to a folder that was read by its own name, or is hidden.
	for len(w.links) > 0 { // and to more links
		link := w.links[0]
		w.links = w.links[1:]
		w.descend(link, true, checkout{})
	}
	if len(w.parts) > mostFolders {
		w.parts = []part{{path: folder.Path, unavailable: fmt.Sprintf("it holds more than %d folders; watch some of them alone", mostFolders)}}
	}
	return pass{folder, w.parts}
}

// descend reads a folder below, if it is one. Another file system that is mounted
// there is not entered: when it is unmounted, all that was in it would seem removed.
func (w *walk) descend(name string, link bool, within checkout) {
	how := unix.OpenHow{
		Flags:   unix.O_RDONLY | unix.O_DIRECTORY | unix.O_NONBLOCK | unix.O_CLOEXEC,
		Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_MAGICLINKS | unix.RESOLVE_NO_XDEV,
	}
	path := filepath.Join(w.folder.Path, name)
	fd, err := unix.Openat2(int(w.root.Fd()), name, &how)
	if err != nil {
		_, was := w.known[path]
		switch {
		case link && !was: // to a file, or out of the folder, or to nowhere
		case errors.Is(err, unix.EXDEV) && !link:
			w.add(part{path: path, unavailable: "something is mounted there; have it watched by a --manifest-dir of its own"})
		case errors.Is(err, unix.EXDEV):
			w.add(part{path: path, unavailable: "it is a link out of the folder; put the folder itself there"})
		case link || !errors.Is(err, fs.ErrNotExist): // a folder that is gone is in no list the next time
			w.add(part{path: path, unavailable: fmt.Sprintf("it cannot be opened: %v", err)})
		}
		return
	}
	dir := os.NewFile(uintptr(fd), path)
	defer dir.Close()
	if link {
		within = checkoutAt(dir)
	}
	w.enter(name, dir, within)
}

// enter reads a folder, and those in it.
func (w *walk) enter(name string, dir *os.File, within checkout) {
	p := part{path: filepath.Join(w.folder.Path, name), checkout: within}
	st, err := statx(int(dir.Fd()), "")
	if err != nil {
		p.unavailable = err.Error()
		w.add(p)
		return
	}
	p.place, p.stamp = placeFrom(st), nanoseconds(st.Mtime)
	if w.read[p.place] || len(w.parts) > mostFolders {
		return
	}
	w.read[p.place] = true
	if p.identity, p.silent, err = identityOf(int(dir.Fd()), st.Ino); err != nil {
		p.unavailable = fmt.Sprintf("its file system does not answer: %v", err)
	}
	if p.unavailable == "" {
		p.unavailable = untrusted(p.path, st)
	}
	if p.unavailable != "" {
		w.add(p)
		return
	}
	known := w.known[p.path].files
	entries, err := list(dir, known.Len() == 0)
	if err != nil {
		p.unavailable = fmt.Sprintf("it cannot be read: %v", err)
		w.add(p)
		return
	}
	if name != "." && slices.ContainsFunc(entries, func(e fs.DirEntry) bool { return e.Name() == gitFolder }) {
		p.checkout = checkoutAt(dir)
	}
	p.busy, p.unavailable = p.checkout.locked()
	if p.busy || p.unavailable != "" {
		w.add(p)
		return
	}
	r := reading{dir: dir, folder: p.path, known: known}
	for _, e := range entries {
		if Considered(e.Name()) && (!w.folder.Recursive || !e.IsDir()) {
			p.files = append(p.files, r.read(e.Name()))
			p.linked = p.linked || e.Type()&fs.ModeSymlink != 0
		}
	}
	p.files = append(p.files, r.unlisted(entries, time.Now())...)
	w.add(p)
	if w.folder.Recursive {
		w.below(name, entries, p.checkout)
	}
}

// list returns what is in a folder, by name. One read of a folder may leave out what
// another file is renamed over meanwhile: readdir(3) promises nothing of that, and tmpfs
// before Linux 6.6 does. What was known before is looked for by its name (unlisted);
// where nothing was, the folder is read twice, and what was there once is taken for
// there.
func list(dir *os.File, twice bool) ([]fs.DirEntry, error) {
	entries, err := dir.ReadDir(-1)
	if err == nil && twice {
		var again []fs.DirEntry
		if _, err = dir.Seek(0, io.SeekStart); err == nil {
			again, err = dir.ReadDir(-1)
		}
		entries = append(entries, again...)
	}
	slices.SortStableFunc(entries, func(a, b fs.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
	return slices.CompactFunc(entries, func(a, b fs.DirEntry) bool { return a.Name() == b.Name() }), err
}

// editing is how long an editor may need from putting the old file aside until the new
// one is there.
const editing = 2 * time.Second

// unlisted returns those of the known files that are not in the list: those that are
// there all the same, and those that are not because an editor has put them aside a
// moment ago to write them anew. Beside the place of each of these lies a file with its
// name and something more (a.yaml~, #a.yaml#, .#a.yaml, a.yaml.orig).
func (r reading) unlisted(entries []fs.DirEntry, now time.Time) []file {
	var found []file
	for path := range r.known.All() {
		name := filepath.Base(path)
		if _, is := slices.BinarySearchFunc(entries, name, func(e fs.DirEntry, name string) int { return strings.Compare(e.Name(), name) }); is {
			continue
		}
		if f := r.read(name); !f.missing {
			found = append(found, f)
		} else if slices.ContainsFunc(entries, func(e fs.DirEntry) bool {
			return strings.Contains(e.Name(), name) && !Considered(e.Name()) && changedLately(e, now)
		}) {
			found = append(found, file{path: path, same: true, open: true})
		}
	}
	return found
}

// changedLately reports whether a file was made, renamed or written to a moment ago.
func changedLately(e fs.DirEntry, now time.Time) bool {
	info, err := e.Info()
	if err != nil {
		return false
	}
	st, is := info.Sys().(*syscall.Stat_t)
	return is && now.Sub(time.Unix(st.Ctim.Unix())).Abs() < editing
}

// below reads the folders in a folder.
func (w *walk) below(name string, entries []fs.DirEntry, within checkout) {
	for _, e := range entries {
		switch {
		case strings.HasPrefix(e.Name(), "."):
		case e.IsDir():
			w.descend(filepath.Join(name, e.Name()), false, within)
		case e.Type()&fs.ModeSymlink != 0 && !Considered(e.Name()):
			w.links = append(w.links, filepath.Join(name, e.Name()))
		}
	}
}

func (w *walk) add(p part) { w.parts = append(w.parts, p) }
