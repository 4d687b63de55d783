package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"

	"github.com/spf13/pflag"
	"golang.org/x/sys/unix"

	"coppice.dev/cmd/internal/attach"
	"coppice.dev/controller/socket/wire"
	"coppice.dev/spec"
	"coppice.dev/status"
)

// insideOptions are the flags of what runs a command inside a session.
type insideOptions struct {
	input, terminal, noTerminal bool
	user, folder, shell         string
	preserve                    bool
	// heard is told of signals that are passed on.
	heard func(unix.Signal)
}

func (o *insideOptions) register(flags *pflag.FlagSet) {
	flags.BoolVarP(&o.input, "interactive", "i", false, "pass on what is typed also where the command has no terminal")
	flags.BoolVarP(&o.terminal, "tty", "t", false, "give the command a terminal, even if this is none")
	flags.BoolVarP(&o.noTerminal, "no-tty", "T", false, "give it none, even if this is one")
	flags.StringVarP(&o.user, "user", "u", "", "who to be inside, by name (default yourself, or the session's user)")
	flags.StringVarP(&o.folder, "directory", "d", "", "the folder to run it in, which must be there (default the same as here, else the home, else /)")
	flags.BoolVarP(&o.preserve, "preserve-env", "p", false, "keep the environment, but for what the chroot filters")
}

// want says whether the command is to have a terminal.
func (o *insideOptions) want() (attach.Want, error) {
	switch {
	case o.terminal && o.noTerminal:
		return 0, usagef("--tty and --no-tty exclude each other")
	case o.terminal:
		return attach.Always, nil
	case o.noTerminal:
		return attach.Never, nil
	}
	return attach.Auto, nil
}

// inside runs a command in a session with the caller's own files, and ends as it
// does. Without a command it is a login shell.
func (c *cli) inside(ctx context.Context, session string, o insideOptions, args []string) error {
	want, err := o.want()
	if err != nil {
		return err
	}
	roam()
	std := [3]*os.File{os.Stdin, os.Stdout, os.Stderr}
	ways := attach.Decide(attach.Kinds(std), want, o.input)
	if o.heard == nil {
		o.heard = func(unix.Signal) {}
	}
	passed := false
	exited, err := c.attach(ctx, session, o.request(args, ways), attach.Options{
		Std: std, Ways: ways,
		Heard: func(s unix.Signal) { passed = true; o.heard(s) },
		Note:  func(text string) { fmt.Fprintln(c.errOut, "coppice: note: "+text) },
	})
	ref := reference{nounOf(spec.KindSession), session}
	failed, _ := errors.AsType[*attach.FailedError](err)
	switch {
	case errors.Is(err, attach.ErrHangup):
		return &codeError{code: 128 + int(unix.SIGHUP)}
	case errors.Is(err, attach.ErrLost):
		return &codeError{128 + int(unix.SIGKILL), fmt.Errorf("in %s: %w", ref, c.explain(err))}
	case failed != nil && failed.Failed.NotFound:
		return &codeError{127, err}
	case failed != nil && failed.Failed.NotExecutable:
		return &codeError{126, err}
	case err != nil:
		return notRun(c.explainOf(err, ref))
	case exited.Signal != 0 && !passed:
		if file, err := c.peek(ref); err == nil && (file == nil || file.Status.Phase == status.Terminating) {
			return &codeError{exited.Code, fmt.Errorf("%s was ended, and the command with it", ref)}
		}
	}
	if exited.Code != 0 {
		return &codeError{code: exited.Code}
	}
	return nil
}

// roam lets the main goroutine run on any thread, which whoever waits for others does
// sooner. Package enter keeps it on one, for commands that enter namespaces.
func roam() { runtime.UnlockOSThread() }

// attach asks for a command and stays with it until it ends.
func (c *cli) attach(ctx context.Context, session string, request wire.Exec, o attach.Options) (*wire.Exited, error) {
	conn, err := c.daemon().Exec(ctx, session, request)
	if err != nil {
		return nil, err
	}
	exited, err := attach.Run(conn, o)
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		err = attach.ErrLost
	}
	return exited, err
}

// request is what is asked for. The environment is only sent where it is to be
// kept; but for TERM, which is about this terminal.
func (o *insideOptions) request(args []string, ways attach.Ways) wire.Exec {
	e := wire.Exec{
		Args: args, User: o.user, Folder: o.folder, Shell: o.shell, Preserve: o.preserve,
		TTY: ways.Numbers(attach.Terminal), Size: attach.Size([3]*os.File{os.Stdin, os.Stdout, os.Stderr}),
	}
	e.Terminal = len(e.TTY) > 0
	if o.preserve {
		e.Env = os.Environ()
	} else if term := os.Getenv("TERM"); term != "" {
		e.Env = []string{"TERM=" + term}
	}
	if here, err := os.Getwd(); err == nil && o.folder == "" {
		e.Here = here
	}
	return e
}

// notRun marks an error as one of coppice's own, not of the command.
func notRun(err error) error { return &codeError{exitNotRun, err} }
