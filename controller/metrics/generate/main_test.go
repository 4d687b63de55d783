package main

import (
	"os"
	"testing"
)

// TestTheReferenceIsFresh: docs/metrics.md tells of the metrics that there are.
func TestTheReferenceIsFresh(t *testing.T) {
	text, err := os.ReadFile("../../../docs/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	fresh, err := renew(string(text))
	if err != nil {
		t.Fatal(err)
	}
	if fresh != string(text) {
		t.Error("docs/metrics.md is not what the metrics are: run make generate")
	}
	if _, err := renew("nothing"); err == nil {
		t.Error("a text without a place for the table was taken")
	}
}
