package attach

import (
	"os"

	"golang.org/x/term"
)

// Want is what a caller wants of a terminal for the command.
type Want int

// What may be wanted.
const (
	// Auto makes a terminal exactly when standard input and output are terminals.
	Auto Want = iota
	Always
	Never
)

// Way is how a command gets one of its standard files.
type Way int

// The ways.
const (
	// Direct hands on the caller's own file: nothing is copied.
	Direct Way = iota
	// Terminal is one of the session's own, copied from and to the caller's.
	Terminal
	// Copied is a pipe: the caller's terminal itself never enters a session, where
	// anybody could put words into its mouth (TIOCSTI).
	Copied
	// Nothing is /dev/null.
	Nothing
)

// Ways are those of standard input, output and error.
type Ways [3]Way

// Decide says how the standard files are handed on, given which are terminals.
// input asks for what is typed also where the command gets no terminal: without
// being asked for it, reading it would take it from others, such as the pager
// that the output goes to.
func Decide(terminals [3]bool, want Want, input bool) Ways {
	var ways Ways
	if want == Always || want == Auto && terminals[0] && terminals[1] {
		ways[0], ways[1] = Terminal, Terminal
		if terminals[2] {
			ways[2] = Terminal
		}
		return ways
	}
	for i, is := range terminals {
		switch {
		case is && i == 0 && !input:
			ways[i] = Nothing
		case is:
			ways[i] = Copied
		}
	}
	return ways
}

// Terminals tells which files are terminals.
func Terminals(std [3]*os.File) [3]bool {
	var are [3]bool
	for i, file := range std {
		are[i] = isTerminal(file)
	}
	return are
}

func isTerminal(file *os.File) bool { return term.IsTerminal(int(file.Fd())) }

// Numbers returns the standard files that are handed on in one way.
func (w Ways) Numbers(way Way) []int {
	var list []int
	for i, one := range w {
		if one == way {
			list = append(list, i)
		}
	}
	return list
}
