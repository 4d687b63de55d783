package schrootconf

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// personalities are those that schroot knows on Linux.
var personalities = []string{
	"bsd", "hpux", "irix32", "irix64", "irixn32", "iscr4", "linux", "linux32", "linux_32bit", "osf4", "osr5",
	"riscos", "scorvr3", "solaris", "sunos", "svr4", "undefined", "uw7", "wysev386", "xenix",
}

// truths are the words for true and false.
var truths = []string{"true", "yes", "1", "false", "no", "0"}

// words are the values of keys that take one of a few.
var words = map[string][]string{
	"message-verbosity": {"quiet", "normal", "verbose"},
	"personality":       personalities,
	"union-type":        {"none", "aufs", "overlay", "overlayfs", "unionfs"},
}

// paths are keys whose value is an absolute path.
var paths = []string{
	"directory", "file", "device", "btrfs-source-subvolume", "btrfs-snapshot-directory",
	"union-overlay-directory", "union-underlay-directory",
}

// check reports what is wrong with a chroot as a whole.
func (p *parser) check(c Chroot) {
	report := func(at Position, key, message string, refused bool) {
		p.problems = append(p.problems, Problem{at, c.Name, key, message, refused})
	}
	if !ValidName(c.Name) {
		report(c.At, "", "invalid name: it is made of letters, digits, dots, dashes and underscores, with a letter or digit first", true)
	}
	known := slices.Contains(Types, c.Type())
	if !known {
		at := c.At
		if e, given := c.Given("type"); given {
			at = e.At
		}
		report(at, "type", fmt.Sprintf("unknown chroot type %q", c.Type()), true)
	}
	for _, e := range c.Entries {
		message, refused := c.wrong(e, known)
		if message != "" {
			report(e.At, e.Key, message, refused)
		}
	}
	for _, k := range Keys {
		if known && k.Required && k.Of(c.Type()) && c.Text(k.Name) == "" {
			report(c.At, k.Name, "required key is missing", true)
		}
	}
}

// wrong says what is wrong with an entry, and whether schroot refuses it.
func (c Chroot) wrong(e Entry, typed bool) (message string, refused bool) {
	k, known := FindKey(e.Key)
	switch trimmed := strings.TrimSpace(e.Key); {
	case IsCustom(e.Key):
		return "", false
	case !known && trimmed != e.Key:
		return fmt.Sprintf("not a permitted name: write %s= without spaces before and behind it", trimmed), false
	case !known:
		return "not a permitted name; schroot ignores it", false
	case typed && !k.Of(c.Type()):
		return fmt.Sprintf("not a key of type %s; schroot ignores it", c.Type()), false
	case k.Ignored:
		return "obsolete key; it has no effect", false
	case e.Locale != "":
		return "", false
	}
	if k.Truth && !slices.Contains(truths, e.Value) {
		return fmt.Sprintf("could not parse value %q, want true or false", e.Value), false
	}
	if list := words[e.Key]; list != nil && !slices.Contains(list, e.Value) {
		return fmt.Sprintf("unknown value %q, want one of %s", e.Value, strings.Join(list, ", ")), true
	}
	if slices.Contains(paths, e.Key) && e.Value != "" && !strings.HasPrefix(e.Value, "/") {
		return fmt.Sprintf("%q must have an absolute path", e.Value), true
	}
	if e.Key == "environment-filter" {
		if _, err := regexp.CompilePOSIX(e.Value); err != nil {
			return "not a regular expression: " + err.Error(), true
		}
	}
	if e.Key == "aliases" {
		for _, alias := range Split(e.Value) {
			if !ValidName(alias) {
				return fmt.Sprintf("alias %q: invalid name", alias), true
			}
		}
	}
	return "", false
}
