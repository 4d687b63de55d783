package schema

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"testing"

	"coppice.dev/spec"
	"coppice.dev/spec/schema"
)

// onlyOurs is what only Coppice finds, since a schema cannot say it: each with why.
var onlyOurs = map[string]*regexp.Regexp{
	"a regular expression is only known to be one when it is compiled": regexp.MustCompile(`must be a regular expression`),
	"two paths are the same with and without a slash at the end":       regexp.MustCompile(`is there twice`),
	"which options a mount has depends on its type":                    regexp.MustCompile(`\.options\[|mounts\[\d+\]\.target: required`),
	"whether a source can be opened depends on all of it":              regexp.MustCompile(`openSource|outside|own root`),
	"metadata is the API server's own to check":                        regexp.MustCompile(`^metadata`),
	"the keys of a mapping have no pattern":                            regexp.MustCompile(`must be a variable's name`),
	"what is empty in a list is a slip":                                regexp.MustCompile(`it is empty; remove it|it has no value`),
	"a program of a hook is a path like any other":                     regexp.MustCompile(`(command|undo)\[0\]`),
}

// onlyTheirs is what only the API server refuses: each with why.
var onlyTheirs = map[string]*regexp.Regexp{
	"a size that is a fraction, without a unit, is text to them: put it in quotes": regexp.MustCompile(`must validate at least one schema \(anyOf\)|must be of type .*"number"`),
	"what is null, or an empty word where one of a list is wanted, is not written": regexp.MustCompile(`null|Unsupported value: ""`),
	"an empty word is none to us, and no path to them":                             regexp.MustCompile(`Invalid value: ""`),
}

// explained reports whether every finding is one of those that only one side has.
func explained(found []string, known map[string]*regexp.Regexp) bool {
	return !slices.ContainsFunc(found, func(f string) bool {
		return !slices.ContainsFunc(slices.Collect(maps.Values(known)), func(r *regexp.Regexp) bool { return r.MatchString(f) })
	})
}

// ours returns what Coppice finds wrong with an object.
func ours(s specimen) []string {
	text, err := json.Marshal(s.object)
	if err != nil {
		panic(err)
	}
	text = bytes.ReplaceAll(text, []byte{0x7f}, []byte(`\u007f`)) // which JSON takes as it is, and YAML does not
	_, problems := spec.Parse("x.yaml", text)
	var found []string
	for _, p := range problems {
		found = append(found, p.Path+": "+p.Message)
	}
	return found
}

// servers are one for each kind.
func servers(t testing.TB) map[string]*server {
	t.Helper()
	all := map[string]*server{}
	for _, kind := range schema.Kinds() {
		s, err := newServer(kind)
		if err != nil {
			t.Fatal(err)
		}
		all[kind] = s
	}
	return all
}

// compare has both look at an object, and returns whether they both take it.
func compare(t *testing.T, all map[string]*server, s specimen) bool {
	t.Helper()
	our := ours(s)
	their := all[s.kind()].check(s.copy().object)
	object := func() string { text, _ := json.Marshal(s.object); return string(text) }
	switch {
	case len(our) == 0 && len(their) > 0 && !explained(their, onlyTheirs):
		t.Errorf("%s: only the API server refuses it:\n%s\n%s", s.from, strings.Join(their, "\n"), object())
	case len(our) > 0 && len(their) == 0 && !explained(our, onlyOurs):
		t.Errorf("%s: only Coppice refuses it:\n%s\n%s", s.from, strings.Join(our, "\n"), object())
	}
	return len(our) == 0 && len(their) == 0
}

// TestExamples has both take all that people are shown.
func TestExamples(t *testing.T) {
	all := servers(t)
	for _, s := range examples(t) {
		if s.kind() == "" {
			t.Errorf("%s: kind %v", s.from, s.object["kind"])
		} else if !compare(t, all, s) {
			t.Errorf("%s: refused: %v, %v", s.from, ours(s), all[s.kind()].check(s.copy().object))
		}
	}
}

// TestWrongs has both look at what is wrong in the ways that people get things wrong.
func TestWrongs(t *testing.T) {
	all := servers(t)
	seen := 0
	for _, s := range wrongs(t) {
		if s.kind() != "" {
			compare(t, all, s)
			seen++
		}
	}
	if seen < 50 {
		t.Errorf("only %d documents were looked at", seen)
	}
}

// TestChanged has both look at the examples with each value in turn taken out, or
// another one in its place, once for each field.
func TestChanged(t *testing.T) {
	all := servers(t)
	taken, refused, seen := 0, 0, map[string]bool{}
	for _, s := range examples(t) {
		for _, at := range places(s.object["spec"], nil) {
			name := s.kind() + field(at)
			if seen[name] {
				continue
			}
			seen[name] = true
			for _, value := range append(values(), absent{}) {
				changed := s.copy()
				changed.object["spec"] = replaced(changed.object["spec"], at, value)
				changed.from = fmt.Sprintf("%s %s: %v = %v", s.from, s.kind(), at, value)
				if compare(t, all, changed) {
					taken++
				} else {
					refused++
				}
			}
		}
	}
	t.Logf("%d taken, %d refused", taken, refused)
	if taken < 1000 || refused < 1000 {
		t.Errorf("%d were taken and %d refused: that tells little", taken, refused)
	}
}

// TestMixed has both look at specs that are put together from parts of the examples.
func TestMixed(t *testing.T) {
	all := servers(t)
	random := rand.New(rand.NewPCG(1, 2))
	byKind := map[string][]specimen{}
	for _, s := range examples(t) {
		byKind[s.kind()] = append(byKind[s.kind()], s)
	}
	taken := 0
	for range 20_000 {
		list := byKind[schema.Kinds()[random.IntN(len(schema.Kinds()))]]
		mixed := list[random.IntN(len(list))].copy()
		for range 1 + random.IntN(3) {
			mixed.object["spec"] = mix(random, mixed.object["spec"], list[random.IntN(len(list))].copy().object["spec"])
		}
		if compare(t, all, mixed) {
			taken++
		}
	}
	if taken < 1000 {
		t.Errorf("only %d were taken", taken)
	}
}

// mix returns a value with parts of another one of the same place.
func mix(random *rand.Rand, into, from any) any {
	a, isMap := into.(map[string]any)
	b, both := from.(map[string]any)
	if !isMap || !both {
		return from
	}
	for _, key := range slices.Sorted(maps.Keys(b)) {
		if random.IntN(3) > 0 {
			continue
		}
		if there, is := a[key]; is && random.IntN(2) == 0 {
			a[key] = mix(random, there, b[key])
		} else {
			a[key] = b[key]
		}
	}
	return a
}
