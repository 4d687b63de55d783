package docs

import (
	"fmt"
	"strings"
)

// Check compares what the script has said with what the document says, and returns
// a problem for each block that said something else.
func Check(blocks []Block, output string) []error {
	said := Said(output)
	var problems []error
	for i, b := range blocks {
		if b.Language != "output" {
			continue
		}
		if i == 0 || blocks[i-1].Language != "sh" {
			problems = append(problems, fmt.Errorf("%s: there are no commands before it whose output it could be", b.Where()))
			continue
		}
		if got := said[blocks[i-1].Where()]; !alike(b.Text, got) {
			problems = append(problems, fmt.Errorf("%s: the commands before it say something else:\n%s", b.Where(), got))
		}
	}
	return problems
}

// alike reports whether the output is what is wanted, where "..." stands for
// anything; a line of only that stands for any number of lines.
func alike(want, got string) bool {
	return lines(trimmed(want), trimmed(got))
}

func trimmed(text string) []string {
	list := strings.Split(strings.TrimRight(text, " \n"), "\n")
	for i := range list {
		list[i] = strings.TrimRight(list[i], " ")
	}
	return list
}

func lines(want, got []string) bool {
	for len(want) > 0 {
		if want[0] == "..." {
			for skip := range len(got) + 1 {
				if lines(want[1:], got[skip:]) {
					return true
				}
			}
			return false
		}
		if len(got) == 0 || !matches(want[0], got[0]) {
			return false
		}
		want, got = want[1:], got[1:]
	}
	return len(got) == 0
}

// matches compares one line.
func matches(want, got string) bool {
	parts := strings.Split(want, "...")
	if len(parts) == 1 {
		return want == got
	}
	last := len(parts) - 1
	if !strings.HasPrefix(got, parts[0]) {
		return false
	}
	got = got[len(parts[0]):]
	for _, part := range parts[1:last] {
		_, after, found := strings.Cut(got, part)
		if !found {
			return false
		}
		got = after
	}
	return strings.HasSuffix(got, parts[last])
}
