package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"coppice.dev/cmd/internal/presence"
	"coppice.dev/reconcile/compile"
	"coppice.dev/reconcile/kernel/enter"
	"coppice.dev/reconcile/layout"
	"coppice.dev/reconcile/object"
	"coppice.dev/spec"
	"coppice.dev/status"
)

func newExec(c *cli) *cobra.Command {
	return &cobra.Command{
		Use:   "exec SESSION [-- COMMAND...]",
		Short: "Run a command inside a session; a shell if none is given",
		Long: `Run a command inside a session, as root; a shell if none is given.

The environment inside is made anew; the working folder is the same path as
outside if there is one inside, else root's home, else /. The exit code is the
command's, 128 and the signal's number if a signal ended it, 127 if there is no
such command inside, 126 if it cannot be run, and 125 if coppice could not get
that far.`,
		Example: `  coppice exec build-1 -- cat /etc/os-release
  coppice exec build-1`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 || cmd.ArgsLenAtDash() == 0 {
				return usagef("in which session? Try %s SESSION -- COMMAND", cmd.CommandPath())
			}
			return nil
		},
		ValidArgsFunction: c.completeFirst(spec.KindSession),
		RunE: func(_ *cobra.Command, args []string) error {
			return c.exec(sessionReference(args[0]), args[1:])
		},
	}
}

// exec becomes the command; it returns only if that fails.
func (c *cli) exec(ref reference, args []string) error {
	if os.Geteuid() != 0 {
		return notRun(errors.New("only root may run commands in sessions so far; try it with sudo"))
	}
	facts, running, err := presence.Look(c.runDir)
	if err != nil {
		return notRun(fmt.Errorf("look for the controller: %w", err))
	}
	if !running {
		return notRun(fmt.Errorf("coppiced is not running on %s, so nobody knows whether %s is whole; start it first", c.runDir, ref))
	}
	file, err := c.one(ref)
	if err != nil {
		return notRun(err)
	}
	if condition(file.Status, status.ConditionReady).Status != metav1.ConditionTrue {
		return notRun(fmt.Errorf("%s is not ready: %s; wait for it with coppice wait %s", ref, why(file.Status), ref))
	}
	if file.Status.Namespace == "" {
		return notRun(fmt.Errorf("the status of %s names no namespace; see coppice describe %s", ref, ref))
	}
	admitted, err := admission(layout.Layout{State: facts.StateDir, Run: c.runDir}, ref.name)
	if err != nil {
		return notRun(err)
	}
	if len(args) == 0 {
		args = []string{shell(admitted)}
	}
	command := enter.Command{
		Args: append(append([]string(nil), admitted.Chroot.CommandPrefix...), args...),
		Env:  environment(admitted, os.Getenv),
	}
	if cwd, err := os.Getwd(); err == nil {
		command.Folders = append(command.Folders, cwd)
	}
	command.Folders = append(command.Folders, rootHome)
	if err := join(file.Status); err != nil {
		return notRun(fmt.Errorf("join %s: %w", ref, err))
	}
	err = enter.Exec(file.Status.Namespace, command)
	switch {
	case errors.Is(err, enter.ErrNotFound), errors.Is(err, unix.ENOENT):
		return &codeError{127, fmt.Errorf("in %s: %w", ref, err)}
	case errors.Is(err, unix.EACCES), errors.Is(err, unix.ENOEXEC), errors.Is(err, unix.EISDIR):
		return &codeError{126, fmt.Errorf("in %s: %w", ref, err)}
	}
	return notRun(fmt.Errorf("enter %s: %w", ref, err))
}

// admission reads what a session was admitted with.
func admission(l layout.Layout, session string) (spec.Admitted, error) {
	text, err := os.ReadFile(l.Record(session))
	if errors.Is(err, fs.ErrNotExist) {
		return spec.Admitted{}, fmt.Errorf("session %s is just going, or just being made", session)
	}
	if err != nil {
		return spec.Admitted{}, err
	}
	var home object.Home
	if err := json.Unmarshal(text, &home); err != nil {
		return spec.Admitted{}, fmt.Errorf("read record of session %s: %w", session, err)
	}
	record, err := compile.Decode(home.Admitted)
	return record.Session, err
}

// join moves this process into the session's cgroup, so that all that the
// command starts is known to be inside, whatever it does to its process group.
// Where the machine has no cgroup v2 the session has none.
func join(s status.Status) error {
	for _, o := range s.Objects {
		if o.Kind == string(object.KindProcesses) && o.Owner == "" && o.Name != "" {
			// "0" is whoever writes it (cgroups(7)).
			return os.WriteFile(filepath.Join(o.Name, "cgroup.procs"), []byte("0"), 0)
		}
	}
	return nil
}

// notRun marks an error as one of coppice's own, not of the command.
func notRun(err error) error { return &codeError{exitNotRun, err} }
