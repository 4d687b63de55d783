package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"coppice.dev/spec"
)

// folders are the files below the house, with what is in them.
func (h *house) folders() string {
	h.t.Helper()
	var all strings.Builder
	err := filepath.WalkDir(h.run, func(path string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		all.WriteString(path + "\n" + string(text))
		return err
	})
	if err != nil {
		h.t.Fatal(err)
	}
	return all.String()
}

func TestApply(t *testing.T) {
	h := newHouse(t)
	a, b := labelled("a", "team: x", "c"), labelled("b", "team: y", "c")
	before := h.folders()
	out, _, code := h.call(a+"---\n"+b, "apply", "-f", "-", "--dry-run")
	wants(t, "dry", code, 0, out, "session/a created (dry run)\nsession/b created (dry run)\n")
	if after := h.folders(); after != before {
		t.Errorf("a dry run has changed something:\n%s\nthen\n%s", before, after)
	}
	out, _, code = h.call(a+"---\n"+b, "apply", "-f", "-", "-l", "team=x")
	wants(t, "those with a label", code, 0, out, "session/a created\n")
	if _, err := os.Stat(h.manifests + "/session-b.yaml"); err == nil {
		t.Error("one without the label was applied")
	}
	out, _, code = h.call(strings.ReplaceAll(a, "{name: c}", "{name: d}"), "apply", "-f", "-", "--dry-run")
	wants(t, "another chroot, dry", code, 0, out, "session/a configured (dry run)\n")
	out, _, code = h.call(a, "apply", "-f", "-")
	wants(t, "it is as it was", code, 0, out, "session/a unchanged\n")
	out, errOut, code := h.call(a, "apply", "-f", "-", "-l", "team=z")
	wants(t, "none has it", code, 1, out+errOut, "none of these manifests has the labels team=z")
	out, errOut, code = h.call(a+"---\n"+a, "apply", "-f", "-")
	wants(t, "one twice", code, 1, out+errOut, "more than once")
	out, errOut, code = h.call(a, "apply", "-f", "-", "--to", h.run+"/none")
	wants(t, "no folder", code, 1, out+errOut, "there is no folder")
}

