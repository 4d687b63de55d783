package hook

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

func TestSpeech(t *testing.T) {
	long := strings.Repeat("x", longestLine)
	for _, row := range []struct {
		what  string
		parts []string
		want  []string
	}{
		{"nothing", nil, nil},
		{"lines", []string{"a\nb\n"}, []string{"a", "b"}},
		{"one in pieces", []string{"a", "b", "c\nd"}, []string{"abc", "d"}},
		{"empty ones", []string{"\n\na"}, []string{"", "", "a"}},
		{"one that is long", []string{long + "x\n", long + "\nb"}, []string{long + " …", long, "b"}},
		{"no text", []string{"a\xff\n"}, []string{"a?"}},
	} {
		var got []string
		s := speech{say: func(line string) { got = append(got, line) }}
		for _, part := range row.parts {
			if n, err := fmt.Fprint(&s, part); n != len(part) || err != nil {
				t.Errorf("%s: %d, %v", row.what, n, err)
			}
		}
		s.end()
		if !slices.Equal(got, row.want) {
			t.Errorf("%s: %q, want %q", row.what, got, row.want)
		}
	}
	n := 0
	last := ""
	s := speech{say: func(line string) { n, last = n+1, line }}
	fmt.Fprint(&s, strings.Repeat("again\n", 3*mostLines)+"the end")
	s.end()
	if n != mostLines+1 || !strings.Contains(last, "not logged") || !strings.HasSuffix(s.String(), "the end") {
		t.Errorf("%d lines, the last %q, kept %q", n, last, lastLine(s.String()))
	}
}
