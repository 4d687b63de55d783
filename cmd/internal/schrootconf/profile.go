package schrootconf

import (
	"fmt"
	"strings"
)

// Line is a line of one of a profile's files: an entry of copyfiles (what, and
// where to if that is elsewhere) or of nssdatabases.
type Line struct {
	Text, To string
	At       Position
}

// Mount is a line of a profile's fstab, as in fstab(5).
type Mount struct {
	Source, Target, Type string
	Options              []string
	At                   Position
}

// ParseFstab reads a file in the format of fstab(5).
func ParseFstab(file string, text []byte) ([]Mount, []Problem) {
	var mounts []Mount
	var problems []Problem
	for at, line := range content(file, text) {
		fields := strings.Fields(line)
		if len(fields) < 3 {
			problems = append(problems, Problem{At: at, Message: fmt.Sprintf("%q: want a source, a mount point, a type and options", line), Refused: true})
			continue
		}
		m := Mount{Source: unescape(fields[0]), Target: unescape(fields[1]), Type: fields[2], At: at}
		if len(fields) > 3 {
			m.Options = Split(unescape(fields[3]))
		}
		mounts = append(mounts, m)
	}
	return mounts, problems
}

// ParseLines reads a file with an entry a line: copyfiles, or nssdatabases.
func ParseLines(file string, text []byte) []Line {
	var lines []Line
	for at, line := range content(file, text) {
		what, to, _ := strings.Cut(strings.ReplaceAll(line, "\t", " "), " ")
		lines = append(lines, Line{what, strings.TrimSpace(to), at})
	}
	return lines
}

// content yields the lines that are neither empty nor comments, trimmed.
func content(file string, text []byte) func(func(Position, string) bool) {
	return func(yield func(Position, string) bool) {
		at := Position{File: file}
		for line := range strings.Lines(string(text)) {
			at.Line++
			line = strings.TrimSpace(line)
			if line != "" && line[0] != '#' && !yield(at, line) {
				return
			}
		}
	}
}

// unescape reads what getmntent(3) has other signs for.
var unescape = strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`).Replace

// Profile is what a chroot's sessions get on top, as the files say that its keys
// name.
type Profile struct {
	// Config is a file of shell code that schroot's own scripts read, if there is
	// any code in it.
	Config    string
	Mounts    []Mount
	Copied    []Line
	Databases []Line
	Problems  []Problem
}
