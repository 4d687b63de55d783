package manifests

import (
	"os"
	"testing"
)

func TestSuspensions(t *testing.T) {
	s := Suspensions{Folder: t.TempDir() + "/suspended"}
	want := func(session, why string, is bool) {
		t.Helper()
		if got, suspended, err := s.Suspended(session); got != why || suspended != is || err != nil {
			t.Errorf("%s: %q, %v, %v; want %q, %v", session, got, suspended, err, why, is)
		}
	}
	want("a", "", false)
	if err := s.Resume("a"); err != nil {
		t.Error(err)
	}
	for _, why := range []string{"it hangs", "it hangs still"} {
		if err := s.Suspend("a", why); err != nil {
			t.Fatal(err)
		}
		want("a", why, true)
	}
	want("b", "", false)
	if info, err := os.Stat(s.Folder); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	if err := s.Resume("a"); err != nil {
		t.Error(err)
	}
	want("a", "", false)
	// What cannot be seen is not taken for nothing.
	s.Folder = t.TempDir() + "/file"
	if err := os.WriteFile(s.Folder, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, _, err := s.Suspended("a"); err == nil {
		t.Error("a file in the folder's place is no error")
	}
}
