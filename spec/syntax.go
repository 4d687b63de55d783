package spec

import (
	"strconv"
	"strings"
)

var (
	yamlLine      = pattern(`^yaml: (?:line (\d+): )?`)
	unknownAnchor = pattern(`^unknown anchor '(.*)' referenced$`)
)

// advice goes with what the library says, by what that contains.
var advice = []struct{ about, hint string }{
	{"mapping values are not allowed", `look at the indentation, and put a value that holds ": " in quotes`},
	{"did not find expected key", "the lines of the mapping that begins here are not indented alike, or a quote is missing"},
	{"did not find expected '-' indicator", "each entry of the list that begins here needs a dash, in the same column"},
	{"could not find expected ':'", "a colon and a space are missing after a field's name"},
	{"did not find expected ',' or '}'", "the brace is not closed, or a comma is missing"},
	{"did not find expected ',' or ']'", "the bracket is not closed, or a comma is missing"},
	{"did not find expected node content", "something is missing, or a bracket is not closed"},
	{"found unexpected end of stream", "a quote is not closed"},
	{"found unknown escape character", "put it in single quotes"},
}

// syntaxError puts the library's words into a problem, with the line in the file.
func syntaxError(c chunk, err error) Problem {
	message := err.Error()
	line := 1
	if m := yamlLine().FindStringSubmatch(message); m != nil {
		message = message[len(m[0]):]
		if n, err := strconv.Atoi(m[1]); err == nil {
			line = n
			if strings.HasPrefix(message, "did not find expected") {
				line++ // its parser counts from 0, its scanner from 1
			}
		}
	}
	all := strings.Split(strings.TrimRight(c.text, "\r\n"), "\n")
	switch m := unknownAnchor().FindStringSubmatch(message); {
	case m != nil:
		line = lineOf(all, func(l string) bool { return strings.Contains(l, "*"+m[1]) })
	case strings.Contains(message, "control characters"):
		line = lineOf(all, func(l string) bool { return strings.ContainsFunc(l, control) })
	}
	line = max(1, min(line, len(all)))
	p := Problem{Line: c.line + line - 1, Message: "no YAML: " + oneLine(message)}
	if hint := hint(message, all[line-1]); hint != "" {
		p.Message += "; " + hint
	}
	return p
}

func hint(message, line string) string {
	if strings.Contains(message, "cannot start any token") {
		if indentation := line[:len(line)-len(strings.TrimLeft(line, " \t-"))]; strings.Contains(indentation, "\t") {
			return "indent with spaces, not tabs"
		}
		return "put the value in quotes"
	}
	for _, a := range advice {
		if strings.Contains(message, a.about) {
			return a.hint
		}
	}
	return ""
}

// control tells what the library takes for a control character.
func control(r rune) bool {
	return r < ' ' && r != '\t' && r != '\r' || r == 0x7f || r > 0x7f && r < 0xa0 && r != 0x85 || r == 0xfffe || r == 0xffff
}

// lineOf returns the number of the first line that matches, from 1; or 1.
func lineOf(all []string, match func(string) bool) int {
	for i, l := range all {
		if match(l) {
			return i + 1
		}
	}
	return 1
}
