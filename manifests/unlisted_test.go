package manifests

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

// TestUnlisted has a folder read while a file in it was replaced, so that the list
// knows nothing of it.
func TestUnlisted(t *testing.T) {
	folder := t.TempDir()
	path := func(name string) string { return filepath.Join(folder, name) }
	for _, name := range []string{"listed.yaml", "replaced.yaml", "edited.yaml~", "new.yaml"} {
		if err := os.WriteFile(path(name), []byte("kind: Session\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	dir, err := os.Open(folder)
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	all, err := list(dir, true)
	if err != nil || len(all) != 4 {
		t.Fatalf("%v, %v", all, err)
	}
	known := map[string]fileState{}
	for _, name := range []string{"listed.yaml", "replaced.yaml", "edited.yaml", "gone.yaml"} {
		known[path(name)] = fileState{}
	}
	r := reading{dir: dir, folder: folder, known: versionOf(known)}
	var found []string
	for _, f := range r.unlisted(slices.Delete(slices.Clone(all), 3, 4), time.Now()) { // replaced.yaml, the last
		name := filepath.Base(f.path)
		if f.missing || (name == "edited.yaml") != f.open {
			t.Errorf("%+v", f)
		}
		found = append(found, name)
	}
	slices.Sort(found)
	if want := []string{"edited.yaml", "replaced.yaml"}; !slices.Equal(found, want) {
		t.Errorf("found %v, want %v", found, want)
	}
	// Put aside long ago it was no editor.
	if found := r.unlisted(all, time.Now().Add(time.Hour)); len(found) > 0 {
		t.Errorf("found %+v", found)
	}
}
