package controller

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"coppice.dev/manifests"
	"coppice.dev/spec"
)

func TestTooMany(t *testing.T) {
	for _, row := range []struct {
		most, lost, wanted int
		want               bool
	}{
		{10, 0, 0, false},
		{10, 10, 0, false}, // not more than ten
		{10, 11, 0, true},
		{10, 11, 10, true},
		{10, 11, 11, false}, // no more than half
		{10, 500, 0, true},
		{10, 500, 499, true},
		{10, 500, 600, false},
		{0, 1, 0, true},
		{0, 1, 1, false},
		{-1, 500, 0, false},
	} {
		if got := tooMany(row.most, row.lost, row.wanted); got != row.want {
			t.Errorf("most %d, lost %d, wanted %d: %v, want %v", row.most, row.lost, row.wanted, got, row.want)
		}
	}
}

// stage tells a guard a story, one word at a time, and returns what it holds.
//
//	+a   manifests name a       ?a   may a go? (it is noted if it may not)
//	saw:f:a  a was looked at, and came from folder f   !a  a is confirmed
//	gone:a   nothing is left of it                     held:f:a  its home says it is held
func stage(story string) (held []string) {
	g := newGuard(2)
	named := map[string]string{}
	var set manifests.Set
	tell := func() {
		entries := map[manifests.Key]manifests.Entry{}
		for name, folder := range named {
			key := manifests.Key{Kind: spec.KindSession, Name: name}
			entries[key] = manifests.Entry{Key: key, Folder: folder}
		}
		now := manifests.Set{Entries: manifests.EntriesOf(entries)}
		g.changed(now, manifests.Diff(set, now))
		set = now
	}
	for word := range strings.FieldsSeq(story) {
		parts := strings.Split(word, ":")
		name := parts[len(parts)-1]
		switch {
		case parts[0] == "saw":
			g.saw(name, parts[1], false)
		case parts[0] == "held":
			g.saw(name, parts[1], true)
		case parts[0] == "gone":
			g.forget(name)
		case strings.HasPrefix(word, "+"):
			for n := range strings.SplitSeq(word[1:], ",") {
				named[n] = "f"
			}
			tell()
		case strings.HasPrefix(word, "-"):
			for n := range strings.SplitSeq(word[1:], ",") {
				delete(named, n)
			}
			tell()
		case strings.HasPrefix(word, "!"):
			g.confirmed(word[1:])
		case strings.HasPrefix(word, "?"):
			if g.holds(word[1:]) {
				held = append(held, word[1:])
			}
		default:
			panic(fmt.Sprintf("no such word: %s", word))
		}
	}
	return held
}

func TestGuard(t *testing.T) {
	const all = "+a,b,c,d saw:f:a saw:f:b saw:f:c saw:f:d "
	for _, row := range []struct{ name, story, held string }{
		{"one goes", all + "-a ?a", ""},
		{"half go", all + "-a,b ?a ?b", ""},
		{"more than half go, and more than two", all + "-a,b,c ?a ?b ?c", "a b c"},
		{"one after the other", all + "-a ?a -b ?b -c ?c -d ?d", ""},
		{"what has begun to go is not stopped by what follows", all + "-a,b ?a ?b -c,d ?a ?c ?d", ""},
		{"what is held stays held when fewer are left", all + "-a,b,c ?a !b gone:b !c gone:c ?a", "a a"},
		{"files come back, and go one by one", all + "-a,b,c ?a +a,b,c -a ?a", "a"},
		{"some come back: the others stay held", all + "-a,b,c ?a +a,b ?c", "a c"},
		{"confirmed", all + "-a,b,c ?a !a ?a ?b", "a b"},
		{"a daemon that was not there when they went", "saw:f:a saw:f:b saw:f:c ?a ?b ?c", "a b c"},
		{"and one whose homes remember", "+x,y,z,u,v held:f:a saw:f:b ?a ?b", "a"},
		{"other folders do not count", "saw:f:a saw:g:b saw:h:c ?a ?b ?c", ""},
		{"folders that nobody remembers count as one", "saw::a saw::b saw::c ?a", "a"},
	} {
		if got := strings.Join(stage(row.story), " "); got != row.held {
			t.Errorf("%s: held %q, want %q", row.name, got, row.held)
		}
	}
}

func TestKeptAreNamed(t *testing.T) {
	g := newGuard(1)
	for _, name := range []string{"c", "a", "b"} {
		g.saw(name, "f", false)
	}
	if got := g.kept("f"); len(got) > 0 {
		t.Errorf("before anybody asked: %v", got)
	}
	g.holds("b")
	if got := g.kept("f"); !slices.Equal(got, []string{"a", "b", "c"}) {
		t.Errorf("kept %v, want all three in order", got)
	}
	if got := g.kept("g"); len(got) > 0 {
		t.Errorf("of another folder: %v", got)
	}
}