// TestPruneChoice has a folder with all sorts of files, of which only one is to go.
func TestPruneChoice(t *testing.T) {
	applied := func(name, labels string) string {
		documents, problems := spec.Parse("a.yaml", []byte(labelled(name, labels, "c")))
		if len(problems) > 0 {
			t.Fatal(problems)
		}
		written, err := text(documents[0].Object)
		if err != nil {
			t.Fatal(err)
		}
		return written
	}
	x := "team: x"
	for _, row := range []struct {
		name, file, text string
		link             bool
		want             string // "" for left without a word
	}{
		{name: "applied, and not asked for any more", file: "session-old.yaml", text: applied("old", x), want: "session/old pruned"},
		{name: "asked for", file: "session-kept.yaml", text: applied("kept", x)},
		{name: "with another label", file: "session-other.yaml", text: applied("other", "team: y")},
		{name: "without labels", file: "session-none.yaml", text: applied("none", "")},
		{name: "written by hand", file: "mine.yaml", text: labelled("mine", x, "c"), want: "session/mine stays in"},
		{name: "written by hand under the name of an applied one", file: "session-mine.yaml", text: labelled("mine", x, "c"), want: "session/mine stays in"},
		{name: "changed since", file: "session-old.yaml", text: applied("old", x) + "# keep this\n", want: "session/old stays in"},
		{name: "in a file of another name", file: "session-older.yaml", text: applied("old", x), want: "session/old stays in"},
		{name: "beside another", file: "session-old.yaml", text: applied("old", x) + "---\n" + applied("kept", x), want: "session/old stays in"},
		{name: "begun by somebody", file: "session-old.yaml", text: strings.Replace(applied("old", x), "metadata:\n", "metadata:\n  annotations:\n    coppice.dev/owner: \"5\"\n", 1), want: "session/old stays in"},
		{name: "a link", file: "session-old.yaml", text: applied("old", x), link: true},
		{name: "a backup", file: "session-old.yaml~", text: applied("old", x)},
		{name: "what cannot be read", file: "session-old.yaml", text: "kind: ["},
	} {
		h := newHouse(t)
		path := filepath.Join(h.manifests, row.file)
		h.write(path, row.text)
		if row.link {
			if err := os.Rename(path, h.run+"/elsewhere"); err != nil {
				t.Fatal(err)
			}
			if err := os.Symlink(h.run+"/elsewhere", path); err != nil {
				t.Fatal(err)
			}
		}
		elsewhere := t.TempDir()
		h.write(elsewhere+"/session-old.yaml", applied("old", x))
		for _, dry := range []bool{true, false} {
			args := []string{"apply", "-f", "-", "--prune", "-l", "team=x"}
			if dry {
				args = append(args, "--dry-run")
			}
			out, errOut, code := h.call(labelled("kept", x, "c"), args...)
			wants(t, row.name, code, 0, out+errOut, row.want)
			_, err := os.Lstat(path)
			if went := err != nil; went != (!dry && strings.HasSuffix(row.want, "pruned")) {
				t.Errorf("%s (dry: %t): gone: %t\n%s", row.name, dry, went, out+errOut)
			}
			if row.want == "" && strings.Contains(out+errOut, strings.TrimSuffix(strings.TrimPrefix(row.file, "session-"), ".yaml")+" ") && row.file != "session-kept.yaml" {
				t.Errorf("%s: it is told of: %s", row.name, out+errOut)
			}
		}
		if _, err := os.Stat(elsewhere + "/session-old.yaml"); err != nil {
			t.Errorf("%s: another folder: %v", row.name, err)
		}
	}
}

// TestPruneWishesOnlyForItsOwn has the object be there by another file than the one that
// is pruned: that one is not meant to go.
func TestPruneWishesOnlyForItsOwn(t *testing.T) {
	h := newHouse(t)
	other := t.TempDir()
	h.call(labelled("a", "team: x", "c")+"---\n"+labelled("b", "team: x", "c"), "apply", "-f", "-")
	h.tell("Session", "a", h.manifests+"/session-a.yaml", nil)
	h.tell("Session", "b", other+"/session-b.yaml", nil)
	h.write(other+"/session-b.yaml", "its own")
	out, errOut, code := h.call(labelled("c", "team: x", "c"), "apply", "-f", "-", "--prune", "-l", "team=x")
	wants(t, "prune", code, 0, out+errOut, "session/a pruned\nsession/b pruned\n")
	if _, said := (&cli{runDir: h.run}).wishes().Wished("a"); !said {
		t.Error("it is not said that a is meant to go")
	}
	if _, said := (&cli{runDir: h.run}).wishes().Wished("b"); said {
		t.Error("it is said that b is to go, which is there by another manifest")
	}
	if _, err := os.Stat(other + "/session-b.yaml"); err != nil {
		t.Errorf("another folder's file: %v", err)
	}
}

func TestPruneNeedsALabel(t *testing.T) {
	h := newHouse(t)
	h.call(labelled("a", "team: x", "c"), "apply", "-f", "-")
	out, errOut, code := h.call(labelled("b", "team: x", "c"), "apply", "-f", "-", "--prune")
	wants(t, "without -l", code, 2, out+errOut, "--prune needs to know whose objects these are")
	out, errOut, code = h.call(labelled("b", "team: z", "c"), "apply", "-f", "-", "--prune", "-l", "team=x")
	wants(t, "a label that none has", code, 1, out+errOut, "none of these manifests has the labels team=x; to be rid of all")
	if _, err := os.Stat(h.manifests + "/session-a.yaml"); err != nil {
		t.Errorf("it went: %v", err)
	}
}
