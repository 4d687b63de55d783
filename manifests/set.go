package manifests

import (
	"maps"
	"slices"
	"strings"

	"coppice.dev/spec"
)

// Key names an object.
type Key struct{ Kind, Name string }

// String returns "kind/name".
func (k Key) String() string { return strings.ToLower(k.Kind) + "/" + k.Name }

// Place is where an object is written.
type Place struct {
	Manifest string
	Document int // from 1
	Line     int // of its first line, from 1
}

// Entry is one object that ought to exist, or that a manifest at least names.
type Entry struct {
	Key
	// Object is the object, defaulted and valid; nil if it never was.
	Object spec.Object
	Place  Place
	// Folder is the watched folder that the manifest is in.
	Folder string
	// Problems are what is wrong with its manifest now. Object is then what it
	// said when it was last good.
	Problems []string
	// Stale is set when Object may not be what the manifest says now.
	Stale bool
	// Ephemeral is set when the manifest does not survive a reboot.
	Ephemeral bool
	// Hash tells one spec from another.
	Hash string
	// Revision is the commit in which what it says was seen first, if its folder is in
	// a checkout of Git.
	Revision string
}

// Set is what all watched folders say together. It is not changed once made.
type Set struct {
	// Entries are the objects by name.
	Entries Entries
	// Files are the problems of files, by path.
	Files map[string][]string
	// Folders are the problems of watched folders, by path, empty for one that is fine;
	// and of those in them, if there are any.
	Folders map[string]string

	folders map[string]folderState
}

// Entries are entries by name.
type Entries struct{ versions[Key, Entry] }

// EntriesOf returns those of a map, which is not to be changed any more.
func EntriesOf(all map[Key]Entry) Entries { return Entries{versionOf(all)} }

// folderState is what is remembered of a folder from pass to pass.
type folderState struct {
	// of is the watched folder that it is, or lies in.
	of    Folder
	read  bool // successfully, at least once
	place place
	// identity is that of the folder in which files were seen last, by this
	// process or an earlier one; empty if there were none.
	identity string
	// doubt is an empty folder that took its place, as it was found.
	doubt doubt
	// busy is set while somebody changes it, open while somebody has a file in it open
	// to write, and silent if changes may go unheard.
	busy, open, silent bool
	// linked is set if it holds links that are read as manifests: what they lead to may
	// have any name.
	linked   bool
	checkout checkout
	files    versions[string, fileState]
	// unknown counts the files with something whose name cannot be told.
	unknown int
}

// doubt is an empty folder where another was that was not, and when it was last
// changed.
type doubt struct {
	place place
	stamp int64
}

// fileState is what a file says, or said when it was last good.
type fileState struct {
	entries []Entry
	// unknown is set when the file holds something whose name cannot be told,
	// and it has not been read whole since this process began.
	unknown bool
	// stamp is that of the file as it was read, if all of it is good; none if it is
	// to be read again in any case. seen is the same, however lately it was changed.
	stamp, seen stamp
}

// Complete reports whether every folder has been read at least once: only then
// does what is not in the set not exist.
func (s Set) Complete() bool {
	for _, f := range s.folders {
		if !f.read {
			return false
		}
	}
	return s.folders != nil
}

// MayHold reports whether an object that is not in the set may be in a manifest
// all the same, which cannot be read.
func (s Set) MayHold(key Key) bool {
	if _, named := s.Entries.Get(key); named || !s.Complete() {
		return true
	}
	for _, folder := range s.folders {
		if folder.unknown > 0 {
			return true
		}
	}
	return false
}

// Names returns the names of a kind's objects, sorted.
func (s Set) Names(kind string) []string {
	var names []string
	for k := range s.Entries.All() {
		if k.Kind == kind {
			names = append(names, k.Name)
		}
	}
	slices.Sort(names)
	return names
}

// Diff returns the keys whose entries differ between two sets, sorted.
func Diff(a, b Set) []Key {
	var changed []Key
	for k, e := range b.Entries.All() {
		if before, was := a.Entries.Get(k); !was || !same(before, e) {
			changed = append(changed, k)
		}
	}
	for k := range a.Entries.All() {
		if _, is := b.Entries.Get(k); !is {
			changed = append(changed, k)
		}
	}
	slices.SortFunc(changed, func(a, b Key) int { return strings.Compare(a.String(), b.String()) })
	return changed
}

func same(a, b Entry) bool {
	return a.Hash == b.Hash && a.Place == b.Place && a.Stale == b.Stale && slices.Equal(a.Problems, b.Problems) &&
		(a.Object == nil) == (b.Object == nil) && a.Ephemeral == b.Ephemeral && a.Folder == b.Folder &&
		(a.Object == nil || maps.Equal(a.Object.GetLabels(), b.Object.GetLabels()) && maps.Equal(a.Object.GetAnnotations(), b.Object.GetAnnotations()))
}

// watched returns the paths of the folders that are to be watched, and folders of
// others in which something happens when these change.
func (s Set) watched(folders []Folder) (paths, also []string) {
	for _, f := range folders {
		paths = append(paths, f.Path)
	}
	for path, state := range s.folders {
		if path != state.of.Path {
			paths = append(paths, path)
		}
		also = append(also, state.checkout.folders()...)
	}
	return paths, also
}

// sameFolders reports whether the same is to be watched as for another set.
func (s Set) sameFolders(other Set) bool {
	return maps.EqualFunc(s.folders, other.folders, func(a, b folderState) bool {
		return a.place == b.place && a.checkout.git == b.checkout.git && a.checkout.branch == b.checkout.branch
	})
}

// unheard reports whether something may change without being heard of, or changes
// just now.
func (s Set) unheard() bool {
	for _, state := range s.folders {
		if state.silent || state.busy || state.open { // nobody tells when a file is closed
			return true
		}
	}
	return false
}
