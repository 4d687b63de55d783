package schrootspec

import (
	"strconv"
	"strings"

	"coppice.dev/spec"
)

// longest is how long the name of an object may be.
const longest = 63

// labels gives each name of schroot's the name of an object, none twice.
type labels map[string]bool

// label returns the name itself if it can be one: else its small letters and
// digits, and dashes for the rest, with a number if that is taken.
func (l labels) label(name string) string {
	label := strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9', r == '-':
			return r
		case r >= 'A' && r <= 'Z':
			return r + 'a' - 'A'
		}
		return '-'
	}, name)
	label = strings.Trim(label[:min(len(label), longest)], "-")
	if label == "" {
		label = "chroot"
	}
	given := label
	for n := 2; l[label]; n++ {
		suffix := "-" + strconv.Itoa(n)
		label = strings.TrimRight(given[:min(len(given), longest-len(suffix))], "-") + suffix
	}
	l[label] = true
	return label
}

// reserve takes the names that can stay as they are, so that none of them is
// given to another.
func (l labels) reserve(names []string) map[string]string {
	given := map[string]string{}
	for _, name := range names {
		if spec.ValidName(name) {
			given[name] = l.label(name)
		}
	}
	for _, name := range names {
		if _, done := given[name]; !done {
			given[name] = l.label(name)
		}
	}
	return given
}
