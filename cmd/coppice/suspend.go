package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"coppice.dev/spec"
	"coppice.dev/status"
)

// heeding is how long it is waited for what was asked for to be in the status.
const heeding = 30 * time.Second

func newSuspend(c *cli) *cobra.Command {
	var why string
	cmd := &cobra.Command{
		Use:   "suspend SESSION... | -l LABELS",
		Short: "Leave sessions as they are, whatever becomes of them",
		Long: `Leave sessions as they are, until they are resumed: nothing is made, repaired or
ended, whatever their manifests say. Commands can be run in them as ever. It outlives
a restart and a reboot; what the machine itself loses by a reboot is made again when
they are resumed. delete ends a suspended session all the same. Only root may do it.

The same can be written in a manifest: spec.suspend.`,
		Example: `  coppice suspend build-1 --why "looking at a hang"
  coppice suspend -l suite=bookworm`,
	}
	c.governed(cmd, func(ctx context.Context, ref reference) error {
		return c.explainOf(c.daemon().Suspend(ctx, ref.name, why), ref)
	}, func(ctx context.Context, ref reference) error {
		suspended := goal{name: "suspended", ok: func(f *status.File) bool { return f != nil && f.Status.Suspended() }}
		if err := c.waitFor(ctx, ref, suspended, heeding, nil); err != nil {
			return err
		}
		fmt.Fprintf(c.out, "%s suspended\n", ref)
		return nil
	})
	cmd.Flags().StringVar(&why, "why", "", "a line for those who wonder")
	return cmd
}

func newResume(c *cli) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "resume SESSION... | -l LABELS",
		Short: "Take back that sessions are left as they are",
		Long: `Take back that sessions are left as they are: what was left undone meanwhile is done
now, be it a repair or their end. Only root may do it.`,
		Example: `  coppice resume build-1
  coppice resume -l suite=bookworm`,
	}
	was := map[reference]bool{}
	c.governed(cmd, func(ctx context.Context, ref reference) error {
		before, err := c.peek(ref)
		if err != nil {
			return err
		}
		was[ref] = before == nil || before.Status.Suspended()
		return c.explainOf(c.daemon().Resume(ctx, ref.name), ref)
	}, func(ctx context.Context, ref reference) error {
		if at := c.suspendedIn(ref); at != "" {
			return fmt.Errorf("%s is suspended by its manifest %s; take suspend: true out there", ref, at)
		}
		resumed := goal{name: "resumed", ok: func(f *status.File) bool { return f == nil || !f.Status.Suspended() }}
		if err := c.waitFor(ctx, ref, resumed, heeding, nil); err != nil {
			return err
		}
		did := "resumed"
		if !was[ref] {
			did = "was not suspended"
		}
		fmt.Fprintf(c.out, "%s %s\n", ref, did)
		return nil
	})
	return cmd
}

// suspendedIn returns the manifest that says that a session is left as it is; "" if it
// does not.
func (c *cli) suspendedIn(ref reference) string {
	object, at, err := c.written(ref)
	if session, is := object.(*spec.Session); err != nil || !is || !session.Spec.Suspend {
		return "" // what cannot be read is told by its status
	}
	return at
}

func newReconcile(c *cli) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "reconcile SESSION... | -l LABELS",
		Short: "Look at sessions at once, and put right what is not as wanted",
		Long: `Look at sessions at once, without waiting for the next resync or the end of a
back-off, and put right what is not as wanted, even with driftPolicy: Report. It does
not wait for the outcome; coppice wait does. Only root may do it.

The same can be asked for in a manifest: a new value of the annotation
coppice.dev/reconcile-at, such as the time. The last one that was heeded is in
status.lastHandledReconcileAt.`,
		Example: `  coppice reconcile build-1 && coppice wait session/build-1`,
	}
	c.governed(cmd, func(ctx context.Context, ref reference) error {
		return c.explainOf(c.daemon().Reconcile(ctx, ref.name), ref)
	}, func(_ context.Context, ref reference) error {
		fmt.Fprintf(c.out, "%s is looked at\n", ref)
		return nil
	})
	return cmd
}

// governed has a command ask for something of each session that is named or picked, and
// then tell of each what came of it: so many take no longer than the slowest.
func (c *cli) governed(cmd *cobra.Command, ask, tell func(context.Context, reference) error) {
	var pick selection
	pick.flag(cmd, "sessions")
	cmd.ValidArgsFunction = c.completeSessions
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := pick.parse(); err != nil {
			return err
		}
		refs, err := c.sessions(cmd, args, pick)
		if err != nil {
			return err
		}
		// One that is not there does not keep the others.
		var failed error
		refs = slices.DeleteFunc(refs, func(ref reference) bool {
			err := ask(cmd.Context(), ref)
			failed = errors.Join(failed, err)
			return err != nil
		})
		for _, ref := range refs {
			failed = errors.Join(failed, tell(cmd.Context(), ref))
		}
		return failed
	}
}

// sessions returns the sessions that a command line names or picks. The word sessions
// may stand before a selection, as for other commands.
func (c *cli) sessions(cmd *cobra.Command, args []string, pick selection) ([]reference, error) {
	if pick.given() {
		if len(args) == 0 {
			args = []string{nounOf(spec.KindSession).plural}
		}
		refs, err := c.named(args, pick)
		if err == nil && refs[0].noun.kind != spec.KindSession {
			err = usagef("only sessions can be told that; %s are none", refs[0].noun.plural)
		}
		return refs, err
	}
	if len(args) == 0 {
		return nil, usagef("which session? Try %s SESSION; coppice get sessions lists them", cmd.CommandPath())
	}
	var refs []reference
	for _, arg := range args {
		ref := sessionReference(arg)
		if ref.name == "" {
			return nil, usagef("%q names no session", arg)
		}
		refs = append(refs, ref)
	}
	return refs, nil
}
