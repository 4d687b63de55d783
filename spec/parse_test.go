package spec_test

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

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
		"JSON":             `{"apiVersion":"coppice.dev/v1alpha1","kind":"Session","metadata":{"name":"a"},"spec":{"chrootRef":{"name":"c"}}}`,
		"JSON with tabs":   "{\n\t\"apiVersion\": \"coppice.dev/v1alpha1\",\n\t\"kind\": \"Session\",\n\t\"metadata\": {\"name\": \"a\"},\n\t\"spec\": {\"chrootRef\": {\"name\": \"c\"}}\n}\n",
		"CRLF":             strings.ReplaceAll(good, "\n", "\r\n"),
		"CR":               strings.ReplaceAll(good, "\n", "\r"),
		"mark of order":    "\ufeff" + good,
		"YAML 1.2":         "%YAML 1.2\n---" + good + "...\n",
		"no end of line":   strings.TrimSpace(good),
		"remarks, markers": "# a\n---\n# b\n---" + good + "...\n# c\n---\n",
		"List": `{apiVersion: v1, kind: List, items: [` +
			`{apiVersion: coppice.dev/v1alpha1, kind: Session, metadata: {name: a}, spec: {chrootRef: {name: c}}},` +
			`{apiVersion: coppice.dev/v1alpha1, kind: Profile, metadata: {name: p}, spec: {}}]}`,
		"what kubectl prints": `
apiVersion: coppice.dev/v1alpha1
kind: Session
metadata:
  name: a
  creationTimestamp: "2026-01-31T12:00:00Z"
  generation: 3
  resourceVersion: "17"
  uid: 0b4d6c1e-0000-4000-8000-000000000000
  managedFields:
  - {manager: kubectl, operation: Apply, fieldsType: FieldsV1, fieldsV1: {"f:spec": {"f:ttl": {}}}}
spec: {chrootRef: {name: c}}
status: {phase: Ready, leases: []}
`,
	} {
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

func TestAliasesAndMerges(t *testing.T) {
	documents, problems := spec.Parse("a.yaml", []byte(`
apiVersion: coppice.dev/v1alpha1
kind: Profile
metadata: {name: p}
spec:
  mounts:
  - &home {type: bind, source: /home, target: /home, options: &o [ro]}
  - {<<: *home, target: /there}
  - {type: bind, source: /srv, options: *o}
  - {target: /both, <<: [{source: /first}, {source: /second, type: bind}]}
`))
	if len(problems) != 0 {
		t.Fatal(problems)
	}
	want := []spec.Mount{
		{Type: "bind", Source: "/home", Target: "/home", Options: []string{"ro"}},
		{Type: "bind", Source: "/home", Target: "/there", Options: []string{"ro"}},
		{Type: "bind", Source: "/srv", Target: "/srv", Options: []string{"ro"}},
		{Type: "bind", Source: "/first", Target: "/both"},
	}
	if diff := cmp.Diff(want, documents[0].Object.(*spec.Profile).Spec.Mounts); diff != "" {
		t.Errorf("mounts (-want +got):\n%s", diff)
	}
}

// TestEscapesOfJSON: the values come out whole, and what only looks like an
// escape stays.
func TestEscapesOfJSON(t *testing.T) {
	documents, problems := spec.Parse("a.json", []byte(`{"apiVersion": "coppice.dev\/v1alpha1", "kind": "Chroot", "metadata": {"name": "a"},
		"spec": {"description": "\ud83c\udf33 \u00e9 \\\/ \\ud83c \"", "source": {"directory": {"path": "\/srv\/x"}}}}`))
	if len(problems) != 0 {
		t.Fatal(problems)
	}
	c := documents[0].Object.(*spec.Chroot).Spec
	if want := "🌳 é \\/ \\ud83c \""; c.Description != want || c.Source.Directory.Path != "/srv/x" {
		t.Errorf("description %q, want %q; path %s", c.Description, want, c.Source.Directory.Path)
	}
}

func TestWhatIsNoText(t *testing.T) {
	for name, row := range map[string]struct{ text, want string }{
		"zero bytes":  {good + "\x00", "a.yaml:6: it holds a zero byte"},
		"Latin-1":     {"a: b\nc: \xe9\n", "a.yaml:2: it is not UTF-8"},
		"UTF-16":      {"\xff\xfea\x00", "a.yaml: it is UTF-16"},
		"too large":   {strings.Repeat("#", spec.MaxSize+1), "a.yaml: it has 1048577 bytes"},
		"too many":    {strings.Repeat("---\n", 10_001), "a.yaml:10001: it holds 10001 documents"},
		"hidden mark": {"a: b\u2028---\u2028c: d", "a.yaml:1: no YAML: a document begins in the middle of a line"},
		"bell":        {"\na: \u0007\n", "a.yaml:2: no YAML: control characters are not allowed"},
	} {
		_, problems := spec.Parse("a.yaml", []byte(row.text))
		if len(problems) != 1 || !strings.HasPrefix(problems[0].String(), row.want) {
			t.Errorf("%s: %v, want %s", name, problems, row.want)
		}
	}
}

// TestKindAndNameAreSureOrEmpty: whoever reads a broken document keeps what was
// good of that kind and name, so that a wrong name would end a session.
func TestKindAndNameAreSureOrEmpty(t *testing.T) {
	const begin = "apiVersion: coppice.dev/v1alpha1\nkind: Session\n"
	for name, row := range map[string]struct{ text, want string }{
		"good":                        {good, "Session good"},
		"unknown field":               {begin + "metadata: {name: a}\nspec: {x: 1}\n", "Session a"},
		"another version":             {strings.Replace(good, "v1alpha1", "v2", 1), "Session good"},
		"unknown kind":                {strings.Replace(good, "Session", "Sesion", 1), " "},
		"no kind":                     {"apiVersion: coppice.dev/v1alpha1\nmetadata: {name: a}\n", " "},
		"no name":                     {begin + "spec: {x: 1}\n", " "},
		"a name that cannot be":       {begin + "metadata: {name: ../../etc}\n", " "},
		"a number for a name":         {begin + "metadata: {name: 10}\nspec: {x: 1}\n", "Session 10"},
		"no line between two":         {good + good, " "},
		"cut off within the name":     {begin + "metadata:\n  name: go", " "},
		"cut off after the name":      {begin + "metadata:\n  name: good\n", "Session good"},
		"cut off after braces":        {begin + "metadata: {name: good}", "Session good"},
		"a syntax error":              {begin + "metadata: {name: good}\nspec: {", " "},
		"whole, without end of line":  {begin + "spec: {chrootRef: {name: c}}\nmetadata:\n  name: good", "Session good"},
		"a list of something":         {"- a\n", " "},
		"an item with unknown fields": {"kind: List\nitems:\n- kind: Session\n  metadata: {name: a}\n", "Session a"},
	} {
		documents, _ := spec.Parse("a.yaml", []byte(row.text))
		if len(documents) != 1 {
			t.Fatalf("%s: %d documents", name, len(documents))
		}
		if got := documents[0].Kind + " " + documents[0].Name; got != row.want {
			t.Errorf("%s: %q, want %q", name, got, row.want)
		}
	}
}

func TestProblemsHaveALimit(t *testing.T) {
	_, problems := spec.Parse("a.yaml", []byte(head+many(150, " f%d: 1\n")))
	if len(problems) != 101 || problems[100].String() != "a.yaml: and 50 problems more" {
		t.Errorf("%d problems, the last %q", len(problems), problems[len(problems)-1])
	}
}

func TestLocate(t *testing.T) {
	documents, problems := spec.Parse("a.yaml", []byte(`# a remark
---
apiVersion: coppice.dev/v1alpha1
kind: Profile
metadata:
  name: a
  labels:
    example.org/suite: sid
spec:
  mounts:
  - type: proc
  - &shm {type: shm}
  copyFiles: &files
  - /etc/hosts
`))
	if len(problems) != 0 {
		t.Fatal(problems)
	}
	for path, want := range map[string][2]int{
		"":                                    {3, 1},
		"metadata.name":                       {6, 9},
		"metadata.labels[example.org/suite]":  {8, 24},
		"metadata.labels[example.org/absent]": {8, 5},
		"spec.mounts[0].type":                 {11, 11},
		"spec.mounts[1].type":                 {12, 17},
		"spec.mounts[1].options[3]":           {12, 5},
		"spec.mounts[7]":                      {11, 3},
		"spec.mounts[-1]":                     {11, 3},
		"spec.copyFiles[0]":                   {14, 5},
		"spec.hooks[0].name":                  {10, 3},
		"spec..mounts[[]]]":                   {11, 3},
	} {
		if line, column := documents[0].Locate(path); [2]int{line, column} != want {
			t.Errorf("%s: %d:%d, want %v", path, line, column, want)
		}
	}
}

func TestDecodeFillsInNothing(t *testing.T) {
	documents, problems := spec.Decode("a.yaml", []byte(good))
	if len(problems) != 0 {
		t.Fatal(problems)
	}
	want := spec.SessionSpec{ChrootRef: &spec.Reference{Name: "c"}}
	if diff := cmp.Diff(want, documents[0].Object.(*spec.Session).Spec); diff != "" {
		t.Errorf("spec (-want +got):\n%s", diff)
	}
	if _, problems := spec.Decode("a.yaml", []byte(strings.Replace(good, "c}", "C}", 1))); len(problems) != 0 {
		t.Errorf("validated: %v", problems)
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
	for _, text := range []string{good, good + "---" + good, "kind: List\nitems: [{}]", head + bomb(), "a: &a {<<: *a}", "%YAML 1.2\n---\n...\n"} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		begin := time.Now()
		documents, problems := spec.Parse("f.yaml", data)
		if took := time.Since(begin); took > 10*time.Second {
			t.Errorf("took %v", took)
		}
		for _, p := range problems {
			if p.Message == "" || strings.ContainsAny(p.String(), "\n\x00") {
				t.Errorf("a problem without words, or of many lines: %+v", p)
			}
			if p.Line < 0 || p.Line > 1+bytes.Count(data, []byte("\n"))+bytes.Count(data, []byte("\r"))+bytes.Count(data, []byte("\u2028"))+bytes.Count(data, []byte("\u2029"))+bytes.Count(data, []byte("\u0085")) {
				t.Errorf("beyond the file: %+v", p)
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
