package controller_test

import (
	"os"
	"slices"
	"strings"
	"testing"

	"coppice.dev/status"
)

// checkedOut has the room's folder be a checkout of a commit.
func (r *room) checkedOut(commit string) {
	r.t.Helper()
	git := r.folder + "/.git"
	if err := os.MkdirAll(git, 0o755); err != nil {
		r.t.Fatal(err)
	}
	if err := os.WriteFile(git+"/HEAD", []byte(commit+"\n"), 0o644); err != nil {
		r.t.Fatal(err)
	}
	r.refresh()
}

func TestFolderIsTold(t *testing.T) {
	first, second := strings.Repeat("1", 40), strings.Repeat("2", 40)
	bubble(t, func(r *room) {
		folder := func() status.File { return r.of("Folder", r.folder) }
		says(t, folder(), "Ready=True/Read", "0 objects in 0 manifests")
		r.checkedOut(first)
		r.write("all.yaml", directory("bookworm"), session("a", "bookworm"))
		f := folder()
		says(t, f, "Ready=True/Read", "2 objects in 1 manifest")
		if got := *f.Status.Folder; got.Manifests != 1 || got.Objects != 2 || got.Revision != first || got.RevisionSince == nil {
			t.Errorf("%+v", got)
		}
		since, generation := f.Status.Folder.RevisionSince, f.Metadata.Generation
		// A session keeps the commit that brought its spec, over a restart too.
		r.checkedOut(second)
		r.restart()
		if got := r.session("a").Status.Source.Revision; got != first {
			t.Errorf("session a came with %s", got)
		}
		f = folder()
		if got := f.Status.Folder; got.Revision != second || got.RevisionSince.Before(since) || f.Metadata.Generation <= generation {
			t.Errorf("%+v, generation %d after %d", *got, f.Metadata.Generation, generation)
		}
		if !slices.ContainsFunc(f.Status.Events, func(e status.Event) bool { return e.Reason == "Synced" && strings.Contains(e.Message, second) }) {
			t.Errorf("events: %v", f.Status.Events)
		}
		r.write("all.yaml", directory("bookworm"), session("a", "bookworm", "ttl: 1h"))
		if got := r.session("a").Status.Source.Revision; got != second {
			t.Errorf("session a, which has changed, came with %s", got)
		}
		before := folder()
		r.restart()
		if again := folder(); again.Metadata.Generation != before.Metadata.Generation || len(again.Status.Events) != len(before.Status.Events) {
			t.Errorf("a restart has changed it: generation %d, then %d", before.Metadata.Generation, again.Metadata.Generation)
		}
		// What is wrong with one manifest is wrong with the folder.
		r.write("bad.yaml", "kind: [")
		says(t, folder(), "Ready=False/InvalidManifest", "2 objects in 2 manifests", r.folder+"/bad.yaml")
		says(t, folder(), "Stalled=True/InvalidManifest")
		r.write("bad.yaml", session("a", "bookworm"))
		says(t, folder(), "Ready=False/InvalidManifest", "3 objects", "2 objects cannot be had as written")
		r.remove("bad.yaml")
		says(t, folder(), "Ready=True/Read")
		if err := os.Rename(r.folder, r.folder+".aside"); err != nil {
			t.Fatal(err)
		}
		r.refresh()
		says(t, folder(), "Ready=False/ManifestUnavailable", "cannot be opened", "2 objects in 1 manifest")
		r.phase("a", status.Ready)
	})
}
