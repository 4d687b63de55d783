package main

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"coppice.dev/manifests"
)

func TestValidate(t *testing.T) {
	h := newHouse(t)
	folder := filepath.Join(h.run, "repo")
	h.write(folder+"/good.yaml", chrootOf("small", "/srv/small")+"---\n"+labelled("good", "", "small"))
	h.write(folder+"/bad.yaml", "kind: Session\n")
	h.write(folder+"/below/lost.yaml", labelled("lost", "", "sid"))
	h.write(folder+"/.git/x.yaml", "no manifest: [")
	h.write(folder+"/README.md", "no manifest either")
	if err := os.Symlink(folder, h.run+"/link"); err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct {
		name string
		args []string
		in   string
		code int
		says []string
	}{
		{"a good file", []string{folder + "/good.yaml"}, "", 0, []string{"chroot/small is good\nsession/good is good\n"}},
		{"with -f", []string{"-f", folder + "/good.yaml"}, "", 0, []string{"session/good is good"}},
		{"a bad file", []string{folder + "/bad.yaml"}, "", 1, []string{"bad.yaml:1:1: apiVersion: required"}},
		{"a folder", []string{folder}, "", 1, []string{"bad.yaml"}},
		{"a link to a folder", []string{h.run + "/link"}, "", 1, []string{"bad.yaml"}},
		{"a folder of folders", []string{"-R", folder + "/below"}, "", 0, []string{`lost.yaml:4:26: warning: spec.chrootRef.name: there is no chroot "sid" among these manifests`, "session/lost is good"}},
		{"strictly", []string{"--strict", folder + "/below"}, "", 1, []string{"warning: spec.chrootRef.name"}},
		{"strictly, with what it names", []string{"--strict", folder + "/below", "-"}, chrootOf("sid", "/srv/sid"), 0, []string{"session/lost is good"}},
		{"standard input", []string{"-"}, labelled("a", "", "small") + "x: y\n", 1, []string{`standard input:5:1: x: unknown field`}},
		{"twice", []string{folder + "/good.yaml", "-"}, labelled("good", "", "small"), 1, []string{"standard input:3:18: metadata.name: Session \"good\" is written more than once, also in " + folder + "/good.yaml:6"}},
		{"none", []string{h.run + "/none"}, "", 2, []string{"there is no file or folder"}},
		{"a folder without any", []string{h.manifests}, "", 2, []string{"there is no manifest in", "-R"}},
		{"nothing in it", []string{"-"}, "# nothing\n", 2, []string{"there is nothing in these manifests"}},
		{"nothing named", nil, "", 2, []string{"what is to be validated?"}},
		{"another output", []string{"-o", "xml", folder}, "", 2, []string{"want text or json"}},
	} {
		out, errOut, code := h.call(row.in, append([]string{"validate"}, row.args...)...)
		wants(t, row.name, code, row.code, out+errOut, row.says...)
	}
}

// TestValidateKnowsWhatIsThere asks where the controller has what is named.
func TestValidateKnowsWhatIsThere(t *testing.T) {
	h := newHouse(t)
	h.write(h.manifests+"/c.yaml", strings.ReplaceAll(chrootOf("sid", "/srv/sid"), "spec: {", "spec: {aliases: [unstable], "))
	h.tell("Chroot", "sid", h.manifests+"/c.yaml", nil)
	h.tell("Chroot", "gone", h.manifests+"/gone.yaml", nil)
	out, errOut, code := h.call(labelled("a", "", "unstable"), "validate", "--strict", "-")
	wants(t, "an alias that the controller knows", code, 0, out+errOut, "session/a is good")
	out, errOut, code = h.call(labelled("a", "", "gone"), "validate", "-")
	wants(t, "a chroot whose manifest is gone", code, 0, out+errOut, "warning:")
}

