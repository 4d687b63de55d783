package journal_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"coppice.dev/reconcile/kernel/journal"
	"coppice.dev/reconcile/layout"
	"coppice.dev/reconcile/object"
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// newJournal returns the journal of a state folder where session s has a home.
func newJournal(t *testing.T) journal.Journal {
	t.Helper()
	j := journal.Journal{Layout: layout.Layout{State: t.TempDir()}}
	must(t, os.MkdirAll(j.Layout.Home("s"), 0o700))
	return j
}

func hook(name string) object.Object {
	return object.Object{
		ID:   object.ID{Owner: object.SessionOwner("s"), Address: object.At(object.GroupTask, name)},
		Spec: object.Hook{Name: name, Phase: "setup", Command: []string{"true"}},
	}
}

func file(target string) object.Object {
	return object.Object{
		ID:   object.ID{Owner: object.SessionOwner("s"), Address: object.At(object.GroupTask, "1-file"+target)},
		Spec: object.File{Source: target, Target: target},
	}
}

func read(t *testing.T, j journal.Journal, kind object.Kind) []journal.Entry {
	t.Helper()
	entries, err := j.Read("s", kind)
	must(t, err)
	return entries
}

func TestEntriesComeBackInOrder(t *testing.T) {
	j := newJournal(t)
	if entries := read(t, j, object.KindHook); len(entries) != 0 {
		t.Errorf("an empty journal holds %v", entries)
	}
	long := "/" + strings.Repeat("long/", 60)
	first := journal.Entry{Object: hook("000-a"), State: journal.Done, Instance: "1"}
	second := journal.Entry{Object: hook("001-b"), State: journal.Begun, Attempts: 2, Process: &journal.Process{PID: 7, Start: 8, Boot: "9"}}
	plain := journal.Entry{Object: file("/etc/hosts"), State: journal.Done, Instance: "1"}
	similar := journal.Entry{Object: file("/etc%2Fhosts"), State: journal.Done, Instance: "1"}
	one := journal.Entry{Object: file(long + "one"), State: journal.Done}
	two := journal.Entry{Object: file(long + "two"), State: journal.Done}
	for _, e := range []journal.Entry{two, second, plain, one, similar, first} {
		must(t, j.Write(e))
	}
	if diff := cmp.Diff([]journal.Entry{first, second}, read(t, j, object.KindHook)); diff != "" {
		t.Errorf("hooks (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]journal.Entry{similar, plain, one, two}, read(t, j, object.KindFile)); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
	second.State = journal.Done
	must(t, j.Write(second))
	if e, found, err := j.Find(second.Object); err != nil || !found || e.State != journal.Done {
		t.Errorf("found %v %v, %v", e, found, err)
	}
	for range 2 {
		must(t, j.Remove(one.Object.ID))
	}
	if _, found, err := j.Find(one.Object); err != nil || found {
		t.Errorf("removed, and found %t, %v", found, err)
	}
	if _, found, _ := j.Find(two.Object); !found {
		t.Error("another one was removed")
	}
}

// What a crash or a power cut leaves must neither be taken for an entry nor keep
// the others from being read.
func TestWreckedEntries(t *testing.T) {
	j := newJournal(t)
	whole := journal.Entry{Object: hook("000-a"), State: journal.Done}
	must(t, j.Write(whole))
	folder := j.Layout.Journal("s")
	files, err := os.ReadDir(folder)
	must(t, err)
	text, err := os.ReadFile(filepath.Join(folder, files[0].Name()))
	must(t, err)
	for name, content := range map[string]string{
		files[0].Name() + ".new":  strings.Replace(string(text), "done", "begun", 1),
		"." + files[0].Name():     strings.Replace(string(text), "done", "begun", 1),
		"8-task%2F001-empty":      "",
		"8-task%2F002-cut":        string(text[:len(text)/2]),
		"8-task%2F003-other":      string(text),
		"8-task%2F004-unknown":    `{"object":{"owner":"session/s","address":"8-task/004-unknown","kind":"Nova","spec":{}},"state":"done"}`,
		"8-task%2F005-of-another": strings.NewReplacer("session/s", "session/t", "000-a", "005-of-another").Replace(string(text)),
	} {
		must(t, os.WriteFile(filepath.Join(folder, name), []byte(content), 0o600))
	}
	if diff := cmp.Diff([]journal.Entry{whole}, read(t, j, object.KindHook)); diff != "" {
		t.Errorf("entries (-want +got):\n%s", diff)
	}
	must(t, os.RemoveAll(folder))
	must(t, os.WriteFile(folder, nil, 0o600))
	if entries, err := j.Read("s", object.KindHook); err == nil {
		t.Errorf("a journal that cannot be read holds %v", entries)
	}
}

func TestNoHomeNoJournal(t *testing.T) {
	j := newJournal(t)
	must(t, os.Remove(j.Layout.Home("s")))
	if err := j.Write(journal.Entry{Object: hook("000-a")}); err == nil {
		t.Error("it was written for a session without a home")
	}
	if _, err := os.Lstat(j.Layout.Home("s")); err == nil {
		t.Error("a home came to be")
	}
}

// Of an unreadable entry its name is left: of a task that somebody knows it
// says that it was noted, and not how far it came.
func TestLostEntries(t *testing.T) {
	j := newJournal(t)
	kept, empty, never := journal.Entry{Object: hook("000-a"), State: journal.Done}, hook("001-b"), hook("002-c")
	must(t, j.Write(kept))
	must(t, j.Write(journal.Entry{Object: empty, State: journal.Done}))
	must(t, os.Truncate(filepath.Join(j.Layout.Journal("s"), "8-task%2F001-b"), 0))
	entries, err := j.Read("s", object.KindHook, kept.Object, empty, never, file("/etc/hosts"))
	must(t, err)
	if diff := cmp.Diff([]journal.Entry{kept, {Object: empty, State: journal.Lost}}, entries); diff != "" {
		t.Errorf("entries (-want +got):\n%s", diff)
	}
	if e, found, err := j.Find(empty); err != nil || !found || e.State != journal.Lost {
		t.Errorf("found %v %v, %v", e, found, err)
	}
	if _, found, err := j.Find(never); err != nil || found {
		t.Errorf("what was never noted: %t, %v", found, err)
	}
}
