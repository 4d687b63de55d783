package schema

import (
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/yannh/kubeconform/pkg/validator"

	"coppice.dev/spec/schema"
)

// location is how kubeconform is told where the schemas lie, below a folder.
const location = "/{{.ResourceKind}}_{{.ResourceAPIVersion}}.json"

// TestKubeconform has kubeconform take every example that Coppice takes, and find
// the mistakes that need no CEL to be found.
func TestKubeconform(t *testing.T) {
	folder, err := filepath.Abs(root + "/spec/schema/json")
	if err != nil {
		t.Fatal(err)
	}
	v, err := validator.New([]string{folder + location}, validator.Opts{Strict: true})
	if err != nil {
		t.Fatal(err)
	}
	check := func(s specimen) validator.Result {
		text, err := json.Marshal(s.object)
		if err != nil {
			t.Fatal(err)
		}
		results := v.Validate(s.from, io.NopCloser(strings.NewReader(string(text))))
		if len(results) != 1 {
			t.Fatalf("%s: %d results", s.from, len(results))
		}
		return results[0]
	}
	for _, s := range examples(t) {
		if r := check(s); r.Status != validator.Valid {
			t.Errorf("%s: %v", s.from, r.Err)
		}
	}
	refused := 0
	for _, s := range wrongs(t) {
		if s.kind() == "" {
			continue
		}
		r := check(s)
		if r.Status != validator.Valid {
			refused++
			if len(ours(s)) == 0 && !explained([]string{r.Err.Error()}, onlyTheirs) {
				t.Errorf("%s: only kubeconform refuses it: %v", s.from, r.Err)
			}
		}
	}
	if refused < 20 {
		t.Errorf("it refused only %d of the manifests that are wrong", refused)
	}
}

// TestAnyKind has the schema that editors are pointed to take what those of the
// kinds take, and name the field that is wrong in what they do not.
func TestAnyKind(t *testing.T) {
	folder := t.TempDir()
	for _, kind := range schema.Kinds() {
		name := filepath.Join(folder, schema.FileName(kind))
		if err := os.WriteFile(name, schema.JSON(""), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	v, err := validator.New([]string{folder + location}, validator.Opts{Strict: true})
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range examples(t) {
		text, err := json.Marshal(s.object)
		if err != nil {
			t.Fatal(err)
		}
		if r := v.Validate(s.from, io.NopCloser(strings.NewReader(string(text))))[0]; r.Status != validator.Valid {
			t.Errorf("%s: %v", s.from, r.Err)
		}
		wrong := strings.Replace(string(text), `"spec":{`, `"spec":{"sauce":1,`, 1)
		r := v.Validate(s.from, io.NopCloser(strings.NewReader(wrong)))[0]
		if r.Status != validator.Invalid || !strings.Contains(r.Err.Error(), "sauce") {
			t.Errorf("%s with spec.sauce: %v %v", s.from, r.Status, r.Err)
		}
	}
}
