package attach

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
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
	// anybody could put words into its mouth (TIOCSTI). What is written for the journal
	// is the caller's own word, too.
	Copied
	// Nothing is /dev/null.
	Nothing
)

// Ways are those of standard input, output and error.
type Ways [3]Way

// Kind is what one of the caller's standard files is, as far as it matters here.
type Kind int

// The kinds.
const (
	// Plain is a file, a pipe, a socket: whatever needs no care.
	Plain Kind = iota
	// TTY is a terminal.
	TTY
	// Journal is a stream of systemd's journal.
	Journal
)

// Decide says how the standard files are handed on, given what they are. input asks
// for what is typed also where the command gets no terminal: without being asked for
// it, reading it would take it from others, such as the pager that the output goes to.
//
// What the journal is told belongs to the service in whose cgroup the writer is, and the
// command is in its session's. So the caller writes it.
func Decide(kinds [3]Kind, want Want, input bool) Ways {
	var ways Ways
	own := want == Always || want == Auto && kinds[0] == TTY && kinds[1] == TTY
	for i, kind := range kinds {
		switch {
		case own && (i < 2 || kind == TTY):
			ways[i] = Terminal
		case kind == TTY && i == 0 && !input:
			ways[i] = Nothing
		case kind == TTY, kind == Journal && i > 0:
			ways[i] = Copied
		}
	}
	return ways
}

// streamVariable is how systemd tells a service which stream of the journal it was given:
// its device and inode (systemd.exec(5)). The service may have another output since.
const streamVariable = "JOURNAL_STREAM"

// Kinds tells what the files are.
func Kinds(std [3]*os.File) [3]Kind {
	stream := os.Getenv(streamVariable)
	var are [3]Kind
	for i, file := range std {
		switch {
		case isTerminal(file):
			are[i] = TTY
		case stream != "" && isFile(file, stream):
			are[i] = Journal
		}
	}
	return are
}

// isFile reports whether a file is the one with this device and inode.
func isFile(file *os.File, number string) bool {
	var stat unix.Stat_t
	return unix.Fstat(int(file.Fd()), &stat) == nil && number == fmt.Sprintf("%d:%d", stat.Dev, stat.Ino)
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
