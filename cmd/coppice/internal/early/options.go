package early

import (
	"cmp"
	"os"

	"coppice.dev/cmd/internal/attach"
	"coppice.dev/controller/socket/wire/frame"
)

// Where the controller is that is asked.
const (
	// RunDirFlag is the flag that names its run-time folder, RunDirVariable the variable.
	RunDirFlag     = "run-dir"
	RunDirVariable = "COPPICE_RUN_DIR"
	// DefaultRunDir is where the controller of the machine keeps its statuses.
	DefaultRunDir = "/run/coppice"
)

// RunDir is the run-time folder if no flag names one.
func RunDir() string { return cmp.Or(os.Getenv(RunDirVariable), DefaultRunDir) }

// Options are the flags of what runs a command inside a session.
type Options struct {
	Input, Terminal, NoTerminal bool
	User, Folder, Shell         string
	Preserve                    bool
}

// Flag is one flag; Bool or Text is where its value goes.
type Flag struct {
	Name, Short, Usage string
	Bool               *bool
	Text               *string
}

// Flags are those of o.
func (o *Options) Flags() []Flag {
	return []Flag{
		{"interactive", "i", "pass on what is typed also where the command has no terminal", &o.Input, nil},
		{"tty", "t", "give the command a terminal, even if this is none", &o.Terminal, nil},
		{"no-tty", "T", "give it none, even if this is one", &o.NoTerminal, nil},
		{"user", "u", "who to be inside, by name (default yourself, or the session's user)", nil, &o.User},
		{"directory", "d", "the folder to run it in, which must be there (default the same as here, else the home, else /)", nil, &o.Folder},
		{"preserve-env", "p", "keep the environment, but for what the chroot filters", &o.Preserve, nil},
	}
}

// Want says whether the command is to have a terminal; ok is false if what was said
// makes no sense.
func (o *Options) Want() (want attach.Want, ok bool) {
	switch {
	case o.Terminal && o.NoTerminal:
		return 0, false
	case o.Terminal:
		return attach.Always, true
	case o.NoTerminal:
		return attach.Never, true
	}
	return attach.Auto, true
}

// Request is what is asked for. The environment is only sent where it is to be
// kept; but for TERM, which is about this terminal.
func (o *Options) Request(args []string, ways attach.Ways) frame.Exec {
	e := frame.Exec{
		Args: args, User: o.User, Folder: o.Folder, Shell: o.Shell, Preserve: o.Preserve,
		TTY: ways.Numbers(attach.Terminal), Size: attach.Size(Std()),
	}
	e.Terminal = len(e.TTY) > 0
	if o.Preserve {
		e.Env = os.Environ()
	} else if term := os.Getenv("TERM"); term != "" {
		e.Env = []string{"TERM=" + term}
	}
	if here, err := os.Getwd(); err == nil && o.Folder == "" {
		e.Here = here
	}
	return e
}

// Std are this process's standard files.
func Std() [3]*os.File { return [3]*os.File{os.Stdin, os.Stdout, os.Stderr} }
