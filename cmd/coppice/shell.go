package main

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"coppice.dev/controller/socket/wire"
	"coppice.dev/spec"
)

func newShell(c *cli) *cobra.Command {
	var o insideOptions
	cmd := &cobra.Command{
		Use:   "shell SESSION|CHROOT",
		Short: "Be inside: a login shell in a session, or in a new one of a chroot",
		Long: `Run a login shell inside a session. The name of a chroot instead of a session's,
or for root the path of a folder, begins a session that ends with the shell.
Where there is both, the session is meant; chroot/NAME is always the chroot.`,
		Example: `  coppice shell build-1
  coppice shell bookworm
  coppice shell --shell /bin/bash chroot/bookworm`,
		Args:              oneArg("the name of a session or a chroot"),
		ValidArgsFunction: c.completeInhabitable,
		RunE: func(cmd *cobra.Command, args []string) error {
			session, chroot, err := c.inhabitable(args[0])
			if err != nil {
				return err
			}
			if chroot != "" {
				run := runOptions{insideOptions: o}
				run.timeout = readyTimeout
				return c.notSession(args[0], c.run(cmd.Context(), run, chroot, nil))
			}
			return c.inside(cmd.Context(), session, o, nil)
		},
	}
	o.register(cmd.Flags())
	cmd.Flags().StringVarP(&o.Shell, "shell", "s", "", "the shell to use instead of the user's")
	c.quietFlag(cmd)
	return cmd
}

// notSession is an error of a new session for a name that was perhaps to be a session's.
func (c *cli) notSession(name string, err error) error {
	refusal, is := errors.AsType[*wire.Error](err)
	near := nearest(name, c.names(nounOf(spec.KindSession)))
	if !is || refusal.Reason != "NotFound" || near == "" {
		return err
	}
	return notRun(fmt.Errorf("there is neither a session nor a chroot %q%s", name, hint(near)))
}

// inhabitable tells whether a session is meant or a chroot, and its name.
func (c *cli) inhabitable(arg string) (session, chroot string, err error) {
	word, name, found := strings.Cut(arg, "/")
	switch {
	case arg == "":
		return "", "", usagef("the name is empty")
	case filepath.IsAbs(arg):
		return "", arg, nil
	case found:
		n, err := parseNoun(word)
		switch {
		case err != nil:
			return "", "", err
		case n.kind == spec.KindSession && name != "":
			return name, "", nil
		case n.kind == spec.KindChroot && name != "":
			return "", name, nil
		}
		return "", "", usagef("%q: want session/NAME or chroot/NAME", arg)
	}
	file, err := c.peek(reference{nounOf(spec.KindSession), arg})
	if err != nil || file != nil {
		return arg, "", err
	}
	return "", arg, nil
}

// completeInhabitable offers sessions and chroots.
func (c *cli) completeInhabitable(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return append(c.names(nounOf(spec.KindSession)), c.names(nounOf(spec.KindChroot))...), cobra.ShellCompDirectiveNoFileComp
}
