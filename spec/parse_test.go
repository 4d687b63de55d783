package spec_test

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"
	"sigs.k8s.io/yaml"

	"coppice.dev/spec"
)

var update = flag.Bool("update", false, "write what is reported into testdata")

// TestProblems reads manifests with mistakes and compares what is said of them
// to the letter: it is what people have to go by.
func TestProblems(t *testing.T) {
	archives, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(archives) == 0 {
		t.Fatalf("no test data: %v", err)
	}
	for _, name := range archives {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".txtar"), func(t *testing.T) {
			archive, err := txtar.ParseFile(name)
			if err != nil {
				t.Fatal(err)
			}
			manifest, want := archive.Files[0], string(archive.Files[1].Data)
			_, problems := spec.Parse(manifest.Name, manifest.Data)
			var got strings.Builder
			for _, p := range problems {
				got.WriteString(p.String() + "\n")
			}
			if *update {
				archive.Files[1].Data = []byte(got.String())
				if err := os.WriteFile(name, txtar.Format(archive), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if diff := cmp.Diff(want, got.String()); diff != "" {
				t.Errorf("problems (-want +got):\n%s", diff)
			}
		})
	}
}

const good = `
apiVersion: coppice.dev/v1alpha1
kind: Session
metadata: {name: good}
spec: {chrootRef: {name: c}}
`

func TestOneBadDocumentLeavesTheOthers(t *testing.T) {
	documents, problems := spec.Parse("a.yaml", []byte(good+"---\napiVersion: coppice.dev/v1alpha1\nkind: Session\nmetadata: {name: bad}\nspec: {chrot: 1}\n---"+strings.ReplaceAll(good, "good", "third")))
	if len(documents) != 3 || len(problems) == 0 {
		t.Fatalf("%d documents, problems %v", len(documents), problems)
	}
	for i, want := range []struct {
		name   string
		usable bool
	}{{"good", true}, {"bad", false}, {"third", true}} {
		d := documents[i]
		if d.Index != i+1 || d.Kind != "Session" || d.Name != want.name || (d.Object != nil) != want.usable || (len(d.Problems) == 0) != want.usable {
			t.Errorf("document %d: %+v, want %+v", i+1, d, want)
		}
	}
}

func TestNothingIsNoProblem(t *testing.T) {
	for _, text := range []string{"", "\n\n", "# a remark\n", "---\n---\n# more\n", "\ufeff"} {
		if documents, problems := spec.Parse("a.yaml", []byte(text)); len(documents) != 0 || len(problems) != 0 {
			t.Errorf("%q: %v, %v", text, documents, problems)
		}
	}
}

func TestOtherForms(t *testing.T) {
	for name, text := range map[string]string{
		"JSON":          `{"apiVersion":"coppice.dev/v1alpha1","kind":"Session","metadata":{"name":"a"},"spec":{"chrootRef":{"name":"c"}}}`,
		"CRLF":          strings.ReplaceAll(good, "\n", "\r\n"),
		"mark of order": "\ufeff" + good,
		"anchors":       "x: 1\n",
		"List": `{apiVersion: v1, kind: List, items: [` +
			`{apiVersion: coppice.dev/v1alpha1, kind: Session, metadata: {name: a}, spec: {chrootRef: {name: c}}},` +
			`{apiVersion: coppice.dev/v1alpha1, kind: Profile, metadata: {name: p}, spec: {}}]}`,
		"aliases and merges": strings.ReplaceAll(`
apiVersion: coppice.dev/v1alpha1
kind: Profile
metadata: {name: p}
spec:
  mounts:
  - &home {type: bind, source: /home, target: /home, options: &o [ro]}
  - {<<: *home, target: /there}
  - {type: bind, source: /srv, options: *o}
`, "\t", ""),
	} {
		if name == "anchors" {
			continue
		}
		documents, problems := spec.Parse("a.yaml", []byte(text))
		if len(problems) != 0 || len(documents) == 0 {
			t.Errorf("%s: %d documents, problems %v", name, len(documents), problems)
		}
		for _, d := range documents {
			if d.Object == nil {
				t.Errorf("%s: document %d is not usable", name, d.Index)
			}
		}
	}
}

func TestAliasesThatStandForBillions(t *testing.T) {
	var b strings.Builder
	b.WriteString("apiVersion: coppice.dev/v1alpha1\nkind: Profile\nmetadata:\n  name: p\n  annotations: {a: b}\nspec:\n  hooks:\n")
	b.WriteString("  - {name: a0, command: &a0 [" + strings.TrimSuffix(strings.Repeat("x, ", 10), ", ") + "]}\n")
	for i := 1; i < 10; i++ {
		anchors := strings.TrimSuffix(strings.Repeat("*a"+string(rune('0'+i-1))+", ", 10), ", ")
		b.WriteString("  - {name: n, command: &a" + string(rune('0'+i)) + " [" + anchors + "]}\n")
	}
	_, problems := spec.Parse("bomb.yaml", []byte(b.String()))
	if len(problems) == 0 || len(problems) > 100_000 {
		t.Errorf("%d problems", len(problems))
	}
}

func TestExamplesAndBuiltinProfilesAreGood(t *testing.T) {
	if len(spec.BuiltinProfiles()) != 3 {
		t.Errorf("built-in profiles: %v", spec.BuiltinProfiles())
	}
	files, err := filepath.Glob("../docs/examples/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no examples: %v", err)
	}
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		documents, problems := spec.Parse(name, text)
		if len(problems) != 0 || len(documents) == 0 {
			t.Errorf("%s: %d documents, problems %v", name, len(documents), problems)
		}
	}
}

func FuzzParse(f *testing.F) {
	archives, err := filepath.Glob("testdata/*.txtar")
	if err != nil {
		f.Fatal(err)
	}
	for _, name := range archives {
		archive, err := txtar.ParseFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(archive.Files[0].Data)
	}
	f.Add([]byte(good))
	f.Fuzz(func(t *testing.T, data []byte) {
		documents, problems := spec.Parse("f.yaml", data)
		for _, p := range problems {
			if p.Message == "" {
				t.Errorf("a problem without words: %+v", p)
			}
		}
		for _, d := range documents {
			if (d.Object == nil) == (len(d.Problems) == 0) {
				t.Fatalf("document %+v is neither usable nor is it said why", d)
			}
			if d.Object == nil {
				continue
			}
			// What was understood means the same when it is written out again.
			text, err := yaml.Marshal(d.Object)
			if err != nil {
				t.Fatal(err)
			}
			again, problems := spec.Parse("again.yaml", text)
			if len(problems) != 0 || len(again) != 1 || spec.Hash(again[0].Object) != spec.Hash(d.Object) {
				t.Errorf("written out again:\n%s\n%v", text, problems)
			}
		}
	})
}
