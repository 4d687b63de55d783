package main

import (
	"cmp"
	"path"
	"slices"
	"strings"

	"coppice.dev/spec"
	"coppice.dev/status"
)

// kindManifest is the kind of the statuses of files that do not parse, kindFolder
// that of the watched folders.
const (
	kindManifest = status.KindManifest
	kindFolder   = status.KindFolder
)

// noun is a word for a kind of object.
type noun struct {
	kind     string
	singular string
	plural   string
	short    string
}

// nouns are the words that commands take for kinds.
var nouns = []noun{
	{spec.KindSession, "session", "sessions", "se"},
	{spec.KindChroot, "chroot", "chroots", "cr"},
	{spec.KindProfile, "profile", "profiles", "pr"},
	{kindManifest, "manifest", "manifests", "mf"},
	{kindFolder, "folder", "folders", "fo"},
}

// nounOf finds the noun for a kind that spec or a status names.
func nounOf(kind string) noun {
	for _, n := range nouns {
		if n.kind == kind {
			return n
		}
	}
	return noun{kind, strings.ToLower(kind), strings.ToLower(kind) + "s", ""}
}

// parseNoun reads a word for a kind; what is nearly one gets a suggestion.
func parseNoun(word string) (noun, error) {
	lower := strings.ToLower(word)
	for _, n := range nouns {
		if lower == n.singular || lower == n.plural || lower == n.short {
			return n, nil
		}
	}
	near := slices.MinFunc(nouns, func(a, b noun) int { return cmp.Compare(a.distance(lower), b.distance(lower)) })
	if near.distance(lower) <= 2 {
		return noun{}, usagef("there is no kind %q; did you mean %s?", word, near.plural)
	}
	return noun{}, usagef("there is no kind %q; the kinds are sessions, chroots, profiles, manifests and folders", word)
}

func (n noun) distance(word string) int {
	return min(distance(word, n.singular), distance(word, n.plural))
}

// paths reports whether the kind's names are paths.
func (n noun) paths() bool { return n.kind == kindManifest || n.kind == kindFolder }

// reference is KIND/NAME as typed by people.
type reference struct {
	noun noun
	name string
}

func (r reference) String() string { return r.noun.singular + "/" + r.name }

// parseReferences reads "KIND NAME...", "KIND/NAME..." or a mixture of the
// second, as kubectl takes them.
func parseReferences(args []string) ([]reference, error) {
	if len(args) == 0 {
		return nil, nil
	}
	if strings.Contains(args[0], "/") {
		var list []reference
		for _, arg := range args {
			word, name, found := strings.Cut(arg, "/")
			if !found || name == "" {
				return nil, usagef("%q: want KIND/NAME, such as session/%s", arg, cmp.Or(path.Base(arg), "build-1"))
			}
			n, err := parseNoun(word)
			if err != nil {
				return nil, err
			}
			list = append(list, reference{n, name})
		}
		return list, nil
	}
	n, err := parseNoun(args[0])
	if err != nil {
		return nil, err
	}
	var list []reference
	for _, name := range args[1:] {
		if strings.Contains(name, "/") && !n.paths() {
			return nil, usagef("%q after the kind %s: write either %s NAME... or KIND/NAME...", name, n.plural, n.plural)
		}
		list = append(list, reference{n, name})
	}
	return list, nil
}

// distance is how many letters have to be put in, taken out or changed to get
// from a to b (Levenshtein).
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost = 1 + min(diagonal, row[j], row[j+1])
			}
			diagonal, row[j+1] = row[j+1], cost
		}
	}
	return row[len(b)]
}
