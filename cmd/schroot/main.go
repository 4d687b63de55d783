// Command schroot is the command of that name, version 1.6.13, over Coppice's
// daemon, for programs that call it: sbuild, autopkgtest, piuparts and many
// scripts. Options, output and exit codes are schroot's (packages args and view);
// docs/schroot.md tells what is different and why.
//
// It has no rights of its own: the daemon knows who asks, and decides. A session
// that it begins is one of Coppice's, which the host sees with its mounts, and any
// of Coppice's sessions can be used by it.
package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"syscall"

	"coppice.dev/cmd/internal/client"
	"coppice.dev/cmd/schroot/internal/args"
	"coppice.dev/controller/socket/wire"
)

// exitFailure is the exit code of whatever is not the command's own.
const exitFailure = 1

func main() { os.Exit(run(os.Args[1:])) }

// front is one call of schroot.
type front struct {
	args.Options
	runDir      string
	client      *client.Client
	out, errOut io.Writer
}

func run(words []string) int {
	f := &front{runDir: cmp.Or(os.Getenv("COPPICE_RUN_DIR"), "/run/coppice"), out: os.Stdout, errOut: os.Stderr}
	f.client = client.New(f.runDir)
	// What the caller ignores, as under nohup(1), stays ignored.
	ends := slices.DeleteFunc([]os.Signal{os.Interrupt, syscall.SIGTERM, syscall.SIGHUP}, signal.Ignored)
	ctx, stop := signal.NotifyContext(context.Background(), ends...)
	defer stop()
	var err error
	if f.Options, err = args.Parse(words); err == nil {
		err = f.act(ctx)
	}
	return f.exitCode(err)
}

// act does what is asked for.
func (f *front) act(ctx context.Context) error {
	for _, w := range f.Warnings {
		f.say("W", w)
	}
	switch f.Action {
	case args.Help:
		_, err := io.WriteString(f.out, help)
		return err
	case args.Version:
		return f.version()
	case args.List, args.Info, args.Config, args.Location:
		return f.look(ctx)
	case args.Begin:
		return f.beginOne(ctx)
	case args.Run, args.Recover, args.End:
		return f.onSessions(ctx)
	}
	return f.automatic(ctx)
}

// say tells a person something: E is an error, W a warning, I is for information.
func (f *front) say(letter string, m args.Message) {
	fmt.Fprintf(f.errOut, "%s: %s\n", letter, m.Text)
	if m.More != "" {
		fmt.Fprintf(f.errOut, "I: %s\n", m.More)
	}
}

// failure is an error in schroot's words.
type failure struct{ args.Message }

func (e *failure) Error() string { return e.Text }

func fail(format string, a ...any) error {
	return &failure{args.Message{Text: fmt.Sprintf(format, a...)}}
}

// codeError is the exit code of the command that ran.
type codeError int

func (e codeError) Error() string { return fmt.Sprintf("exit code %d", int(e)) }

// exitCode says what went wrong, and returns the code to end with.
func (f *front) exitCode(err error) int {
	if err == nil {
		return 0
	}
	if code, is := errors.AsType[codeError](err); is {
		return int(code)
	}
	f.say("E", f.words(err))
	return exitFailure
}

// words puts an error into schroot's.
func (f *front) words(err error) args.Message {
	if e, is := errors.AsType[*args.Error](err); is {
		return e.Message
	}
	if e, is := errors.AsType[*failure](err); is {
		return e.Message
	}
	refusal, is := errors.AsType[*wire.Error](err)
	switch {
	case is && refusal.Reason == "Forbidden":
		// The first line is what scripts know, the second what helps.
		return args.Message{Text: "Access not authorised", More: refusal.Message}
	case is:
		return args.Message{Text: refusal.Message}
	case errors.Is(err, client.ErrAbsent):
		return args.Message{
			Text: "coppiced does not answer on " + f.client.Socket(),
			More: "Start it with “systemctl start coppiced”, or set COPPICE_RUN_DIR to its run-time folder",
		}
	case errors.Is(err, context.Canceled):
		return args.Message{Text: "Interrupted"}
	}
	return args.Message{Text: err.Error()}
}
