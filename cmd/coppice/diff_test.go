package main

import (
	"strings"
	"testing"
)

func TestDiff(t *testing.T) {
	h := newHouse(t)
	h.write(h.manifests+"/all.yaml", labelled("a", "team: x", "c")+"---\n"+labelled("b", "", "c"))
	h.write(h.manifests+"/broken.yaml", labelled("broken", "", "c")+"x: y\n")
	h.tell("Session", "a", h.manifests+"/all.yaml", nil)
	h.tell("Session", "b", h.manifests+"/all.yaml", nil)
	h.tell("Session", "moved", h.manifests+"/gone.yaml", nil)
	h.tell("Session", "broken", h.manifests+"/broken.yaml", nil)
	for _, row := range []struct {
		name, given string
		code        int
		says        []string
		not         string
	}{
		{"no difference", labelled("a", "team: x", "c"), 0, nil, "session"},
		// What it defaults to is no difference.
		{"defaults written out", strings.ReplaceAll(labelled("b", "", "c"), "{chrootRef", "{expose: Root, gracePeriod: 5s, chrootRef"), 0, nil, "session"},
		{"another chroot", labelled("a", "team: x", "d"), 1, []string{
			"--- session/a\t" + h.manifests + "/all.yaml\n+++ session/a\tas asked for\n", "-    name: c\n+    name: d\n",
		}, "gracePeriod: 6s"},
		{"another label", labelled("a", "team: z", "c"), 1, []string{"-    team: x\n+    team: z\n"}, ""},
		{"one of two", labelled("a", "team: x", "c") + "---\n" + labelled("b", "", "d"), 1, []string{"session/b"}, "session/a"},
		{"one that is not there", labelled("new", "", "c"), 1, []string{"--- session/new\tnot there\n", "+  name: new\n"}, ""},
		{"one whose manifest went", labelled("moved", "", "c"), 1, []string{"--- session/moved\tnot there\n"}, ""},
		{"one that cannot be read there", labelled("broken", "", "c"), 2, []string{"cannot be read there: coppice validate " + h.manifests + "/broken.yaml"}, ""},
		{"a mistake", labelled("a", "team: x", "c") + "x: y\n", 2, []string{"standard input:5:1: x: unknown field"}, ""},
		{"nothing", "", 2, []string{"there is nothing in these manifests"}, ""},
	} {
		out, errOut, code := h.call(row.given, "diff", "-f", "-")
		wants(t, row.name, code, row.code, out+errOut, row.says...)
		if row.not != "" && strings.Contains(out+errOut, row.not) {
			t.Errorf("%s: it says %q:\n%s", row.name, row.not, out)
		}
	}
	out, errOut, code := h.call("", "diff")
	wants(t, "no files", code, 2, out+errOut, "what is to be compared?")
	out, errOut, code = newHouse(t).call(labelled("a", "", "c"), "diff", "-f", "-")
	wants(t, "no controller", code, 2, out+errOut, "is coppiced running")
}
