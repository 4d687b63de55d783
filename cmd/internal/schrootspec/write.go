package schrootspec

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"strings"

	"sigs.k8s.io/yaml"
)

// Text returns the document as YAML, below comments that say where it is from and
// what it has not. If the object cannot be used, all of it is a comment.
func (d Document) Text() ([]byte, error) {
	text, err := yaml.Marshal(d.Object)
	if err != nil {
		return nil, fmt.Errorf("write %s %s: %w", d.Object.GetKind(), d.Object.GetName(), err)
	}
	var b bytes.Buffer
	comment(&b, fmt.Sprintf("%s: %s", d.From, d.About))
	for _, n := range slices.SortedStableFunc(slices.Values(d.Notes), byPlace) {
		comment(&b, "- "+n.String())
	}
	if len(d.Refused) == 0 {
		b.Write(text)
		return b.Bytes(), nil
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
	return b.Bytes(), nil
}

func byPlace(a, b Note) int {
	return cmp.Or(strings.Compare(a.At.File, b.At.File), cmp.Compare(a.At.Line, b.At.Line))
}

// comment writes a line of comment. What is in it may come from anywhere, so no
// sign of it may end the line.
func comment(b *bytes.Buffer, text string) {
	text = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r == '\u0085' || r == '\u2028' || r == '\u2029' || r == '\ufeff' || r == '\ufffd' {
			return '?'
		}
		return r
	}, text)
	b.WriteString(strings.TrimRight("# "+text, " ") + "\n")
}
