// Command coppice is how people look at sessions, ask for them and use them.
//
// It talks to the controller through files alone: manifests are dropped into
// its folder, statuses are read from it. Nothing here makes or unmakes a
// session itself.
package main

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"coppice.dev/cmd/coppice/internal/early"
	"coppice.dev/reconcile/fault"
)

// The exit codes. For exec and run the code is the command's where it ran.
const (
	exitOK      = 0
	exitFailure = 1
	exitUsage   = 2
	// exitNotRun says that exec or run could not get as far as the command.
	exitNotRun = 125
	// exitInterrupted says that Ctrl-C ended a wait: 128 and the signal's number.
	exitInterrupted = 130
)

func main() { os.Exit(run(os.Args[1:])) }

func run(args []string) int {
	c := &cli{in: os.Stdin, out: os.Stdout, errOut: os.Stderr}
	root := newRoot(c)
	root.SetArgs(args)
	root.SetIn(c.in)
	root.SetOut(c.out)
	root.SetErr(c.errOut)
	return c.exitCode(root.ExecuteContext(early.Signals()))
}

// codeError ends coppice with a code of its own; without a cause nothing more
// is said.
type codeError struct {
	code  int
	cause error
}

func (e *codeError) Error() string {
	if e.cause == nil {
		return fmt.Sprintf("exit code %d", e.code)
	}
	return e.cause.Error()
}

func (e *codeError) Unwrap() error { return e.cause }

// usagef returns an error about how coppice was called.
func usagef(format string, args ...any) error {
	return &codeError{exitUsage, fmt.Errorf(format, args...)}
}

// exitCode says what went wrong, and returns the code to end with.
func (c *cli) exitCode(err error) int {
	if err == nil {
		return exitOK
	}
	coded, is := errors.AsType[*codeError](err)
	if is && coded.cause == nil {
		return coded.code
	}
	fmt.Fprintln(c.errOut, "coppice: "+strings.TrimSpace(fault.Known(err).Error()))
	switch {
	case is:
		return coded.code
	case !c.began:
		return exitUsage
	}
	return exitFailure
}
