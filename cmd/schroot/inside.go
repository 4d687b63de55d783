package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/sys/unix"

	"coppice.dev/cmd/internal/attach"
	"coppice.dev/cmd/schroot/internal/args"
	"coppice.dev/controller/socket/wire"
	"coppice.dev/spec"
	"coppice.dev/status"
)

// noFolder is what schroot advises where a folder is not there.
const noFolder = "The directory does not exist inside the chroot.  Use the --directory option to run the command in a different directory."

// inside runs the command in a session, with this process's own files. The error
// is the command's exit code, or why there is none.
func (f *front) inside(ctx context.Context, s selected) error {
	std := [3]*os.File{os.Stdin, os.Stdout, os.Stderr}
	ways := attach.Decide(attach.Kinds(std), attach.Auto, true)
	request, err := f.request(s, ways)
	if err != nil {
		return err
	}
	if (f.Verbose || !f.Quiet && s.Verbosity() == "verbose") && len(f.Command) > 0 {
		f.say("I", args.Message{Text: fmt.Sprintf("[%s chroot] Running command: “%s”", s.Name.Name, strings.Join(f.Command, " "))})
	}
	conn, err := f.client.Exec(ctx, s.label, request)
	if refusal, is := errors.AsType[*wire.Error](err); is && refusal.Reason == "NotFound" && f.User != "" && strings.Contains(refusal.Message, "user") {
		return fail("User ‘%s’ not found", f.User)
	}
	if err != nil {
		return err
	}
	exited, err := attach.Run(conn, attach.Options{Std: std, Ways: ways, Started: func(started wire.Started) { f.fellBack(request, started) }})
	failed, _ := errors.AsType[*attach.FailedError](err)
	switch {
	case failed != nil:
		return f.notRun(s, failed.Failed)
	case errors.Is(err, attach.ErrHangup):
		return codeError(exitFailure) // there is nobody to be told
	case errors.Is(err, attach.ErrLost), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return fail("The connection to the command was lost")
	case err != nil:
		return err
	case exited.Signal != 0:
		return &failure{args.Message{
			Text: fmt.Sprintf("Child terminated by signal ‘%s’", capital(unix.Signal(exited.Signal).String())), More: f.endedUnder(s),
		}}
	case exited.Code != 0:
		return codeError(exited.Code)
	}
	return nil
}

// request is what the daemon is asked to run. Of the environment it is told what
// is to be kept; the rest it makes.
func (f *front) request(s selected, ways attach.Ways) (wire.Exec, error) {
	e := wire.Exec{
		Args: f.Command, User: f.User, Shell: f.Shell, Network: f.Network, Preserve: true, Env: f.environment(s),
		TTY: ways.Numbers(attach.Terminal), Size: attach.Size([3]*os.File{os.Stdin, os.Stdout, os.Stderr}),
	}
	e.Terminal = len(e.TTY) > 0
	if len(f.Command) > 0 {
		e.Shell = ""
	}
	// A command runs where it was asked to and nowhere else; a login shell runs
	// where it can.
	here, err := os.Getwd()
	switch {
	case f.Directory != "":
		e.Folder = f.Directory
	case err != nil && len(f.Command) > 0:
		return e, fail("Failed to get current directory: %v", err)
	case len(f.Command) > 0:
		e.Folder = here
	default:
		e.Here = here
	}
	return e, nil
}

// fellBack warns that a login shell runs elsewhere.
func (f *front) fellBack(request wire.Exec, started wire.Started) {
	if request.Here == "" || started.Folder == "" || started.Folder == request.Here {
		return
	}
	f.say("W", args.Message{Text: fmt.Sprintf("Failed to change to directory ‘%s’: No such file or directory", request.Here), More: noFolder})
	f.say("W", args.Message{Text: fmt.Sprintf("Falling back to directory ‘%s’", started.Folder)})
}

// notRun says why there is no command.
func (f *front) notRun(s selected, failed wire.Failed) error {
	name := f.Shell
	if len(s.Prefix) > 0 {
		name = s.Prefix[0]
	} else if len(f.Command) > 0 {
		name = f.Command[0]
	}
	switch {
	case failed.Folder != "":
		return &failure{args.Message{Text: fmt.Sprintf("Failed to change to directory ‘%s’: %s", failed.Folder, capital(failed.Cause)), More: noFolder}}
	case name != "" && failed.NotFound:
		return fail("Failed to execute “%s”: No such file or directory", name)
	case name != "" && failed.Cause != "":
		return fail("Failed to execute “%s”: %s", name, capital(failed.Cause))
	}
	return fail("%s", failed.Message)
}

// endedUnder says that a command was ended since its session was; "" if it was not.
func (f *front) endedUnder(s selected) string {
	file, err := f.client.Get(context.Background(), "sessions", s.label)
	refusal, is := errors.AsType[*wire.Error](err)
	if is && refusal.Reason == "NotFound" || err == nil && file.Status.Phase == status.Terminating {
		return fmt.Sprintf("%s %s was ended, and the command with it", spec.KindSession, s.Name.Name)
	}
	return ""
}

// capital begins a text with a capital letter, as the C library does its own.
func capital(text string) string {
	first, size := utf8.DecodeRuneInString(text)
	return string(unicode.ToUpper(first)) + text[size:]
}
