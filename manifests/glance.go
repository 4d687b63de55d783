package manifests

import (
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"coppice.dev/spec"
)

// Glance looks at one file alone, and at once. It takes what can be told from that
// file without a doubt: sessions that are new or say something else. It reports
// whether it took anything; all else waits for the look at everything, which comes
// soon after each change. Whoever wrote the file may be at it still.
func (s *Source) Glance(path string) bool { return s.glance(path, false) }

// Dropped is Glance for a file that the caller itself has put there whole, or has
// taken away because its sessions are to go.
func (s *Source) Dropped(path string) bool { return s.glance(path, true) }

func (s *Source) glance(path string, whole bool) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !Considered(filepath.Base(path)) {
		return false
	}
	next, changed, sure := s.current.glance(filepath.Clean(path), whole)
	if !sure {
		return false
	}
	s.current = next
	s.remember()
	if s.OnChange != nil && len(changed) > 0 {
		s.OnChange(next, changed)
	}
	return true
}

// glance returns the set with one file as it is now.
func (s Set) glance(path string, whole bool) (next Set, changed []Key, sure bool) {
	folder := filepath.Dir(path)
	state, watched := s.folders[folder]
	if !watched || state.busy {
		return s, nil, false
	}
	dir, err := os.OpenFile(folder, os.O_RDONLY|unix.O_DIRECTORY|unix.O_NONBLOCK, 0)
	if err != nil {
		return s, nil, false
	}
	defer dir.Close()
	st, err := statx(int(dir.Fd()), "")
	if err != nil || !state.read || placeFrom(st) != state.place || s.Folders[folder] != "" || untrusted(folder, st) != "" {
		return s, nil, false // the folder is another, or cannot be believed
	}
	if isLink(path) {
		return s, nil, false // what it leads to may change elsewhere
	}
	f := reading{dir: dir, folder: folder, known: state.files, alone: !whole}.read(filepath.Base(path))
	was, known := state.files.Get(f.path)
	if !s.owns(f.path, was) {
		return s, nil, false
	}
	var now fileState
	switch {
	case f.missing && whole:
		if state.files.Len() == 1 {
			if state.of.Recursive {
				return s, nil, false // what that means for the folders above is to be seen
			}
			state.identity = "" // as after a look at a folder without manifests
		}
	case f.same:
		return s, nil, true
	default:
		var problems []string
		if now, problems = readFile(s, was, known, f, state); len(problems) > 0 || len(now.entries) == 0 || !s.owns(f.path, now) || !covers(now, was) {
			return s, nil, false
		}
		if state.identity, _, err = identityOf(int(dir.Fd()), st.Ino); err != nil {
			return s, nil, false
		}
	}
	if changed = differences(was, now); known && len(changed) == 0 && !f.missing {
		return s, nil, true
	}
	return s.with(folder, state, f.path, now), changed, true
}

// meaningless reports whether a file is none of those whose coming and going can mean
// anything: the hidden ones that manifests are written to before they get their names.
func (s *Source) meaningless(path string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	state := s.current.folders[filepath.Dir(path)]
	name := filepath.Base(path)
	return state.read && !state.busy && !state.linked && strings.HasPrefix(name, ".") && name != gitFolder
}

// taken reports whether a manifest is the very file that was read last, and all of it
// good.
func (s *Source) taken(path string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	state := s.current.folders[filepath.Dir(path)]
	was := state.files.At(filepath.Clean(path))
	if was.seen == (stamp{}) || state.busy {
		return false
	}
	var st unix.Statx_t
	err := unix.Statx(unix.AT_FDCWD, path, unix.AT_SYMLINK_NOFOLLOW, unix.STATX_BASIC_STATS, &st)
	return err == nil && stampOf(st) == was.seen
}

func isLink(path string) bool {
	info, err := os.Lstat(path)
	return err == nil && info.Mode()&fs.ModeSymlink != 0
}

// gone reports whether a manifest is not there, and is known not to be.
func (s *Source) gone(path string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	state, watched := s.current.folders[filepath.Dir(path)]
	_, known := state.files.Get(filepath.Clean(path))
	if !watched || !state.read || state.busy || known {
		return false
	}
	_, err := os.Lstat(path)
	return errors.Is(err, fs.ErrNotExist)
}

// owns reports whether all that a file names are sessions, each of them once, that
// no other file names.
func (s Set) owns(path string, f fileState) bool {
	named := map[Key]bool{}
	for _, e := range f.entries {
		other, is := s.Entries.Get(e.Key)
		if e.Kind != spec.KindSession || e.Stale || named[e.Key] || is && (other.Place.Manifest != path || len(other.Problems) > 0) {
			return false
		}
		named[e.Key] = true
	}
	return !f.unknown
}

// covers reports whether a file names all that it named.
func covers(now, was fileState) bool {
	named := map[Key]bool{}
	for _, e := range now.entries {
		named[e.Key] = true
	}
	for _, e := range was.entries {
		if !named[e.Key] {
			return false
		}
	}
	return true
}

// with returns the set with one file that says something else; nothing, if the
// file is gone.
func (s Set) with(folder string, state folderState, path string, now fileState) Set {
	next := Set{Entries: s.Entries, Files: s.Files, Folders: s.Folders, folders: maps.Clone(s.folders)}
	for _, e := range state.files.At(path).entries {
		next.Entries.versions = next.Entries.Without(e.Key)
	}
	for _, e := range now.entries {
		next.Entries.versions = next.Entries.With(e.Key, e)
	}
	if len(now.entries) > 0 {
		state.files = state.files.With(path, now)
	} else {
		state.files = state.files.Without(path)
	}
	next.folders[folder] = state
	if _, wrong := s.Files[path]; wrong {
		next.Files = maps.Clone(s.Files)
		delete(next.Files, path)
	}
	return next
}

// differences returns what is not in both alike.
func differences(was, now fileState) []Key {
	entries := func(f fileState) Set {
		all := map[Key]Entry{}
		for _, e := range f.entries {
			all[e.Key] = e
		}
		return Set{Entries: EntriesOf(all)}
	}
	return Diff(entries(was), entries(now))
}

// written reports whether somebody has a file open to write to it, and whether that is
// for sure. The kernel gives nobody a lease to read of such a file (F_SETLEASE,
// fcntl(2)); the lease ends when the file is closed. A file system without leases, such
// as FUSE, cannot tell.
func written(file *os.File) (is, sure bool) {
	_, err := unix.FcntlInt(file.Fd(), unix.F_SETLEASE, unix.F_RDLCK)
	return errors.Is(err, unix.EAGAIN), err == nil || errors.Is(err, unix.EAGAIN)
}
