package manifests

import (
	"os"
	"path/filepath"
	"slices"
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
	// Somebody makes a file by hand, and one was being written when the power went.
	for _, name := range []string{"c", ".d123", "E"} {
		if err := os.WriteFile(filepath.Join(s.Folder, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want("c", "somebody suspended it", true)
	if names, err := s.Names(); err != nil || !slices.Equal(names, []string{"c"}) {
		t.Errorf("names: %q, %v", names, err)
	}
	// What cannot be seen is not taken for nothing.
	s.Folder = t.TempDir() + "/file"
	if err := os.WriteFile(s.Folder, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, _, err := s.Suspended("a"); err == nil {
		t.Error("a file in the folder's place is no error")
	}
	if _, err := s.Names(); err == nil {
		t.Error("nor is it to list it")
	}
	if err := s.Suspend("a", ""); err == nil {
		t.Error("nor to write there")
	}
	s.Folder = t.TempDir() + "/none"
	if names, err := s.Names(); err != nil || names != nil {
		t.Errorf("names where there is no folder: %q, %v", names, err)
	}
}
