package presence

import (
	"errors"
	"reflect"
	"strings"
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

// TestNobodyReadsHalf looks without a pause while one after the other announces
// itself, with words of different length.
func TestNobodyReadsHalf(t *testing.T) {
	dir := t.TempDir()
	done := make(chan struct{})
	go func() {
		defer close(done)
		for n := range 500 {
			held, err := Announce(dir, Facts{PID: n + 1, StateDir: strings.Repeat("s", n%50)})
			if err != nil {
				t.Error(err)
				return
			}
			held.Close()
		}
	}()
	for {
		select {
		case <-done:
			return
		default:
		}
		if facts, running, err := Look(dir); err != nil || running && facts.PID == 0 {
			t.Errorf("%+v, running %t, error %v", facts, running, err)
			<-done
			return
		}
	}
}
