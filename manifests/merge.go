package manifests

import (
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"

	"coppice.dev/spec"
)

// merge returns what is known after new looks at all folders.
func merge(previous Set, passes []pass) Set {
	next := Set{
		Files: map[string][]string{}, Folders: map[string]string{},
		folders: map[string]folderState{},
	}
	for _, p := range passes {
		next.Folders[p.folder.Path] = ""
		next.merge(previous, p)
	}
	all := next.resolve(previous)
	aliases(all)
	next.Entries = EntriesOf(all)
	return next
}

// merge merges a watched folder, and those in it that are watched with it. Whatever
// nothing can be told of stays as it was, with all that is below.
func (s *Set) merge(previous Set, p pass) {
	kept := "" // the last folder of which nothing can be told
	for _, part := range p.parts {
		if kept != "" && within(part.path, kept) {
			continue
		}
		before := previous.folders[part.path]
		before.of = p.folder
		problem := part.unavailable
		if problem == "" && !part.busy && previous.replaced(part, p) {
			problem = "it is empty, and is not the folder that held the manifests; mount it, or let the link lead to it again; if that is meant, make a file in it and remove it"
			if before.doubt.place != part.place {
				before.doubt = doubt{part.place, part.stamp}
			}
		}
		if problem == "" && !part.busy {
			s.folders[part.path] = s.read(previous, before, part, p)
			continue
		}
		kept = part.path
		s.keep(previous, p.folder, part, problem)
		if problem != "" {
			s.Folders[part.path] = problem
			state := s.folders[part.path]
			state.doubt = before.doubt
			s.folders[part.path] = state
		}
	}
}

// keep leaves a folder, and all that is below, as it was; with a problem, all that was
// in it may not be so any more.
func (s *Set) keep(previous Set, folder Folder, p part, problem string) {
	own := folderState{of: folder}
	for path, state := range previous.states(folder, p.path) {
		if state.of = folder; problem != "" {
			state = state.stale()
		}
		if path == p.path {
			own = state
		}
		s.folders[path] = state
	}
	own.of, own.busy, own.checkout, own.silent = folder, p.busy, p.checkout, p.silent
	s.folders[p.path] = own
}

// read merges a folder that was read.
func (s *Set) read(previous Set, before folderState, now part, p pass) folderState {
	state := folderState{of: p.folder, read: true, place: now.place, checkout: now.checkout, silent: now.silent, linked: now.linked}
	files := make(map[string]fileState, len(now.files))
	if p.hasFiles(now.path) {
		state.identity = now.identity
	}
	for _, f := range now.files {
		was, known := before.files.Get(f.path)
		merged, problems := readFile(previous, was, known, f, state)
		files[f.path] = merged
		if merged.unknown {
			state.unknown++
		}
		state.open = state.open || f.open
		if len(problems) > 0 {
			s.Files[f.path] = problems
		}
	}
	state.files = versionOf(files)
	return state
}

// states are what is known of a folder, and of those below that are watched with it.
func (s Set) states(folder Folder, path string) iter.Seq2[string, folderState] {
	return func(yield func(string, folderState) bool) {
		if !folder.Recursive {
			if state, is := s.folders[path]; is {
				yield(path, state)
			}
			return
		}
		for at, state := range s.folders {
			if within(at, path) && !yield(at, state) {
				return
			}
		}
	}
}

// replaced reports whether a look found an empty folder that is not the one with
// the manifests: a mount or a link that led to it is gone. If something is made or
// removed in it after that, it is meant.
func (s Set) replaced(now part, p pass) bool {
	before := s.folders[now.path]
	switch {
	case p.hasFiles(now.path) || before.doubt.place == now.place && before.doubt.stamp != now.stamp:
		return false
	case !before.read:
		return before.identity != "" && before.identity != now.identity
	case before.place == now.place:
		return false
	}
	for _, state := range s.states(p.folder, now.path) {
		if state.files.Len() > 0 {
			return true
		}
	}
	return false
}

// stale returns what was known of a folder, of which nothing can be told now.
func (f folderState) stale() folderState {
	files := make(map[string]fileState, f.files.Len())
	for path, file := range f.files.All() {
		files[path] = file.stale("")
	}
	f.files = versionOf(files)
	return f
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
func readFile(previous Set, was fileState, known bool, f file, in folderState) (fileState, []string) {
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
		e := entry(previous, d, f.path, in)
		named[e.Key] = true
		state.entries = append(state.entries, e)
	}
	if len(problems) == 0 {
		state.stamp, state.seen = f.stamp, f.seen
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
func entry(previous Set, d spec.Document, path string, in folderState) Entry {
	e := Entry{
		Key: Key{d.Kind, d.Name}, Object: d.Object, Ephemeral: in.of.Ephemeral, Folder: in.of.Path,
		Place: Place{Manifest: path, Document: d.Index, Line: d.Line}, Revision: in.checkout.revision,
	}
	if d.Object != nil {
		e.Hash = spec.Hash(d.Object)
		if was := previous.Entries.At(e.Key); was.Hash == e.Hash && was.Revision != "" {
			e.Revision = was.Revision
		}
		return e
	}
	for _, p := range d.Problems {
		e.Problems = append(e.Problems, p.String())
	}
	return e.lastGood(previous)
}

// lastGood gives an entry the object that it had before.
func (e Entry) lastGood(previous Set) Entry {
	before := previous.Entries.At(e.Key)
	e.Object, e.Hash, e.Revision, e.Stale = before.Object, before.Hash, before.Revision, true
	return e
}

// resolve gives each name its one entry.
func (s *Set) resolve(previous Set) map[Key]Entry {
	all := map[Key]Entry{}
	several := map[Key][]Entry{}
	for _, path := range slices.Sorted(maps.Keys(s.folders)) {
		files := maps.Collect(s.folders[path].files.All())
		for _, name := range slices.Sorted(maps.Keys(files)) {
			for _, e := range files[name].entries {
				if first, is := all[e.Key]; !is {
					all[e.Key] = e
				} else if several[e.Key] != nil {
					several[e.Key] = append(several[e.Key], e)
				} else {
					several[e.Key] = []Entry{first, e}
				}
			}
		}
	}
	for key, entries := range several {
		all[key] = one(previous, entries)
	}
	return all
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
func aliases(all map[Key]Entry) {
	chroots := map[string]*spec.Chroot{}
	for key, e := range all {
		if chroot, is := e.Object.(*spec.Chroot); is {
			chroots[key.Name] = chroot
		}
	}
	for name, chroot := range chroots {
		key := Key{spec.KindChroot, name}
		for _, alias := range chroot.Spec.Aliases {
			if other := takenBy(chroots, alias, name); other != "" {
				e := all[key]
				e.Problems = append(slices.Clone(e.Problems), fmt.Sprintf("alias %q is also a name of %s; change one of them", alias, other))
				all[key] = e
			}
		}
	}
}

func takenBy(chroots map[string]*spec.Chroot, alias, owner string) string {
	for _, name := range slices.Sorted(maps.Keys(chroots)) {
		if name != owner && (name == alias || slices.Contains(chroots[name].Spec.Aliases, alias)) {
			return Key{spec.KindChroot, name}.String()
		}
	}
	return ""
}
