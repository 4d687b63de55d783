package status_test

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"coppice.dev/status"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

func session(name string, phase status.Phase) status.File {
	return status.File{
		TypeMeta: metav1.TypeMeta{Kind: "Session"},
		Metadata: status.Metadata{Name: name, UID: "uid-" + name, Generation: 2},
		Status: status.Status{
			Phase: phase, SpecHash: "abc",
			Events: status.AddEvent(nil, noon, status.EventNormal, "Admitted", "from chroot bookworm"),
		},
	}
}

func writer(t *testing.T, dir string) *status.Writer {
	t.Helper()
	w, err := status.New(dir)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func put(t *testing.T, w *status.Writer, files ...status.File) {
	t.Helper()
	for _, f := range files {
		if err := w.Put(f); err != nil {
			t.Fatal(err)
		}
	}
}

func TestWhatIsWrittenIsRead(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "status")
	w := writer(t, dir)
	b, a := session("b", status.Ready), session("a", status.Pending)
	put(t, w, b, a)
	got, err := status.List(dir, "Session")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range []*status.File{&a, &b} {
		f.APIVersion, f.Status.Leases = "coppice.dev/v1alpha1", []status.Lease{}
	}
	equalTimes := cmp.Comparer(func(a, b metav1.Time) bool { return a.Time.Equal(b.Time) })
	if diff := cmp.Diff([]status.File{a, b}, got, equalTimes); diff != "" {
		t.Errorf("list (-written +read):\n%s", diff)
	}
	one, err := status.Read(dir, "session", "a")
	if err != nil || one.Status.Phase != status.Pending {
		t.Errorf("read a: %v, %v", one, err)
	}
	if _, err := os.Stat(filepath.Join(dir, "session", "a.yaml")); err != nil {
		t.Errorf("the file is not where it is documented to be: %v", err)
	}
}

func TestAReaderBearsWhatIsNotThere(t *testing.T) {
	dir := t.TempDir()
	if _, err := status.Read(dir, "Session", "a"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("read of nothing: %v, want fs.ErrNotExist", err)
	}
	if got, err := status.List(filepath.Join(dir, "no"), "Session"); err != nil || got != nil {
		t.Errorf("list of nothing: %v, %v", got, err)
	}
	put(t, writer(t, dir), session("a", status.Ready))
	if err := os.WriteFile(filepath.Join(dir, "session", "torn.yaml"), []byte("kind: [Sess"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "session", ".b.new"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	got, err := status.List(dir, "Session")
	if len(got) != 1 || err == nil || !strings.Contains(err.Error(), "torn.yaml") {
		t.Errorf("list beside a torn file: %d files, error %v; want one file, and the torn one named", len(got), err)
	}
}

func TestAnUnchangedStatusIsNotWritten(t *testing.T) {
	dir := t.TempDir()
	w := writer(t, dir)
	put(t, w, session("a", status.Ready))
	before := stat(t, status.Path(dir, "Session", "a"))
	put(t, w, session("a", status.Ready))
	if !os.SameFile(before, stat(t, status.Path(dir, "Session", "a"))) {
		t.Error("an unchanged file was written again")
	}
	put(t, writer(t, dir), session("a", status.Ready))
	if !os.SameFile(before, stat(t, status.Path(dir, "Session", "a"))) {
		t.Error("an unchanged file was written again after a restart")
	}
	put(t, w, session("a", status.Failed))
	if os.SameFile(before, stat(t, status.Path(dir, "Session", "a"))) {
		t.Error("a changed file was not swapped")
	}
	if err := os.RemoveAll(filepath.Join(dir, "session")); err != nil {
		t.Fatal(err)
	}
	put(t, w, session("a", status.Failed))
	stat(t, status.Path(dir, "Session", "a"))
}

func stat(t *testing.T, path string) os.FileInfo {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return info
}

func TestAWriterKnowsWhatAFormerOneLeft(t *testing.T) {
	dir := t.TempDir()
	put(t, writer(t, dir), session("a", status.Ready), session("b", status.Ready))
	for _, junk := range []string{"session/.a.new", "session/torn.yaml", "session/note.txt"} {
		if err := os.WriteFile(filepath.Join(dir, junk), []byte("kind: ["), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	w := writer(t, dir)
	if diff := cmp.Diff([]string{"a", "b"}, w.Names("Session")); diff != "" {
		t.Errorf("names (-want +got):\n%s", diff)
	}
	old, ok := w.Get("Session", "b")
	if !ok || old.Metadata.Generation != 2 || old.Metadata.UID != "uid-b" || len(old.Status.Events) != 1 {
		t.Errorf("what was left of b: %+v", old)
	}
	if err := w.Remove("Session", "b"); err != nil {
		t.Fatal(err)
	}
	if err := w.Remove("Session", "b"); err != nil {
		t.Errorf("remove of the absent: %v", err)
	}
	entries, err := os.ReadDir(filepath.Join(dir, "session"))
	if err != nil || len(entries) != 1 || entries[0].Name() != "a.yaml" {
		t.Errorf("left in the folder: %v, %v; want a.yaml alone", entries, err)
	}
}

func TestManifestsAreNamedByTheirPath(t *testing.T) {
	dir := t.TempDir()
	names := []string{
		"/etc/m.d/a.yaml", "/etc/m.d_a.yaml", "/etc/m.d/a%2F.yaml", "/etc/.hidden", "/etc/m.d/über.yaml",
		"/" + strings.Repeat("long/", 60) + "a.yaml", "/" + strings.Repeat("long/", 60) + "b.yaml",
	}
	w := writer(t, dir)
	paths := map[string]bool{}
	for _, name := range names {
		put(t, w, status.File{TypeMeta: metav1.TypeMeta{Kind: status.KindManifest}, Metadata: status.Metadata{Name: name}})
		paths[status.Path(dir, status.KindManifest, name)] = true
	}
	got, err := status.List(dir, status.KindManifest)
	if err != nil || len(got) != len(names) || len(paths) != len(names) {
		t.Fatalf("%d of %d files, error %v", len(got), len(names), err)
	}
	if want := filepath.Join(dir, "manifest", "etc_m.d_a.yaml.yaml"); !paths[want] {
		t.Errorf("no file %s among %v", want, paths)
	}
}

func TestReadersNeverSeeHalfAFile(t *testing.T) {
	dir := t.TempDir()
	w := writer(t, dir)
	put(t, w, session("a", status.Ready))
	ctx, cancel := context.WithCancel(t.Context())
	var group sync.WaitGroup
	group.Go(func() {
		defer cancel()
		for i := range 500 {
			f := session("a", status.Ready)
			f.Status.Root = strings.Repeat("x", i*10)
			put(t, w, f)
		}
	})
	for ctx.Err() == nil {
		if _, err := status.Read(dir, "Session", "a"); err != nil {
			t.Error(err)
		}
	}
	group.Wait()
}

func TestEventsAreCountedAndFew(t *testing.T) {
	var events []status.Event
	for range 3 {
		events = status.AddEvent(events, noon, status.EventWarning, "Failed", "no space")
	}
	if len(events) != 1 || events[0].Count != 3 {
		t.Errorf("thrice the same: %+v", events)
	}
	for i := range 40 {
		events = status.AddEvent(events, noon, status.EventNormal, "Step", strconv.Itoa(i))
	}
	if len(events) != 20 || events[19].Message != "39" || events[0].Message != "20" {
		t.Errorf("%d events from %q to %q, want the last 20", len(events), events[0].Message, events[len(events)-1].Message)
	}
}
