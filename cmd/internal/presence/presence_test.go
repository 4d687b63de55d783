package presence

import (
	"errors"
	"reflect"
	"testing"
	"time"
)

func TestPresence(t *testing.T) {
	dir := t.TempDir()
	if _, ok, err := Look(dir); ok || err != nil {
		t.Fatalf("empty folder: ok %t, error %v", ok, err)
	}
	facts := Facts{PID: 7, Version: "v1", Started: time.Now().UTC().Round(time.Second), StateDir: "/s", ManifestDirs: []string{"/a"}}
	held, err := Announce(dir, facts)
	if err != nil {
		t.Fatal(err)
	}
	got, ok, err := Look(dir)
	if err != nil || !ok || !reflect.DeepEqual(got, facts) {
		t.Fatalf("announced: %+v, ok %t, error %v", got, ok, err)
	}
	_, err = Announce(dir, Facts{PID: 8})
	taken, is := errors.AsType[*TakenError](err)
	if !is || taken.Facts.PID != 7 {
		t.Fatalf("second one: %v", err)
	}
	if err := held.Close(); err != nil {
		t.Fatal(err)
	}
	if _, ok, err := Look(dir); ok || err != nil {
		t.Fatalf("after the end: ok %t, error %v", ok, err)
	}
	held, err = Announce(dir, Facts{PID: 9})
	if err != nil {
		t.Fatal(err)
	}
	defer held.Close()
	if got, _, err := Look(dir); err != nil || got.PID != 9 {
		t.Fatalf("the next one: %+v, error %v", got, err)
	}
}
