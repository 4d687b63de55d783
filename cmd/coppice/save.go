package main

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"coppice.dev/status"
)

// saving is how long it is waited for an archive to be packed.
const saving = time.Hour

func newSave(c *cli) *cobra.Command {
	var timeout time.Duration
	cmd := &cobra.Command{
		Use:   "save SESSION",
		Short: "Pack what was written into an archive that is open into its place",
		Long: `Pack what was written in a session that has an archive open (begin --source) into
a new archive, and put that into the place of the old one in one step. It waits
until nobody is inside. Without this a session that ends leaves the archive as it
was; run --source does it by itself when the command has succeeded.

If somebody else has changed the archive since the session began, theirs stays.`,
		Example: `  session=$(coppice begin --source bookworm-tar)
  coppice exec -u root "$session" -- apt-get upgrade -y
  coppice save "$session" && coppice end "$session"`,
		Args:              oneArg("the name of a session"),
		ValidArgsFunction: c.completeSessions,
		RunE: func(cmd *cobra.Command, args []string) error {
			ref := sessionReference(args[0])
			if err := c.save(cmd.Context(), ref, timeout); err != nil {
				return err
			}
			fmt.Fprintf(c.out, "%s saved\n", ref)
			return nil
		},
	}
	cmd.Flags().DurationVar(&timeout, "timeout", saving, "how long to wait until it is saved")
	c.quietFlag(cmd)
	return cmd
}

// save has an archive packed, and waits until it has its place.
func (c *cli) save(ctx context.Context, ref reference, timeout time.Duration) error {
	before := int64(0)
	if f, err := c.peek(ref); err == nil && f != nil {
		before = f.Metadata.Generation
	}
	n, err := c.daemon().Save(ctx, ref.name)
	if err != nil {
		return c.explainOf(err, ref)
	}
	gone := fmt.Errorf("%s ended before what was written was saved", ref)
	done := goal{name: "saved", ok: func(f *status.File) bool { return f != nil && f.Status.Saved >= n }}
	return c.waitFor(ctx, ref, done, timeout, func(f *status.File) error {
		switch {
		case f == nil || f.Status.Phase == status.Terminating:
			return gone
		case f.Metadata.Generation <= before || f.Status.ObservedGeneration < f.Metadata.Generation:
			return nil // what it tells is of before
		case f.IsTrue(status.ConditionStalled):
			return fmt.Errorf("%s is not saved: %s", ref, condition(f.Status, status.ConditionStalled).Message)
		case f.Status.NextRetry != nil:
			return fmt.Errorf("%s is not saved: %s; it is tried again while the session lasts", ref, condition(f.Status, status.ConditionReconciling).Message)
		}
		return nil
	})
}

// saveAfter saves what a command has written into an archive, unless it failed.
func (c *cli) saveAfter(ctx context.Context, ref reference, archive string, err error) error {
	if err != nil {
		fmt.Fprintf(c.errOut, "coppice: %s is as it was: the command did not succeed\n", archive)
		return err
	}
	return c.save(ctx, ref, saving)
}

// unsaved returns the archive that a session has open and that nothing was saved
// into; "" if there is none.
func (c *cli) unsaved(ref reference) string {
	file, err := c.peek(ref)
	if err != nil || file == nil || file.Status.Saved > 0 {
		return "" // what cannot be read is the daemon's to tell of
	}
	return file.Status.Archive
}
