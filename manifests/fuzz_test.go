package manifests

import (
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
)

// contents are what a file may hold, from the best to the worst.
var contents = []string{
	session("a", 1), session("b", 1), session("a", 2) + "---\n" + session("c", 1), "# nothing\n", "", "kind: [",
	session("b", 1)[:70], session("d", 1) + "---\n" + session("a", 1),
}

// story reads passes over a folder with folders out of a string of bytes.
type story struct{ rest []byte }

// next returns a number below n; 0 at the end.
func (s *story) next(n int) int {
	if len(s.rest) == 0 {
		return 0
	}
	b := s.rest[0]
	s.rest = s.rest[1:]
	return int(b) % n
}

func (s *story) pass() pass {
	p := pass{folder: Folder{Path: folder, Recursive: true}}
	for _, path := range []string{".", "x", "x/y", "z"} {
		kind := s.next(8)
		if path != "." && kind == 0 {
			continue // it is not there
		}
		at := part{path: filepath.Join(folder, path), place: place{inode: uint64(s.next(2))}, stamp: int64(s.next(2))}
		at.identity = strconv.FormatUint(at.place.inode, 10)
		switch kind {
		case 1:
			at.unavailable = "no"
		case 2:
			at.busy = true
		default:
			for _, name := range []string{"1.yaml", "2.yaml"} {
				switch what := s.next(len(contents) + 2); what {
				case len(contents): // it is not there
				case len(contents) + 1:
					at.files = append(at.files, file{path: at.path + "/" + name, problem: "no"})
				default:
					at.files = append(at.files, file{path: at.path + "/" + name, data: []byte(contents[what])})
				}
			}
		}
		p.parts = append(p.parts, at)
	}
	return p
}

// FuzzMerge tells stories of what looks find, and wants that nothing goes but what was
// seen to be gone, and that a look that finds the same changes nothing.
func FuzzMerge(f *testing.F) {
	f.Add([]byte("a story"))
	f.Add([]byte{3, 0, 0, 0, 1, 3, 0, 0, 2, 3, 3, 1, 0, 8, 8})
	f.Fuzz(func(t *testing.T, told []byte) {
		s := story{told}
		var now Set
		for len(s.rest) > 0 {
			p := s.pass()
			next := merge(now, []pass{p})
			for key := range now.Entries.All() {
				if _, is := next.Entries.Get(key); !is && !seenGone(now, next, p, key) {
					t.Fatalf("%s is gone, and nobody saw that", key)
				}
			}
			if again := merge(next, []pass{p}); len(Diff(next, again)) > 0 && !doubts(next) {
				t.Fatalf("the same look changes %v", Diff(next, again))
			}
			now = next
		}
	})
}

// doubts reports whether an empty folder has taken another's place.
func doubts(s Set) bool {
	return slices.ContainsFunc(slices.Collect(maps.Values(s.folders)), func(f folderState) bool { return f.doubt != doubt{} })
}

// seenGone reports whether every file that named an object was read whole without it,
// or is gone from a folder that was read.
func seenGone(before, now Set, p pass, key Key) bool {
	for path, state := range before.folders {
		for name, file := range state.files.All() {
			named := slices.ContainsFunc(file.entries, func(e Entry) bool { return e.Key == key })
			if named && !readWithout(now, p, path, name) {
				return false
			}
		}
	}
	return true
}

// readWithout reports whether the folder was read, or is gone from one that was, and
// the file in it, if it is still there, can be used.
func readWithout(now Set, p pass, folder, file string) bool {
	for _, part := range p.parts {
		if within(folder, part.path) && (part.unavailable != "" || part.busy || now.Folders[part.path] != "") {
			return false
		}
	}
	return len(now.Files[file]) == 0
}
