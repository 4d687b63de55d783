package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"coppice.dev/cmd/internal/presence"
	"coppice.dev/cmd/internal/version"
)

func newVersion(c *cli) *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Say which version this is, and which the controller is",
		Args:  noArgs,
		RunE: func(*cobra.Command, []string) error {
			fmt.Fprintln(c.out, "coppice  "+version.String())
			facts, running, err := presence.Look(c.runDir)
			switch {
			case err != nil:
				return fmt.Errorf("look for the controller: %w", err)
			case running:
				fmt.Fprintf(c.out, "coppiced %s, pid %d\n", facts.Version, facts.PID)
			default:
				fmt.Fprintf(c.out, "coppiced is not running on %s\n", c.runDir)
			}
			return nil
		},
	}
}

// noArgs refuses arguments.
func noArgs(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usagef("%s takes no arguments, and got %q", cmd.CommandPath(), args[0])
	}
	return nil
}
