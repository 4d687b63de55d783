package built

import (
	"errors"
	"slices"
	"strings"
)

// Initialized returns which of the late packages a program has initialized, given what it
// said with GODEBUG=inittrace=1 (package runtime). A name with a slash at its end stands
// for all below.
func Initialized(trace string, late ...string) (found []string, err error) {
	if !strings.Contains(trace, "init os @") {
		return nil, errors.New("there is no trace of what was initialized")
	}
	for line := range strings.Lines(trace) {
		name, _, _ := strings.Cut(strings.TrimPrefix(line, "init "), " ")
		if slices.ContainsFunc(late, func(one string) bool {
			return name == one || strings.HasSuffix(one, "/") && strings.HasPrefix(name, one)
		}) {
			found = append(found, name)
		}
	}
	return found, nil
}
