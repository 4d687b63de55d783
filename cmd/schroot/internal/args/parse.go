package args

import (
	"fmt"
	"slices"
	"strings"

	"coppice.dev/cmd/schroot/internal/names"
)

// Usage is what is said with a command line that makes no sense.
const Usage = "Run “schroot --help” to list usage example and all available options"

// parser reads words.
type parser struct {
	words []string
	given []option
	out   Options
}

// Parse reads a command line without the program's name. The error is *Error.
func Parse(words []string) (Options, error) {
	p := &parser{words: words}
	for len(p.words) > 0 {
		word := p.words[0]
		p.words = p.words[1:]
		var err error
		switch {
		case word == "--":
			p.out.Command = append(p.out.Command, p.words...)
			p.words = nil
		case strings.HasPrefix(word, "--"):
			err = p.long(word)
		case strings.HasPrefix(word, "-") && word != "-":
			err = p.short(word)
		default:
			p.out.Command = append(p.out.Command, word)
		}
		if err != nil {
			return Options{}, err
		}
	}
	if err := p.check(); err != nil {
		return Options{}, err
	}
	return p.out, nil
}

func refuse(format string, args ...any) error {
	return &Error{Message{Text: fmt.Sprintf(format, args...)}}
}

// senseless refuses what can be read and makes no sense.
func senseless(text string) error { return &Error{Message{text, Usage}} }

// long reads "--name", "--name=value" or "--name value".
func (p *parser) long(word string) error {
	name, value, attached := strings.Cut(word[2:], "=")
	o, err := find(name, word)
	switch {
	case err != nil:
		return err
	case attached && value == "":
		return refuse("the argument for option '--%s' should follow immediately after the equal sign", o.name)
	case attached && !o.takes:
		return refuse("option '--%s' does not take any arguments", o.name)
	case attached:
		return p.give(o, value)
	}
	return p.take(o)
}

// find finds the option that is meant.
func find(name, word string) (option, error) {
	var near []option
	for _, o := range known {
		if o.name == name {
			return o, nil
		}
		if name != "" && strings.HasPrefix(o.name, name) && !o.exact {
			near = append(near, o)
		}
	}
	switch len(near) {
	case 0:
		return option{}, refuse("unrecognised option '%s'", word)
	case 1:
		return near[0], nil
	}
	var list strings.Builder
	for i, o := range near {
		if i > 0 {
			list.WriteString(", ")
		}
		if i == len(near)-1 {
			list.WriteString("and ")
		}
		fmt.Fprintf(&list, "'--%s'", o.name)
	}
	return option{}, refuse("option '--%s' is ambiguous and matches %s", name, list.String())
}

// short reads "-q", "-qp", "-cNAME" or "-c NAME".
func (p *parser) short(word string) error {
	for rest := word[1:]; rest != ""; rest = rest[1:] {
		at := slices.IndexFunc(known, func(o option) bool { return o.short == rest[0] })
		if at < 0 {
			return refuse("unrecognised option '%s'", word)
		}
		o := known[at]
		if o.takes && len(rest) > 1 {
			return p.give(o, rest[1:])
		}
		if err := p.take(o); err != nil {
			return err
		}
	}
	return nil
}

// take gives an option the next word, if it takes one. One that is a short option
// is no value.
func (p *parser) take(o option) error {
	if !o.takes {
		return p.give(o, "")
	}
	missing := len(p.words) == 0
	if !missing {
		next := p.words[0]
		missing = len(next) == 2 && next[0] == '-' && slices.ContainsFunc(known, func(o option) bool { return o.short == next[1] })
	}
	if missing {
		return refuse("the required argument for option '--%s' is missing", o.name)
	}
	value := p.words[0]
	p.words = p.words[1:]
	return p.give(o, value)
}

func (p *parser) give(o option, value string) error {
	if !o.again && slices.ContainsFunc(p.given, func(g option) bool { return g.name == o.name }) {
		return refuse("option '--%s' cannot be specified more than once", o.name)
	}
	if o.name == "debug" && !slices.Contains([]string{"none", "notice", "info", "warning", "critical"}, value) {
		return senseless("Invalid debug level")
	}
	p.given = append(p.given, o)
	o.apply(&p.out, value)
	return nil
}

// check refuses what makes no sense, and settles what goes before what.
func (p *parser) check() error {
	o := &p.out
	chosen := 0
	for _, g := range p.given {
		if actions[g.name] {
			chosen++
		}
	}
	if chosen > 1 {
		return senseless("Only one action may be specified")
	}
	if o.Quiet && o.Verbose {
		o.Warnings = append(o.Warnings, Message{"--quiet and --verbose may not be used at the same time", "Using verbose output"})
		o.Quiet = false
	}
	if len(o.Chroots) > 0 && (o.AllChroots || o.AllSources || o.AllSessions) {
		o.Warnings = append(o.Warnings, Message{"--chroot and --all may not be used at the same time", "Using --chroots only"})
		o.AllChroots, o.AllSources, o.AllSessions = false, false, false
	}
	const misplaced = "--session-name is not permitted for the specified action"
	switch {
	case o.Action == Begin && len(o.Chroots) != 1:
		return senseless("Exactly one chroot must be specified when beginning a session")
	case o.Name == "":
	case o.Action == Begin && !names.Valid(o.Name):
		return senseless("Invalid session name")
	case o.Action == Begin:
	case o.Action.OfSessions():
		return senseless(misplaced + "; did you mean to use --chroot?")
	default:
		return senseless(misplaced)
	}
	if len(o.Command) > 0 && o.Command[0] == "" { // it has no name, and is a login shell's then
		o.Command = nil
	}
	return nil
}

// pair reads key=value.
func pair(text string) Pair {
	key, value, _ := strings.Cut(text, "=")
	return Pair{key, value}
}
