package manifests

import (
	"maps"
	"slices"
)

// Summary is what the last look at a watched folder found.
type Summary struct {
	Folder Folder
	// Problem says why nothing, or not all, can be told of it; empty if it was read.
	Problem string
	// Files counts its manifests, Objects what they ask for, and Refused those of the
	// objects that cannot be had, since something is wrong with what is written.
	Files, Objects, Refused int
	// Troubled are the files with problems, by path.
	Troubled []string
	// Revision is the commit that is checked out there; empty if it is in no checkout
	// of Git, or the folders in it are in several.
	Revision string
	// Polled is set when it is looked at from time to time, since its file system does
	// not tell what others do there.
	Polled bool
}

// Watched are the watched folders, by path.
func (s Set) Watched() map[string]Folder {
	all := map[string]Folder{}
	for _, state := range s.folders {
		all[state.of.Path] = state.of
	}
	return all
}

// Summary sums a watched folder up; ok is false if there is none of that path.
func (s Set) Summary(path string) (sum Summary, ok bool) {
	root, ok := s.folders[path]
	if !ok || root.of.Path != path {
		return Summary{}, false
	}
	sum.Folder = root.of
	revisions := map[string]bool{}
	for _, at := range slices.Sorted(maps.Keys(s.folders)) {
		state := s.folders[at]
		if state.of.Path != path {
			continue
		}
		if sum.Problem == "" {
			if sum.Problem = s.Folders[at]; sum.Problem != "" && at != path {
				sum.Problem = at + ": " + sum.Problem
			}
		}
		sum.Polled = sum.Polled || state.silent
		revisions[state.checkout.revision] = true
		for file, is := range state.files.All() {
			sum.Files++
			sum.Objects += len(is.entries)
			for _, e := range is.entries {
				if len(s.Entries.At(e.Key).Problems) > 0 {
					sum.Refused++
				}
			}
			if len(s.Files[file]) > 0 {
				sum.Troubled = append(sum.Troubled, file)
			}
		}
	}
	slices.Sort(sum.Troubled)
	if sum.Revision = root.checkout.revision; sum.Revision == "" && len(revisions) <= 2 {
		delete(revisions, "")
		for only := range revisions {
			sum.Revision = only
		}
		if len(revisions) > 1 {
			sum.Revision = ""
		}
	}
	return sum, true
}
