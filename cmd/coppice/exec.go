package main

import (
	"github.com/spf13/cobra"

	"coppice.dev/spec"
)

func newExec(c *cli) *cobra.Command {
	var o insideOptions
	cmd := &cobra.Command{
		Use:   "exec SESSION [-- COMMAND...]",
		Short: "Run a command inside a session; a login shell if none is given",
		Long: `Run a command inside a session; a login shell if none is given. Who may do so,
and who as root, says the session's chroot; only root of the host may be anybody.

Files and pipes are handed on as they are. If both standard input and output are
terminals the command has one of its own: Ctrl-C, Ctrl-Z and the window's size
are for what runs inside. Otherwise what is typed is not passed on, unless -i is
given, so that a pager behind a pipe has the keyboard for itself. In a service of
systemd, what is printed for the journal goes through a pipe, and is noted down
as the service's.

The signals TERM, HUP, INT, QUIT, USR1 and USR2 are passed on. A command whose
coppice is gone is sent HUP, and is killed a little later.

The environment inside is made anew; the working folder is the same path as
outside if there is one inside, else the user's home, else /. The exit code is
the command's, 128 and the signal's number if a signal ended it, 127 if there is
no such command inside, 126 if it cannot be run, and 125 if coppice could not get
that far.`,
		Example: `  coppice exec build-1 -- cat /etc/os-release
  coppice exec -u games build-1 -- id
  coppice exec build-1 -- tar -c /srv > srv.tar`,
		Args:              sessionAndCommand,
		ValidArgsFunction: c.completeFirst(spec.KindSession),
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.inside(cmd.Context(), sessionReference(args[0]).name, o, args[1:])
		},
	}
	o.register(cmd.Flags())
	return cmd
}

// sessionAndCommand wants the name of a session first.
func sessionAndCommand(cmd *cobra.Command, args []string) error {
	if len(args) == 0 || cmd.ArgsLenAtDash() == 0 || sessionReference(args[0]).name == "" {
		return usagef("in which session? Try %s SESSION -- COMMAND", cmd.CommandPath())
	}
	return nil
}
