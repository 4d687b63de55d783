package terminal

import (
	"strings"
	"unicode"

	"golang.org/x/text/width"
)

// Width is how many columns a text takes.
func Width(text string) int {
	n := 0
	for _, r := range text {
		n += columns(r)
	}
	return n
}

// columns is how many columns a letter takes: marks stand above others, and letters of
// East Asia are twice as wide.
func columns(r rune) int {
	switch {
	case r < 0x300: // most are
		return 1
	case unicode.In(r, unicode.Mn, unicode.Me, unicode.Cf):
		return 0
	}
	switch width.LookupRune(r).Kind() {
	case width.EastAsianWide, width.EastAsianFullwidth:
		return 2
	}
	return 1
}

// Cut returns as much of a text as fits, and says by its end that there is more.
func Cut(text string, room int) string {
	if Width(text) <= room {
		return text
	}
	const more = "…"
	if room < Width(more) {
		return ""
	}
	n := Width(more)
	for i, r := range text {
		if n += columns(r); n > room {
			return strings.TrimRight(text[:i], " ") + more
		}
	}
	return text
}

// Wrap breaks a text into lines between words. Its own lines stay lines of their own, and
// a word that is too long is not broken: it may be a path that somebody copies.
func Wrap(text string, room int) []string {
	var lines []string
	for line := range strings.SplitSeq(strings.TrimRight(text, "\n"), "\n") {
		if Width(line) <= room {
			lines = append(lines, line)
			continue
		}
		at := ""
		for word := range strings.FieldsSeq(line) {
			switch {
			case at == "":
				at = word
			case Width(at)+1+Width(word) > room:
				lines = append(lines, at)
				at = word
			default:
				at += " " + word
			}
		}
		lines = append(lines, at)
	}
	return lines
}
