package spec

import (
	"regexp"
	"sync"
)

// pattern compiles a regular expression when it is first needed: every program that
// knows the types would else do so for all of them at its start, and most of these
// never check anything.
func pattern(text string) func() *regexp.Regexp {
	return sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(text) })
}
