package terminal

import (
	"strings"
	"testing"
)

func TestPicture(t *testing.T) {
	var out strings.Builder
	picture := Picture{Out: Output{&out, Screen{Live: true, Rows: 3}}}
	picture.Draw([]string{"a", "b", "c"})
	picture.Draw([]string{"d"})
	if want := "a\x1b[K\nb\x1b[K\n\x1b[J\x1b[2A\rd\x1b[K\n\x1b[J"; out.String() != want {
		t.Errorf("%q, want %q", out.String(), want)
	}
}
