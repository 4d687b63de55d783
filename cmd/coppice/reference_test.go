package main

import (
	"io"
	"os"
	"strings"
	"testing"

	"coppice.dev/cmd/internal/manual"
)

// TestReferenceIsCurrent: docs/reference/coppice.md tells of the commands that there are.
func TestReferenceIsCurrent(t *testing.T) {
	t.Setenv("COPPICE_RUN_DIR", "") // which would be a default
	got, err := os.ReadFile("../../docs/reference/coppice.md")
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != manual.Reference(newRoot(&cli{in: strings.NewReader(""), out: io.Discard, errOut: io.Discard})) {
		t.Error("docs/reference/coppice.md is not what the commands are: run make generate")
	}
}
