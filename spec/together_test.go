package spec_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"

	"coppice.dev/spec"
)

// TestTogether reads several files together and compares what is said of them to the
// letter. The files of an archive are manifests, but for "known", whose manifests others
// have, and for "want".
func TestTogether(t *testing.T) {
	archives, err := filepath.Glob("testdata/together/*.txtar")
	if err != nil || len(archives) == 0 {
		t.Fatalf("no test data: %v", err)
	}
	for _, name := range archives {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".txtar"), func(t *testing.T) {
			archive, err := txtar.ParseFile(name)
			if err != nil {
				t.Fatal(err)
			}
			var all []spec.Manifest
			known := spec.References{Chroots: map[string]*spec.Chroot{}, Profiles: map[string]*spec.Profile{}}
			want := &archive.Files[len(archive.Files)-1]
			for _, f := range archive.Files[:len(archive.Files)-1] {
				documents, _ := spec.Parse(f.Name, f.Data)
				if f.Name != "known" {
					all = append(all, spec.Manifest{File: f.Name, Documents: documents})
					continue
				}
				for _, d := range documents {
					known.Chroots[d.Name] = d.Object.(*spec.Chroot)
				}
			}
			problems, warnings := spec.Together(all, known)
			var got strings.Builder
			for _, p := range problems {
				got.WriteString("error " + p.String() + "\n")
			}
			for _, p := range warnings {
				got.WriteString("warning " + p.String() + "\n")
			}
			if *update {
				want.Data = []byte(got.String())
				if err := os.WriteFile(name, txtar.Format(archive), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if diff := cmp.Diff(string(want.Data), got.String()); diff != "" {
				t.Errorf("problems (-want +got):\n%s", diff)
			}
			if len(known.Chroots) > 0 && known.Chroots["sid"] == nil {
				t.Error("what is known was changed")
			}
		})
	}
}
