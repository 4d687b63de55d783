package manifests

import (
	"os"
	"path/filepath"
	"testing"
)

// start returns a source that knows what the last one remembered.
func start(t *testing.T, memory string, folders ...Folder) *Source {
	t.Helper()
	return &Source{Folders: folders, Memory: memory, OnLapse: func(err error) { t.Error(err) }}
}

// An empty folder is taken at its word if it is the one that held manifests, and
// not if it is another one, whoever looks.
func TestAnEmptyFolderAfterARestart(t *testing.T) {
	base := t.TempDir()
	m, memory := filepath.Join(base, "m"), filepath.Join(base, "memory")
	do := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	write := func() { do(os.WriteFile(m+"/a.yaml", []byte(session("a", 1)), 0o644)) }
	do(os.Mkdir(m, 0o755))
	if set := start(t, memory, Folder{Path: m}).Refresh(); !set.Complete() {
		t.Error("a folder that was always empty is not taken at its word")
	}
	write()
	start(t, memory, Folder{Path: m}).Refresh()
	do(os.Remove(m + "/a.yaml"))
	if set := start(t, memory, Folder{Path: m}).Refresh(); !set.Complete() {
		t.Errorf("a folder that was emptied is not taken at its word: %v", set.Folders)
	}
	write()
	start(t, memory, Folder{Path: m}).Refresh()
	do(os.Rename(m, base+"/aside"))
	do(os.Mkdir(m, 0o755))
	for range 2 {
		source := start(t, memory, Folder{Path: m})
		for range 2 {
			if set := source.Refresh(); set.Complete() || set.Folders[m] == "" {
				t.Error("another folder, which is empty, is taken at its word")
			}
		}
	}
	source := start(t, memory, Folder{Path: m})
	source.Refresh()
	// Changes within a tick of the kernel's clock have the same time.
	made, err := os.Stat(m)
	do(err)
	for later := false; !later; {
		do(os.WriteFile(base+"/clock", []byte("tick"), 0o644))
		clock, err := os.Stat(base + "/clock")
		do(err)
		later = clock.ModTime().After(made.ModTime())
	}
	write()
	do(os.Remove(m + "/a.yaml"))
	if set := source.Refresh(); !set.Complete() {
		t.Errorf("somebody made a change in it, and it is not taken at its word: %v", set.Folders)
	}
	if set := start(t, memory, Folder{Path: m}).Refresh(); !set.Complete() {
		t.Errorf("and not after another restart either: %v", set.Folders)
	}
}

func TestMemoryThatIsLost(t *testing.T) {
	base := t.TempDir()
	m, memory := filepath.Join(base, "m"), filepath.Join(base, "memory")
	if err := os.Mkdir(m, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{"", "{", "[]", `{"/m": 1}`} {
		if err := os.WriteFile(memory, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if set := start(t, memory, Folder{Path: m}).Refresh(); !set.Complete() {
			t.Errorf("memory %q: %v", text, set.Folders)
		}
	}
	lapses := 0
	source := &Source{Folders: []Folder{{Path: m}}, Memory: base + "/no/such/folder", OnLapse: func(error) { lapses++ }}
	if err := os.WriteFile(m+"/a.yaml", []byte(session("a", 1)), 0o644); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if set := source.Refresh(); !set.Complete() {
			t.Error("what cannot be remembered is in the way of what is seen")
		}
	}
	if err := os.WriteFile(memory+making, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	start(t, memory, Folder{Path: m}).Refresh()
	if _, err := os.Stat(memory + making); err == nil {
		t.Error("what a crash left of a memory is still there")
	}
	if lapses != 1 {
		t.Errorf("told %d times that it cannot be remembered, want once", lapses)
	}
}
