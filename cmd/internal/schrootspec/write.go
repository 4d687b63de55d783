package schrootspec

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"sigs.k8s.io/yaml"
)

// Text returns the document as YAML, below comments that say where it is from and
// what it has not. If the object cannot be used, all of it is a comment.
func (d Document) Text() []byte {
	// An object with signs that YAML has no place for was refused already.
	text, _ := yaml.Marshal(d.Object)
	var b bytes.Buffer
	comment(&b, fmt.Sprintf("%s: %s", d.From, d.About))
	for _, n := range slices.SortedStableFunc(slices.Values(d.Notes), byPlace) {
		comment(&b, "- "+n.String())
	}
	if len(d.Refused) == 0 {
		b.Write(text)
		return b.Bytes()
	}
	comment(&b, "")
	comment(&b, "It cannot be used as it is:")
	for _, why := range d.Refused {
		comment(&b, "- "+why)
	}
	comment(&b, "")
	for line := range strings.Lines(string(text)) {
		comment(&b, strings.TrimSuffix(line, "\n"))
	}
	return b.Bytes()
}

func byPlace(a, b Note) int {
	return cmp.Or(strings.Compare(a.At.File, b.At.File), cmp.Compare(a.At.Line, b.At.Line))
}

// comment writes a line of comment. What is in it may come from anywhere, so no
// sign of it may end the line.
func comment(b *bytes.Buffer, text string) {
	text = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) || r == utf8.RuneError {
			return '?'
		}
		return r
	}, text)
	b.WriteString(strings.TrimRight("# "+text, " ") + "\n")
}
