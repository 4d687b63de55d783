package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestFoldersThatOthersCouldChange are not worked with.
func TestFoldersThatOthersCouldChange(t *testing.T) {
	for _, row := range []struct {
		name   string
		above  os.FileMode
		mode   os.FileMode
		owners [2]int // of the folder above, and of the folder
		want   string
	}{
		{"root's alone", 0o755, 0o755, [2]int{0, 0}, ""},
		{"in one like /tmp", 0o777 | os.ModeSticky, 0o700, [2]int{0, 0}, ""},
		{"one like /tmp", 0o755, 0o777 | os.ModeSticky, [2]int{0, 0}, ""},
		{"the group's", 0o755, 0o775, [2]int{0, 0}, ""},
		{"in the group's", 0o775, 0o755, [2]int{0, 0}, "chmod go-w"},
		{"somebody's", 0o755, 0o755, [2]int{0, 1000}, "belongs to user 1000"},
		{"in somebody's", 0o755, 0o755, [2]int{1000, 0}, "belongs to user 1000"},
		{"somebody's in one like /tmp", 0o777 | os.ModeSticky, 0o755, [2]int{0, 1000}, "belongs to user 1000"},
	} {
		above := filepath.Join(t.TempDir(), "above")
		path := filepath.Join(above, "state")
		for i, folder := range []struct {
			path string
			mode os.FileMode
		}{{above, row.above}, {path, row.mode}} {
			if err := os.Mkdir(folder.path, 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.Chown(folder.path, row.owners[i], 0); err != nil {
				t.Fatal(err)
			}
			if err := os.Chmod(folder.path, folder.mode); err != nil {
				t.Fatal(err)
			}
		}
		if err := ours(path); (err == nil) != (row.want == "") || err != nil && !strings.Contains(err.Error(), row.want) {
			t.Errorf("%s: %v, want %q", row.name, err, row.want)
		}
		if info, err := os.Stat(path); err != nil || row.want == "" && info.Mode().Perm()&0o022 != 0 {
			t.Errorf("%s: others may write to it still: %v, %v", row.name, info.Mode(), err)
		}
	}
	if err := ours("/"); err != nil {
		t.Error(err)
	}
}
