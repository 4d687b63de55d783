package docs

import (
	"bytes"
	"context"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"coppice.dev/test/built"
)

const tree = "../.."

// documents returns the blocks of all documents of the tree, by their paths in it.
func documents(t *testing.T) map[string][]Block {
	t.Helper()
	found := map[string][]Block{}
	err := filepath.WalkDir(tree, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if name := entry.Name(); entry.IsDir() && (name == "bin" || name == "testdata" || strings.HasPrefix(name, ".") && path != tree) {
			return fs.SkipDir
		}
		if entry.IsDir() || filepath.Ext(path) != ".md" {
			return nil
		}
		name, err := filepath.Rel(tree, path)
		if err != nil {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		found[name], err = Parse(name, string(text))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// TestEveryBlockIsRun: no document has commands that nobody runs.
func TestEveryBlockIsRun(t *testing.T) {
	found := documents(t)
	for name, blocks := range found {
		place, known := Documents[name]
		for _, b := range blocks {
			switch b.Language {
			case "bash", "shell", "console", "zsh":
				t.Errorf("%s: a block of %s is run by nobody; call it sh", b.Where(), b.Language)
			case "":
				if first, _, _ := strings.Cut(b.Text, " "); slices.Contains([]string{"coppice", "coppiced", "make", "systemctl", "apt-get", "curl", "schroot", "sbuild"}, first) {
					t.Errorf("%s: these look like commands; call the block sh", b.Where())
				}
			case "sh":
				if !known || len(place.Runners) == 0 {
					t.Errorf("%s: nobody runs these commands; see where.go", b.Where())
				}
			}
		}
	}
	for name, place := range Documents {
		blocks, there := found[name]
		if !there || len(Commands(blocks)) == 0 {
			t.Errorf("%s has no commands; take it out of where.go", name)
		}
		for first := range place.But {
			if !slices.ContainsFunc(blocks, func(b Block) bool { return b.Language == "sh" && strings.HasPrefix(b.Text, first+"\n") }) {
				t.Errorf("%s: no block begins with %q; take that out of where.go", name, first)
			}
		}
		if slices.Contains(place.Runners, Elsewhere) != (place.Why != "") {
			t.Errorf("%s: it is to be said which test runs it, if it is none of these", name)
		}
	}
}

// TestMachineRunsThem: `make test-docs` runs the documents that it should.
func TestMachineRunsThem(t *testing.T) {
	text, err := os.ReadFile(tree + "/Makefile")
	if err != nil {
		t.Fatal(err)
	}
	_, list, _ := strings.Cut(string(text), "\nDOCS ?= ")
	list, _, _ = strings.Cut(list, "\n")
	got := strings.Fields(list)
	var want []string
	for name, place := range Documents {
		if slices.Contains(place.Runners, Machine) {
			want = append(want, name)
		}
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("DOCS in the Makefile is %v, want %v", got, want)
	}
}

// TestDocuments runs the commands of the documents that can be run here.
func TestDocuments(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs root")
	}
	if testing.Short() {
		t.Skip("takes long, and is the same with every kernel")
	}
	bin, err := built.Commands(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for name, blocks := range documents(t) {
		if place := Documents[name]; slices.Contains(place.Runners, Here) {
			t.Run(name, func(t *testing.T) { runHere(t, bin, place, blocks) })
		}
	}
}

// TestFailuresAreTold: a document whose command fails, fails.
func TestFailuresAreTold(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs root")
	}
	if testing.Short() {
		t.Skip("takes long, and is the same with every kernel")
	}
	bin, err := built.Commands(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	blocks, err := Parse("a.md", "```sh\ncoppice get profiles -o name\n```\n```sh\ncoppice get session none\necho after\n```\n")
	if err != nil {
		t.Fatal(err)
	}
	said, log, err := perform(t, bin, "", blocks)
	if err == nil || !strings.Contains(said, "FAILED a.md:5: ") || !strings.Contains(said, "minimal") || strings.Contains(said, "after") {
		t.Errorf("%v\n%s\n%s", err, said, log)
	}
}

func runHere(t *testing.T, bin string, place Place, blocks []Block) {
	blocks = slices.DeleteFunc(slices.Clone(blocks), func(b Block) bool {
		first, _, _ := strings.Cut(b.Text, "\n")
		_, left := place.But[first]
		return left
	})
	said, log, err := perform(t, bin, place.Before, blocks)
	if err != nil {
		t.Fatalf("%v\n%s\n%s", err, said, log)
	}
	for _, problem := range Check(blocks, said) {
		t.Error(problem)
	}
}

// perform runs blocks by run.sh, and returns what they said and what the runner did.
func perform(t *testing.T, bin, before string, blocks []Block) (said, log string, err error) {
	t.Helper()
	script := t.TempDir()
	for name, content := range Script(blocks) {
		path := filepath.Join(script, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	documents, err := filepath.Abs(tree + "/docs")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), built.Moment(5*time.Minute))
	defer cancel()
	cmd := exec.CommandContext(ctx, "./run.sh", script, bin, documents, before)
	var out, errOut bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errOut
	err = cmd.Run()
	return out.String(), errOut.String(), err
}
