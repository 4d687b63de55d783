package schema

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
	"golang.org/x/tools/txtar"
	"k8s.io/apimachinery/pkg/util/json"
	sigsyaml "sigs.k8s.io/yaml"

	"coppice.dev/spec/schema"
)

// root is the project's folder.
const root = "../../.."

// specimen is a document of a manifest, as JSON has it.
type specimen struct {
	from   string
	object map[string]any
}

// kind is the kind that it is of, "" if that is none of ours.
func (s specimen) kind() string {
	for _, kind := range schema.Kinds() {
		if s.object["kind"] == kind && s.object["apiVersion"] == "coppice.dev/"+schema.Version {
			return kind
		}
	}
	return ""
}

// copy returns a copy that shares nothing.
func (s specimen) copy() specimen {
	text, err := json.Marshal(s.object)
	if err != nil {
		panic(err)
	}
	var object map[string]any
	if err := json.Unmarshal(text, &object); err != nil {
		panic(err)
	}
	return specimen{s.from, object}
}

// examples are the documents that people are shown, and those of this test that use
// every field there is.
func examples(t *testing.T) []specimen {
	t.Helper()
	var all []specimen
	for _, pattern := range []string{root + "/docs/examples/*.yaml", root + "/spec/profiles/*.yaml", "testdata/*.yaml"} {
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) == 0 {
			t.Fatalf("no files match %s: %v", pattern, err)
		}
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, documents(file, text)...)
		}
	}
	return all
}

// TestModelines has every example tell editors where the schema is.
func TestModelines(t *testing.T) {
	const modeline = "# yaml-language-server: $schema="
	files, err := filepath.Glob(root + "/docs/examples/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		first, _, _ := strings.Cut(string(text), "\n")
		path, is := strings.CutPrefix(first, modeline)
		if !is {
			t.Errorf("%s begins with %q, want %sPATH", file, first, modeline)
			continue
		}
		found, err := os.ReadFile(filepath.Join(filepath.Dir(file), path))
		if err != nil || !bytes.Equal(found, schema.JSON("")) {
			t.Errorf("%s points to %s, which is not the schema of any kind: %v", file, path, err)
		}
	}
}

// wrongs are the documents that the tests of package spec have: most of them have
// something wrong with them.
func wrongs(t *testing.T) []specimen {
	t.Helper()
	files, err := filepath.Glob(root + "/spec/testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no testdata of package spec: %v", err)
	}
	var all []specimen
	for _, file := range files {
		archive, err := txtar.ParseFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range archive.Files {
			all = append(all, documents(file+":"+f.Name, f.Data)...)
		}
	}
	return all
}

// documents returns those of a file that are YAML at all, and objects.
func documents(file string, text []byte) []specimen {
	var all []specimen
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	for {
		var node yaml.Node
		if err := decoder.Decode(&node); errors.Is(err, io.EOF) || err != nil {
			return all
		}
		document, err := yaml.Marshal(&node)
		if err != nil {
			continue
		}
		var object map[string]any
		text, err := sigsyaml.YAMLToJSONStrict(document)
		if err != nil || json.Unmarshal(text, &object) != nil || object == nil {
			continue
		}
		all = append(all, specimen{strings.TrimPrefix(file, root+"/"), object})
	}
}
