package main

import (
	"os"
	"testing"

	"coppice.dev/cmd/internal/manual"
)

// TestReferenceIsCurrent: docs/reference/coppiced.md tells of the commands that there are.
func TestReferenceIsCurrent(t *testing.T) {
	t.Setenv("COPPICE_RUN_DIR", "") // which would be a default
	got, err := os.ReadFile("../../docs/reference/coppiced.md")
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != manual.Reference(newCommand()) {
		t.Error("docs/reference/coppiced.md is not what the commands are: run make generate")
	}
}
