package status_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"coppice.dev/status"
)

// next returns the next change, as "kind name phase", or fails.
func next(t *testing.T, changes <-chan status.Change) string {
	t.Helper()
	select {
	case c, ok := <-changes:
		switch {
		case !ok:
			t.Fatal("the watch ended")
		case c.File == nil:
			return c.Kind + " " + c.Name + " gone"
		}
		return c.Kind + " " + c.Name + " " + string(c.File.Status.Phase)
	case <-time.After(30 * time.Second):
		t.Fatal("no change was told")
	}
	return ""
}

func expect(t *testing.T, changes <-chan status.Change, want string) {
	t.Helper()
	if got := next(t, changes); got != want {
		t.Fatalf("told %q, want %q", got, want)
	}
}

func TestWatch(t *testing.T) {
	dir := t.TempDir()
	w := writer(t, dir)
	put(t, w, session("a", status.Ready))
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	changes, err := status.Watch(ctx, dir, "Session", "Chroot")
	if err != nil {
		t.Fatal(err)
	}
	expect(t, changes, "Session a Ready")
	put(t, w, session("b", status.Provisioning))
	expect(t, changes, "Session b Provisioning")
	put(t, w, session("b", status.Ready))
	expect(t, changes, "Session b Ready")
	chroot := session("c", status.Ready)
	chroot.Kind = "Chroot"
	put(t, w, chroot) // its folder was not there before
	expect(t, changes, "Chroot c Ready")
	if err := w.Remove("Session", "a"); err != nil {
		t.Fatal(err)
	}
	expect(t, changes, "Session a gone")
	cancel()
	for range changes { // closed, not left open
	}
}

func TestWatchOfAFolderThatIsMadeAnew(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "run", "status")
	ctx, cancel := context.WithCancel(t.Context())
	changes, err := status.Watch(ctx, dir, "Session")
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		cancel()
		for range changes {
		}
	}()
	// The new folder often has the number of the old one, whose watch went with it.
	for range 40 {
		put(t, writer(t, dir), session("a", status.Ready))
		expect(t, changes, "Session a Ready")
		if err := os.RemoveAll(filepath.Dir(dir)); err != nil {
			t.Fatal(err)
		}
		expect(t, changes, "Session a gone")
	}
}

func TestWatchOne(t *testing.T) {
	dir := t.TempDir()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	changes, err := status.WatchOne(ctx, dir, "Session", "b")
	if err != nil {
		t.Fatal(err)
	}
	w := writer(t, dir)
	put(t, w, session("a", status.Ready)) // the folder was not there before
	put(t, w, session("b", status.Provisioning))
	expect(t, changes, "Session b Provisioning")
	put(t, w, session("bb", status.Ready))
	put(t, w, session("b", status.Ready))
	expect(t, changes, "Session b Ready")
	for _, name := range []string{"a", "b"} {
		if err := w.Remove("Session", name); err != nil {
			t.Fatal(err)
		}
	}
	expect(t, changes, "Session b gone")
	cancel()
	for c := range changes {
		t.Errorf("told of %+v", c)
	}
}
