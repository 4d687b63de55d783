package manifests

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"coppice.dev/spec"
)

// merge returns what is known after new looks at all folders.
func merge(previous Set, passes []pass) Set {
	next := Set{
		Entries: map[Key]Entry{}, Files: map[string][]string{}, Folders: map[string]string{},
		folders: map[string]folderState{},
	}
	for _, p := range passes {
		before := previous.folders[p.folder.Path]
		state, problem := next.folder(previous, before, p)
		next.folders[p.folder.Path] = state
		next.Folders[p.folder.Path] = problem
	}
	next.resolve(previous)
	next.aliases()
	return next
}

// folder merges one folder.
func (s *Set) folder(previous Set, before folderState, p pass) (folderState, string) {
	problem := p.unavailable
	if problem == "" && before.replaced(p) {
		problem = "it is empty, and is not the folder that held the manifests; mount it, or let the link lead to it again; if that is meant, make a file in it and remove it"
		if before.doubt.place != p.place {
			before.doubt = doubt{p.place, p.stamp}
		}
	}
	if problem != "" {
		kept := folderState{read: before.read, place: before.place, identity: before.identity, doubt: before.doubt, files: map[string]fileState{}}
		for path, f := range before.files {
			kept.files[path] = f.stale("")
		}
		return kept, problem
	}
	state := folderState{read: true, place: p.place, files: map[string]fileState{}}
	if len(p.files) > 0 {
		state.identity = p.identity
	}
	for _, f := range p.files {
		was, known := before.files[f.path]
		now, problems := readFile(previous, was, known, f, p.folder)
		state.files[f.path] = now
		if len(problems) > 0 {
			s.Files[f.path] = problems
		}
	}
	return state, ""
}

// stale returns the file's entries as what they were when they were last good.
func (f fileState) stale(problem string) fileState {
	kept := fileState{unknown: f.unknown}
	for _, e := range f.entries {
		e.Stale = true
		if problem != "" {
			e.Problems = []string{problem}
		}
		kept.entries = append(kept.entries, e)
	}
	return kept
}

// readFile merges one file.
func readFile(previous Set, was fileState, known bool, f file, folder Folder) (fileState, []string) {
	if f.same {
		return was, nil
	}
	problem := f.problem
	empty := problem == "" && len(strings.TrimSpace(string(f.data))) == 0
	if empty && len(was.entries) > 0 {
		problem = "it is empty; remove it if its objects are to go"
	}
	if empty && (!known || was.unknown) {
		// What a power cut leaves of a manifest that was just written. Nobody knows
		// what stood in it, and what it named must not be swept for that.
		problem = "it is empty, as after a power cut; write it again, or remove it if its objects are to go"
	}
	if problem != "" {
		kept := was.stale(f.path + ": " + problem)
		kept.unknown = !known || was.unknown
		return kept, []string{problem}
	}
	documents, problems := spec.Parse(f.path, f.data)
	var state fileState
	var texts []string
	for _, p := range problems {
		texts = append(texts, p.String())
	}
	nameless := len(problems) // those of no document, or of one without a name
	named := map[Key]bool{}
	for _, d := range documents {
		if d.Kind == "" || d.Name == "" {
			continue
		}
		nameless -= len(d.Problems)
		e := entry(previous, d, f.path, folder)
		named[e.Key] = true
		state.entries = append(state.entries, e)
	}
	if len(problems) == 0 {
		state.stamp = f.stamp
		return state, nil
	}
	// What a broken file no longer names may only be half written, or misspelt.
	for _, e := range was.entries {
		if !named[e.Key] {
			e.Stale, e.Problems = true, texts
			state.entries = append(state.entries, e)
		}
	}
	state.unknown = nameless > 0 && (!known || was.unknown)
	return state, texts
}

// entry is what a document says; if it cannot be used, what it said before.
func entry(previous Set, d spec.Document, path string, folder Folder) Entry {
	e := Entry{
		Key: Key{d.Kind, d.Name}, Object: d.Object, Ephemeral: folder.Ephemeral, Folder: folder.Path,
		Place: Place{Manifest: path, Document: d.Index, Line: d.Line},
	}
	if d.Object != nil {
		e.Hash = spec.Hash(d.Object)
		return e
	}
	for _, p := range d.Problems {
		e.Problems = append(e.Problems, p.String())
	}
	return e.lastGood(previous)
}

// lastGood gives an entry the object that it had before.
func (e Entry) lastGood(previous Set) Entry {
	before := previous.Entries[e.Key]
	e.Object, e.Hash, e.Stale = before.Object, before.Hash, true
	return e
}

// resolve gives each name its one entry.
func (s *Set) resolve(previous Set) {
	several := map[Key][]Entry{}
	for _, path := range slices.Sorted(maps.Keys(s.folders)) {
		files := s.folders[path].files
		for _, name := range slices.Sorted(maps.Keys(files)) {
			for _, e := range files[name].entries {
				if first, is := s.Entries[e.Key]; !is {
					s.Entries[e.Key] = e
				} else if several[e.Key] != nil {
					several[e.Key] = append(several[e.Key], e)
				} else {
					several[e.Key] = []Entry{first, e}
				}
			}
		}
	}
	for key, entries := range several {
		s.Entries[key] = one(previous, entries)
	}
}

// one decides between entries of one name. What is only kept from before gives
// way to what is written now: it was moved to another file.
func one(previous Set, entries []Entry) Entry {
	written := slices.DeleteFunc(slices.Clone(entries), func(e Entry) bool { return e.Stale })
	switch len(written) {
	case 0:
		return entries[0]
	case 1:
		return written[0]
	}
	var places []string
	for _, e := range written {
		places = append(places, fmt.Sprintf("%s:%d", e.Place.Manifest, e.Place.Line))
	}
	refused := written[0]
	refused.Problems = []string{fmt.Sprintf("%s is written more than once, in %s; remove all but one", refused.Key, strings.Join(places, " and in "))}
	return refused.lastGood(previous)
}

// aliases refuses a chroot's alias that is another's name or alias.
func (s *Set) aliases() {
	for key, e := range s.Entries {
		chroot, is := e.Object.(*spec.Chroot)
		if !is {
			continue
		}
		for _, alias := range chroot.Spec.Aliases {
			if other := s.takenBy(alias, key.Name); other != "" {
				e.Problems = append(slices.Clone(e.Problems), fmt.Sprintf("alias %q is also a name of %s; change one of them", alias, other))
				s.Entries[key] = e
			}
		}
	}
}

func (s *Set) takenBy(alias, owner string) string {
	for _, name := range s.Names(spec.KindChroot) {
		chroot, is := s.Entries[Key{spec.KindChroot, name}].Object.(*spec.Chroot)
		if !is || name == owner {
			continue
		}
		if name == alias || slices.Contains(chroot.Spec.Aliases, alias) {
			return Key{spec.KindChroot, name}.String()
		}
	}
	return ""
}
