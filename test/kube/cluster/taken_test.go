package cluster

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"coppice.dev/spec"
	"coppice.dev/spec/schema"
)

// TestDefinitions has the server find nothing to say about the definitions.
func TestDefinitions(t *testing.T) {
	c := server(t)
	for _, kind := range schema.Kinds() {
		name := strings.ToLower(kind) + "s.coppice.dev"
		for condition, want := range map[string]string{"Established": "True", "NamesAccepted": "True", "NonStructuralSchema": ""} {
			got := c.do("", "get", "crd", name, "-o", `jsonpath={.status.conditions[?(@.type=="`+condition+`")].status}`)
			if got != want {
				t.Errorf("%s: %s is %q, want %q", name, condition, got, want)
			}
		}
	}
	if got := strings.Fields(c.do("", "api-resources", "--categories=coppice", "-o", "name")); len(got) != len(schema.Kinds()) {
		t.Errorf("of category coppice are %v", got)
	}
}

// manifests are those that people are shown, those that are built in, and those with
// every field there is.
func manifests(t *testing.T) []string {
	t.Helper()
	var all []string
	for _, pattern := range []string{"docs/examples/*.yaml", "spec/profiles/*.yaml", "test/kube/schema/testdata/*.yaml"} {
		files, err := filepath.Glob(filepath.Join(root, pattern))
		if err != nil || len(files) == 0 {
			t.Fatalf("no files match %s: %v", pattern, err)
		}
		all = append(all, files...)
	}
	return all
}

// parsed returns what Coppice makes of manifests: the hash of each object's spec.
func parsed(t *testing.T, name, text string) map[string]string {
	t.Helper()
	documents, problems := spec.Parse(name, []byte(text))
	for _, p := range problems {
		t.Errorf("%v", p)
	}
	hashes := map[string]string{}
	for _, d := range documents {
		if d.Object != nil {
			hashes[d.Kind+"/"+d.Name] = spec.Hash(d.Object)
		}
	}
	return hashes
}

// TestTaken has the server take every manifest there is, and Coppice take what kubectl
// prints of it for the same manifest.
func TestTaken(t *testing.T) {
	c := server(t)
	for _, file := range manifests(t) {
		t.Run(filepath.Base(file), func(t *testing.T) {
			c := client{t}
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			want := parsed(t, file, string(text))
			created := c.do("", "create", "--validate=strict", "-f", file)
			if strings.Count(created, " created\n") != len(want) || strings.Contains(created, "Warning") {
				t.Errorf("of %d objects were created:\n%s", len(want), created)
			}
			printed := c.do("", "get", "-f", file, "-o", "yaml", "--show-managed-fields")
			for _, field := range []string{"managedFields:", "uid:", "resourceVersion:", "creationTimestamp:"} {
				if !strings.Contains(printed, field) {
					t.Errorf("there is no %s in\n%s", field, printed)
				}
			}
			c.same(want, printed)
			c.same(want, c.do("", "get", "-f", file, "-o", "json", "--show-managed-fields"))
			c.do("", "delete", "-f", file)
		})
	}
	c.do("", "get", "sessions,chroots,profiles")
}

// same has Coppice read what kubectl printed as the same manifests.
func (c client) same(want map[string]string, printed string) {
	c.t.Helper()
	c.coppice(printed, "validate", "-")
	got := parsed(c.t, "printed", printed)
	if len(got) != len(want) {
		c.t.Errorf("%d objects, want %d:\n%s", len(got), len(want), printed)
	}
	for name, hash := range want {
		if got[name] != hash {
			c.t.Errorf("%s is another after the server had it:\n%s", name, printed)
		}
	}
}
