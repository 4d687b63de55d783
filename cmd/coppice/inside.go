package main

import (
	"context"
	"errors"
	"fmt"
	"runtime"

	"github.com/spf13/pflag"
	"golang.org/x/sys/unix"

	"coppice.dev/cmd/coppice/internal/early"
	"coppice.dev/cmd/internal/attach"
	"coppice.dev/cmd/internal/client"
	"coppice.dev/controller/socket/wire"
	"coppice.dev/spec"
	"coppice.dev/status"
)

// insideOptions are the flags of what runs a command inside a session.
type insideOptions struct {
	early.Options
	// heard is told of signals that are passed on.
	heard func(unix.Signal)
}

func (o *insideOptions) register(flags *pflag.FlagSet) {
	for _, f := range o.Flags() {
		if f.Bool != nil {
			flags.BoolVarP(f.Bool, f.Name, f.Short, false, f.Usage)
		} else {
			flags.StringVarP(f.Text, f.Name, f.Short, "", f.Usage)
		}
	}
}

// want says whether the command is to have a terminal.
func (o *insideOptions) want() (attach.Want, error) {
	want, ok := o.Want()
	if !ok {
		return 0, usagef("--tty and --no-tty exclude each other")
	}
	return want, nil
}

// inside runs a command in a session with the caller's own files, and ends as it
// does. Without a command it is a login shell.
func (c *cli) inside(ctx context.Context, session string, o insideOptions, args []string) error {
	want, err := o.want()
	if err != nil {
		return err
	}
	ran := early.Ran()
	if ran == nil {
		ran = c.join(ctx, session, o, want, args)
	}
	exited, passed, err := ran.Exited, ran.Passed, client.Refusal(ran.Err)
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

// join asks for a command with the caller's own files, and stays with it until it ends.
func (c *cli) join(ctx context.Context, session string, o insideOptions, want attach.Want, args []string) *early.Result {
	roam()
	std, ran := early.Std(), new(early.Result)
	ways := attach.Decide(attach.Kinds(std), want, o.Input)
	heard := func(s unix.Signal) {
		ran.Passed = true
		if o.heard != nil {
			o.heard(s)
		}
	}
	ran.Exited, ran.Err = c.attach(ctx, session, o.Request(args, ways), attach.Options{Std: std, Ways: ways, Heard: heard, Note: early.Note})
	return ran
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
	return attach.Run(conn, o)
}

// notRun marks an error as one of coppice's own, not of the command.
func notRun(err error) error { return &codeError{exitNotRun, err} }
