package status

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestNames leaves nothing out that is replaced while the folder is read.
func TestNames(t *testing.T) {
	folder := t.TempDir()
	for _, name := range []string{"a", "b", "c"} {
		if err := os.WriteFile(filepath.Join(folder, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	old := time.Now().Add(-time.Hour)
	for _, row := range []struct {
		name     string
		replaced int // in so many reads of the folder, which then tell nothing of b
		reads    int
		want     string
	}{
		{"a quiet folder is read once", 0, 1, "a b c"},
		{"b is replaced while it is read", 1, 2, "a b c"},
		{"and again", mostReads - 1, mostReads, "a b c"},
		{"all the time", mostReads + 1, mostReads, "a c"},
	} {
		t.Run(row.name, func(t *testing.T) {
			stamp := old
			set := func() {
				if err := os.Chtimes(folder, stamp, stamp); err != nil {
					t.Fatal(err)
				}
			}
			set()
			reads := 0
			got, err := names(folder, func(folder string) ([]os.DirEntry, error) {
				reads++
				entries, err := os.ReadDir(folder)
				if reads <= row.replaced {
					stamp = stamp.Add(time.Second)
					set()
					entries = append(entries[:1:1], entries[2:]...)
				}
				return entries, err
			})
			if err != nil || reads != row.reads || strings.Join(got, " ") != row.want {
				t.Errorf("%v in %d reads: %v; want %s in %d", got, reads, err, row.want, row.reads)
			}
		})
	}
	// What has just changed may have changed again in the same step of time. A machine
	// may be too slow for this moment, but not each time.
	for try := 0; ; try++ {
		now, reads := time.Now(), 0
		if err := os.Chtimes(folder, now, now); err != nil {
			t.Fatal(err)
		}
		_, err := names(folder, func(folder string) ([]os.DirEntry, error) {
			reads++
			return os.ReadDir(folder)
		})
		if err == nil && reads > 1 {
			break
		}
		if err != nil || try == 100 {
			t.Fatalf("a folder that changed this moment was read %d times: %v", reads, err)
		}
	}
}
