package controller

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/go-logr/logr"

	"coppice.dev/status"
)

// TestAStatusThatCannotBeRemoved is tried again, and until then it is told that it
// could not be.
func TestAStatusThatCannotBeRemoved(t *testing.T) {
	dir := t.TempDir()
	writer, err := status.New(dir)
	if err != nil {
		t.Fatal(err)
	}
	log := logr.Discard()
	all, k := newReports(writer, &log), sessionKey("s")
	all.of(k).tell(func(*status.File) {})
	path := status.Path(dir, "Session", "s")
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(os.Remove(path))
	must(os.MkdirAll(filepath.Join(path, "no", "file"), 0o755))
	all.drop(k)
	if !slices.Contains(all.keys(), k) || all.outage.count() != 1 {
		t.Errorf("nobody would try again: keys %v, %d not written", all.keys(), all.outage.count())
	}
	must(os.RemoveAll(path))
	all.drop(k)
	if len(all.keys()) != 0 || all.outage.count() != 0 {
		t.Errorf("it is not over: keys %v, %d not written", all.keys(), all.outage.count())
	}
	all.of(k).tell(func(*status.File) {})
	if _, err := os.Stat(path); err != nil {
		t.Errorf("a session of that name has no status again: %v", err)
	}
}
