package schema

import (
	"testing"

	"coppice.dev/spec/schema"
)

// TestDefinitions has the API server take every definition: structural, and with
// rules whose cost it can bound.
func TestDefinitions(t *testing.T) {
	for _, kind := range schema.Kinds() {
		if _, err := newServer(kind); err != nil {
			t.Error(err)
		}
	}
}
