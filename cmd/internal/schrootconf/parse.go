package schrootconf

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// Parse reads the text of a file in the format of schroot.conf. It returns the
// chroots that can be told apart, also those that something is wrong with.
func Parse(file string, text []byte) ([]Chroot, []Problem) {
	p := parser{file: file}
	if !utf8.Valid(text) {
		p.report("", "", "it is not UTF-8: convert it, for example with iconv -t UTF-8")
	}
	for line := range strings.Lines(string(text)) {
		p.line++
		p.read(strings.TrimSuffix(line, "\n"))
	}
	for _, c := range p.chroots {
		p.check(c)
	}
	slices.SortStableFunc(p.problems, func(a, b Problem) int { return a.At.Line - b.At.Line })
	return p.chroots, p.problems
}

type parser struct {
	file     string
	line     int
	chroots  []Chroot
	skipping bool // a section whose name is there already
	problems []Problem
}

func (p *parser) here() Position { return Position{p.file, p.line} }

// report adds a mistake that schroot refuses everything for.
func (p *parser) report(chroot, key, message string) {
	p.problems = append(p.problems, Problem{p.here(), chroot, key, message, true})
}

// read takes one line. Only a line that begins with # is a comment: behind a
// value the sign is part of it, whatever the manual says.
func (p *parser) read(line string) {
	trimmed := strings.TrimRight(line, "\r")
	switch {
	case trimmed == "" || trimmed[0] == '#':
		return
	case strings.TrimSpace(trimmed) == "":
		p.report("", "", "invalid line: it holds spaces only; schroot takes an empty line, and no such")
		return
	case trimmed != line:
		p.report("", "", "the line ends as on Windows; schroot takes the sign for a part of the value: remove it, for example with dos2unix")
	}
	if trimmed[0] == '[' {
		p.section(trimmed)
		return
	}
	p.entry(trimmed)
}

func (p *parser) section(line string) {
	name, _, closed := strings.Cut(line[1:], "]")
	p.skipping = !closed
	if !closed {
		p.report("", "", fmt.Sprintf("invalid group %q: there is no ] at its end", line))
		return
	}
	if i := slices.IndexFunc(p.chroots, func(c Chroot) bool { return c.Name == name }); i >= 0 {
		p.report(name, "", fmt.Sprintf("duplicate group; the first is in line %d", p.chroots[i].At.Line))
		p.skipping = true
		return
	}
	p.chroots = append(p.chroots, Chroot{Name: name, At: p.here()})
}

func (p *parser) entry(line string) {
	key, value, is := strings.Cut(line, "=")
	switch {
	case !is:
		p.report("", "", fmt.Sprintf("invalid line %q: want key=value", line))
		return
	case key == "":
		p.report("", "", fmt.Sprintf("no key specified in %q", line))
		return
	case len(p.chroots) == 0:
		p.report("", key, "no group specified: it comes before the first [name]")
		return
	case p.skipping:
		return
	}
	e := Entry{Key: key, Value: value, At: p.here()}
	if name, locale, is := strings.Cut(strings.TrimSuffix(key, "]"), "["); is && strings.HasSuffix(key, "]") {
		e.Key, e.Locale = name, locale
	}
	c := &p.chroots[len(p.chroots)-1]
	if i := slices.IndexFunc(c.Entries, func(o Entry) bool { return o.Key == e.Key && o.Locale == e.Locale }); i >= 0 {
		p.report(c.Name, key, fmt.Sprintf("duplicate key; the first is in line %d", c.Entries[i].At.Line))
		return
	}
	c.Entries = append(c.Entries, e)
}