func TestValidateForMachines(t *testing.T) {
	h := newHouse(t)
	h.write(h.run+"/a.yaml", chrootOf("c", "/srv/c")+"---\n"+labelled("a", "", "none")+"---\n"+labelled("b", "", "c")+"more: 1\n")
	out, errOut, code := h.call("", "validate", "-o", "json", h.run+"/a.yaml")
	wants(t, "json", code, 1, out)
	var got findings
	if err := json.Unmarshal([]byte(out), &got); err != nil || errOut != "" {
		t.Fatalf("%v, %q:\n%s", err, errOut, out)
	}
	file := h.run + "/a.yaml"
	want := findings{
		Objects: []located{{"Chroot", "c", file, 1, 1}, {"Session", "a", file, 2, 6}},
		Problems: []finding{
			{severityWarning, file, 2, 9, 26, "spec.chrootRef.name", `there is no chroot "none" among these manifests; sessions wait until there is one`},
			{severityError, file, 3, 15, 1, "more", `unknown field "more"; known here: apiVersion, kind, metadata, spec`},
		},
	}
	if !slices.Equal(got.Objects, want.Objects) || !slices.Equal(got.Problems, want.Problems) || got.Valid {
		t.Errorf("got %+v\nwant %+v", got, want)
	}
	out, _, code = h.call(chrootOf("c", "/srv/c"), "validate", "-o", "json", "-")
	wants(t, "all is good", code, 0, out, `"valid": true`, `"problems": []`)
}

// TestNothingInAFolderBlocks has a FIFO among the manifests.
func TestNothingInAFolderBlocks(t *testing.T) {
	h := newHouse(t)
	if err := unix.Mkfifo(h.manifests+"/a.yaml", 0o600); err != nil {
		t.Fatal(err)
	}
	out, errOut, code := h.call("", "validate", h.manifests)
	wants(t, "a FIFO", code, 1, out+errOut, "a.yaml: it is no regular file, and was not opened")
}

// TestTheControllerSaysTheSame has the controller's own loader read what is judged here
// as a set: the names with problems are the same.
func TestTheControllerSaysTheSame(t *testing.T) {
	alias := func(name, aliases string) string {
		return strings.ReplaceAll(chrootOf(name, "/srv/"+name), "spec: {", "spec: {aliases: ["+aliases+"], ")
	}
	for name, files := range map[string]map[string]string{
		"all is good":             {"a": alias("a", "x"), "b": alias("b", "y"), "s": labelled("s", "", "x")},
		"a name in two files":     {"a": labelled("s", "", "c"), "b": labelled("s", "", "d")},
		"a name in three":         {"a": labelled("s", "", "c"), "b": labelled("s", "", "d"), "c": labelled("s", "", "d")},
		"of two kinds":            {"a": labelled("s", "", "c"), "b": chrootOf("s", "/srv/s")},
		"an alias of two":         {"a": alias("a", "x, y"), "b": alias("b", "z, x")},
		"an alias that is a name": {"a": alias("a", "b"), "b": chrootOf("b", "/srv/b")},
		"a name twice in a file":  {"a": labelled("s", "", "c") + "---\n" + labelled("s", "", "c")},
		"a mistake":               {"a": labelled("s", "", "c") + "x: y\n", "b": labelled("t", "", "c")},
	} {
		h := newHouse(t)
		for file, text := range files {
			h.write(filepath.Join(h.manifests, file+".yaml"), text)
		}
		source := manifests.Source{Folders: []manifests.Folder{{Path: h.manifests}}}
		set := source.Refresh()
		theirs := map[string]bool{}
		for key, entry := range set.Entries.All() {
			if len(entry.Problems) > 0 {
				theirs[key.String()] = true
			}
		}
		inputs, err := (&cli{}).readInputs(inputFlags{names: []string{h.manifests}})
		if err != nil {
			t.Fatal(err)
		}
		found := (&cli{runDir: h.run}).validate(inputs, false)
		ours := map[string]bool{}
		for _, p := range found.Problems {
			if p.Severity == severityError {
				ours[at(inputs, p)] = true
			}
		}
		if !maps.Equal(ours, theirs) {
			t.Errorf("%s: validate has problems with %v, the controller with %v", name, ours, theirs)
		}
	}
}

// at returns the object that a problem is about.
func at(inputs []input, p finding) string {
	for _, in := range inputs {
		for _, d := range in.documents {
			if in.name == p.File && d.Index == p.Document {
				return manifests.Key{Kind: d.Kind, Name: d.Name}.String()
			}
		}
	}
	return p.String()
}
