package schema_test

import (
	"os"
	"strings"
	"testing"

	"coppice.dev/spec/schema"
)

// TestReferenceIsCurrent: docs/reference/manifests.md tells of the fields that there are.
func TestReferenceIsCurrent(t *testing.T) {
	want, err := schema.Reference()
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{"| `spec.source.loopback.partition` |", "| `spec.hooks` |", "| `spec.chroot` |", "| `status.conditions` |"} {
		if !strings.Contains(want, line) {
			t.Errorf("nothing is said of %s", line)
		}
	}
	got, err := os.ReadFile("../../docs/reference/manifests.md")
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Error("docs/reference/manifests.md is not what the types are: run make generate")
	}
}
