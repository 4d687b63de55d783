package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"coppice.dev/controller/socket/wire"
	"coppice.dev/spec"
	"coppice.dev/status"
)

// ending is how long it is waited for a session that this command began to go.
const ending = time.Minute

func newEnd(c *cli) *cobra.Command {
	var wait, discard bool
	var timeout time.Duration
	cmd := &cobra.Command{
		Use:   "end SESSION...",
		Short: "End sessions that were begun, and leave nothing behind of them",
		Long: `End sessions that were begun: what runs inside is ended, what was made for them
goes. What a manifest asks for is ended by taking the manifest away; see delete.`,
		Example: `  coppice end bookworm-1f3a
  coppice end --wait=false bookworm-1f3a`,
		ValidArgsFunction: c.completeSessions,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usagef("which session? Try %s SESSION; coppice get sessions lists them", cmd.CommandPath())
			}
			// One that is not there, or not ours, does not keep the others.
			var failed error
			var refs []reference
			for _, arg := range args {
				ref := sessionReference(arg)
				if ref.name == "" {
					return usagef("%q names no session", arg)
				}
				if archive := c.unsaved(ref); archive != "" && !discard {
					failed = errors.Join(failed, fmt.Errorf("%s has %s open, and what was written was not saved: coppice save %s, or end it with --discard", ref, archive, ref.name))
					continue
				}
				if err := c.end(cmd.Context(), ref); err != nil {
					failed = errors.Join(failed, c.explainOf(err, ref))
					continue
				}
				refs = append(refs, ref)
			}
			for _, ref := range refs {
				if wait {
					if err := c.waitFor(cmd.Context(), ref, goal{gone: true}, timeout, nil); err != nil {
						return errors.Join(failed, err)
					}
				}
				fmt.Fprintf(c.out, "%s ended\n", ref)
			}
			return failed
		},
	}
	cmd.Flags().BoolVar(&discard, "discard", false, "end also those that have an archive open into which nothing was saved")
	cmd.Flags().BoolVar(&wait, "wait", true, "wait until nothing is left")
	cmd.Flags().DurationVar(&timeout, "timeout", 2*time.Minute, "how long to wait for each")
	c.quietFlag(cmd)
	return cmd
}

// end asks for the end of a session; of one that is ending already it is no error.
func (c *cli) end(ctx context.Context, ref reference) error {
	before, _ := c.peek(ref) // what cannot be read is the daemon's to tell of
	err := c.daemon().End(ctx, ref.name)
	if err != nil && before != nil {
		if now, look := c.peek(ref); look == nil && (now == nil || now.Status.Phase == status.Terminating) {
			return nil
		}
	}
	return err
}

// endAndWait ends a session that this command began. What goes wrong is told,
// and changes nothing about how the command ends.
func (c *cli) endAndWait(ctx context.Context, ref reference) {
	err := c.end(ctx, ref)
	if refusal, is := errors.AsType[*wire.Error](err); is && refusal.Reason == "NotFound" {
		err = nil // it is gone, or going
	}
	c.waitForEnd(ctx, ref, err)
}

// waitForEnd waits until a session that was ended is gone, unless its end was
// refused.
func (c *cli) waitForEnd(ctx context.Context, ref reference, err error) {
	if err == nil {
		err = c.waitFor(ctx, ref, goal{gone: true}, ending, nil)
	}
	if err != nil {
		fmt.Fprintf(c.errOut, "coppice: %s is not ended: %v; end it with coppice end %s\n", ref, c.explain(err), ref.name)
	}
}

// completeSessions offers the names of sessions.
func (c *cli) completeSessions(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	return c.names(nounOf(spec.KindSession)), cobra.ShellCompDirectiveNoFileComp
}
