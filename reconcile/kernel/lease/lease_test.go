package lease

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// book has no cgroups, as on a machine without.
func book(t *testing.T) Book {
	t.Helper()
	return Book{Folder: filepath.Join(t.TempDir(), "leases"), Group: func(string) string { return "" }}
}

func list(t *testing.T, b Book) []Lease {
	t.Helper()
	l, err := b.List("s")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func take(t *testing.T, b Book, r Record) Lease {
	t.Helper()
	l, err := b.Take("s", r)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func TestLeaseWithoutGroups(t *testing.T) {
	b := book(t)
	if l := list(t, b); len(l) > 0 {
		t.Errorf("at first: %+v", l)
	}
	second := take(t, b, Record{UID: 2, User: "b", Command: "two", Since: time.Now()})
	first := take(t, b, Record{UID: 1, User: "a", Command: "one", Since: time.Now().Add(-time.Second)})
	if l := list(t, b); len(l) != 2 || l[0].ID != first.ID || l[1].User != "b" || l[1].Command != "two" {
		t.Errorf("two leases: %+v", l)
	}
	// One whose keeper lives stays, one whose keeper is gone goes.
	if err := b.Begin(first, os.Getpid()); err != nil {
		t.Fatal(err)
	}
	if err := b.Begin(second, os.Getpid()); err != nil {
		t.Fatal(err)
	}
	second.Keeper = Keeper{PID: os.Getpid(), Started: 1} // another, who had the number before
	if err := write(second); err != nil {
		t.Fatal(err)
	}
	if l := list(t, b); len(l) != 1 || l[0].ID != first.ID || l[0].Keeper.PID != os.Getpid() {
		t.Errorf("one keeper is gone: %+v", l)
	}
	if _, err := os.Stat(second.File); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the record of what is over: %v", err)
	}
	if names, err := b.Sessions(); err != nil || len(names) != 1 || names[0] != "s" {
		t.Errorf("sessions: %v, %v", names, err)
	}
	if err := b.Forget("s"); err != nil {
		t.Fatal(err)
	}
	if names, err := b.Sessions(); err != nil || len(names) != 0 {
		t.Errorf("sessions after they were forgotten: %v, %v", names, err)
	}
}

func TestLeaseThatNeverBegan(t *testing.T) {
	b := book(t)
	long := time.Now().Add(-2 * starting)
	slow := take(t, b, Record{Command: "slow", Since: long}) // who took it is about to start it still
	old, fresh := take(t, b, Record{Command: "old", Since: long}), take(t, b, Record{Command: "new", Since: time.Now()})
	for _, l := range []Lease{old, fresh} { // of somebody who had the number before
		l.Starter.Started--
		if err := write(l); err != nil {
			t.Fatal(err)
		}
	}
	if l := list(t, b); len(l) != 2 || l[0].ID != slow.ID || l[1].ID != fresh.ID {
		t.Errorf("%+v", l)
	}
	if err := b.Release(slow); err != nil {
		t.Fatal(err)
	}
	if err := b.Release(fresh); err != nil {
		t.Fatal(err)
	}
	if l := list(t, b); len(l) != 0 {
		t.Errorf("after it was released: %+v", l)
	}
	if err := b.Release(fresh); err != nil {
		t.Errorf("once more: %v", err)
	}
	// A keeper that was quicker has removed the file; it does not come back.
	if err := b.Begin(fresh, os.Getpid()); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(fresh.File); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("it came back: %v", err)
	}
}

func TestSpoiledRecord(t *testing.T) {
	b := book(t)
	l := take(t, b, Record{Command: "x", Since: time.Now()})
	if err := os.WriteFile(l.File, []byte(`{"comm`), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, other := range []string{".draft.json", "notes.txt"} {
		if err := os.WriteFile(filepath.Join(filepath.Dir(l.File), other), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if l := list(t, b); len(l) != 0 { // nobody is known to be in it
		t.Errorf("%+v", l)
	}
}

func TestNoGroupNoLease(t *testing.T) {
	b := book(t)
	b.Group = func(string) string { return filepath.Join(b.Folder, "no such cgroup") }
	l, err := b.Take("s", Record{Since: time.Now()})
	if !errors.Is(err, ErrEnding) {
		t.Errorf("taken: %v", err)
	}
	if _, err := os.Stat(l.File); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("its record: %v", err)
	}
}

func TestNoBook(t *testing.T) {
	var b Book
	l, err := b.List("s")
	names, err2 := b.Sessions()
	if err := errors.Join(err, err2, b.Forget("s")); err != nil || len(l)+len(names) > 0 {
		t.Error(l, names, err)
	}
}
