package main

import (
	"math/rand/v2"
	"os"
	"strings"
	"testing"

	"coppice.dev/spec"
	"coppice.dev/test/built"
)

// TestSoak is a thin cut of `make soak`: one story, of a few hundred steps at
// the most.
func TestSoak(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs root")
	}
	bin, err := built.Commands(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	if err := run(t.Context(), options{bin: bin, folder: t.TempDir(), minutes: 0.2, seed: 9}, &out); err != nil {
		t.Errorf("%v\n%s", err, out.String())
	}
}

// TestRecipes wants every manifest that may be drawn to be a good one, and the
// same seed to draw the same.
func TestRecipes(t *testing.T) {
	draws := func(visit func(recipe)) {
		r := rand.New(rand.NewPCG(1, 1))
		for range 2000 {
			d := draw(r, "s", []int{0, 1, 2})
			visit(d)
			d.vary(r, "s", false)
			if d.hope == failing {
				t.Fatal("a session that stands was given a hook that fails")
			}
			visit(d)
		}
	}
	var texts []string
	seen := map[string]bool{}
	draws(func(d recipe) {
		text := strings.ReplaceAll(d.manifest("s"), "$", "/private")
		if _, problems := spec.Parse("s.yaml", []byte(text)); len(problems) > 0 {
			t.Errorf("%v in\n%s", problems, text)
		}
		seen[d.kind], seen[string(d.hope)] = true, true
		texts = append(texts, text)
	})
	for _, c := range chroots {
		if !seen[c.kind] {
			t.Errorf("%s was never drawn", c.kind)
		}
	}
	if !seen[string(failing)] {
		t.Error("no session was drawn whose hook fails")
	}
	draws(func(d recipe) {
		if text := strings.ReplaceAll(d.manifest("s"), "$", "/private"); text != texts[0] {
			t.Fatalf("the same seed drew\n%s\nand then\n%s", texts[0], text)
		}
		texts = texts[1:]
	})
}
