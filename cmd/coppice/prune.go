package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"coppice.dev/manifests"
	"coppice.dev/spec"
	"coppice.dev/status"
)

func newPrune(c *cli) *cobra.Command {
	var confirm, wait bool
	var timeout time.Duration
	cmd := &cobra.Command{
		Use:   "prune [--confirm]",
		Short: "Let sessions go that are kept although their manifests are gone",
		Long: `Let sessions go that are kept although their manifests are gone.

When more than half of a folder's sessions lose their manifests at the same time,
and more than coppiced's --max-prune, it is taken for a mistake: nothing of them
is touched. This command lists them. Put the files back, and all is as before; or
give --confirm, and they go.

The exit code is 0 if none are kept any more, 1 if there are some.`,
		Example: `  coppice prune             list them
  coppice prune --confirm   let them go`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			held, err := c.held()
			if err != nil {
				return err
			}
			if len(held) == 0 {
				fmt.Fprintln(c.errOut, "No session is kept without its manifest.")
				return nil
			}
			if confirm {
				return c.prune(cmd.Context(), held, wait, timeout)
			}
			if err := printTable(newTable(c.output()), nounOf(spec.KindSession), held, tableOptions{wide: true, now: time.Now()}); err != nil {
				return err
			}
			fmt.Fprintf(c.errOut, "\n%s without a manifest. Put the files back, or let them go with: coppice prune --confirm\n", kept(len(held)))
			return &codeError{code: exitFailure}
		},
	}
	cmd.Flags().BoolVar(&confirm, "confirm", false, "let them go")
	cmd.Flags().BoolVar(&wait, "wait", true, "wait until nothing is left of them")
	cmd.Flags().DurationVar(&timeout, "timeout", 2*time.Minute, "how long to wait for each")
	c.quietFlag(cmd)
	return cmd
}

// prune lets the sessions go: all of them are named before the first goes.
func (c *cli) prune(ctx context.Context, held []status.File, wait bool, timeout time.Duration) error {
	if os.Geteuid() != 0 {
		return errors.New("only root may say that sessions are to go; try it with sudo")
	}
	for _, f := range held {
		if err := c.wishes().Wish(f.Metadata.Name, f.Metadata.UID); err != nil {
			return err
		}
	}
	if err := manifests.Nudge(c.ephemeral()); err != nil {
		return err
	}
	for _, f := range held {
		ref := reference{nounOf(spec.KindSession), f.Metadata.Name}
		if wait {
			if err := c.waitFor(ctx, ref, goal{gone: true}, timeout, nil); err != nil {
				return err
			}
		}
		fmt.Fprintf(c.out, "%s pruned\n", ref)
	}
	return nil
}

// wishes is where it is said that sessions are to go.
func (c *cli) wishes() manifests.Wishes { return manifests.Wishes{Folder: c.layout().Wishes()} }

// held returns the sessions that are kept although their manifests are gone.
func (c *cli) held() ([]status.File, error) {
	all, err := c.all(nounOf(spec.KindSession))
	return slices.DeleteFunc(all, func(f status.File) bool { return !isHeld(f.Status) }), err
}

func isHeld(s status.Status) bool {
	return slices.ContainsFunc([]string{status.ConditionUpToDate, status.ConditionReady}, func(kind string) bool {
		return condition(s, kind).Reason == status.ReasonDeletionHeld
	})
}

// heldNote returns a remark for people if sessions are kept without their
// manifests; else nothing.
func heldNote(files []status.File) string {
	n := 0
	for _, f := range files {
		if isHeld(f.Status) {
			n++
		}
	}
	if n == 0 {
		return ""
	}
	return kept(n) + " although the manifests are gone, since so many went at the same time: see coppice prune"
}

func kept(n int) string {
	if n == 1 {
		return "1 session is kept"
	}
	return fmt.Sprintf("%d sessions are kept", n)
}
