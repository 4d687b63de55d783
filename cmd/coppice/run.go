package main

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"coppice.dev/controller/budget"
	"coppice.dev/spec"
	"coppice.dev/status"
)

// runOptions are the flags of run.
type runOptions struct {
	beginOptions
	insideOptions
	keep bool
}

func newRun(c *cli) *cobra.Command {
	var o runOptions
	cmd := &cobra.Command{
		Use:   "run CHROOT|FOLDER [-- COMMAND...]",
		Short: "Run a command in a session of its own, and leave nothing behind",
		Long: `Run a command in a session that begins and ends with it; a login shell if none
is given. The session grows from the chroot of that name, or for root from a
folder of the host, whose path begins with a slash: "/" is the host itself.

The exit code is the command's; see exec for the others, and for terminals and
signals. With --source its root is not grown from the chroot: it is the chroot's
source itself, and what the command writes stays there.

TERM, HUP and INT end the session too, whatever the command makes of them, and so
does the death of coppice. A session that is kept since its command failed lasts
until it is ended, or for as long as --ttl and --idle-timeout say.`,
		Example: `  coppice run bookworm -- make
  coppice run / -- apt-get install -y hello
  coppice run --source bookworm -- apt-get dist-upgrade -y`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 || cmd.ArgsLenAtDash() == 0 || args[0] == "" {
				return usagef("of which chroot? Try %s CHROOT -- COMMAND", cmd.CommandPath())
			}
			return nil
		},
		ValidArgsFunction: c.completeFirst(spec.KindChroot),
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.run(cmd.Context(), o, args[0], args[1:])
		},
	}
	o.beginOptions.register(cmd.Flags())
	o.insideOptions.register(cmd.Flags())
	cmd.Flags().BoolVar(&o.keep, "keep", false, "keep the session when the command has ended")
	cmd.Flags().BoolVar(&o.retain, "retain-on-failure", false, "keep the session if the command fails or coppice is killed, to look at it")
	c.quietFlag(cmd)
	return cmd
}

// run begins a session, runs a command in it, and ends it whatever happens.
func (c *cli) run(ctx context.Context, o runOptions, chroot string, command []string) error {
	if _, err := o.want(); err != nil {
		return err
	}
	// Chosen here, so that the session can be ended whatever happens meanwhile.
	o.name = cmp.Or(o.name, "run-"+random())
	o.bound = !o.keep
	ref, err := c.begin(ctx, o.beginOptions, chroot)
	if err != nil {
		if _, is := errors.AsType[*codeError](err); is {
			return err
		}
		return notRun(err)
	}
	lasting := context.WithoutCancel(ctx)
	err = c.waitUntilReady(ctx, ref, o.beginOptions)
	if err == nil {
		ended := false
		o.heard = func(s unix.Signal) { ended = c.heed(lasting, o, ref, s) || ended }
		err = c.inside(lasting, ref.name, o.insideOptions, command)
		if o.keep || o.retain && failed(err) && !ended {
			fmt.Fprintf(c.errOut, "coppice: kept %s; look at it with coppice shell %s, end it with coppice end %s\n", ref, ref.name, ref.name)
			return err
		}
		if ended {
			c.waitForEnd(lasting, ref, nil)
			return err
		}
		if archive := c.unsaved(ref); archive != "" {
			err = c.saveAfter(lasting, ref, archive, err)
		}
	} else if _, is := errors.AsType[*codeError](err); !is {
		err = notRun(err)
	}
	c.endAndWait(lasting, ref)
	return err
}

// failed reports whether the command failed, or could not be run. The daemon
// judges alike.
func failed(err error) bool {
	code, is := errors.AsType[*codeError](err)
	return is && (code.code != exitNotRun || code.cause == nil)
}

// heed ends the session on a signal that is to end the command, and reports
// whether it did: what does not heed the signal ends with the session.
func (c *cli) heed(ctx context.Context, o runOptions, ref reference, s unix.Signal) bool {
	if o.keep || s != unix.SIGTERM && s != unix.SIGHUP && s != unix.SIGINT {
		return false
	}
	return c.end(ctx, ref) == nil // if not, it is tried again when the command has ended
}

func random() string {
	var b [4]byte
	rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}

// progress returns what ends a wait when only people can help. That others are in the way
// is told also where nothing can be shown meanwhile, for it may take long; who is hasty
// does not wait for them.
func (c *cli) progress(ref reference, hasty bool) func(*status.File) error {
	last := ""
	shown := c.quiet || c.errors().Live
	return func(f *status.File) error {
		if f == nil {
			return nil
		}
		if ready := f.Status.Condition(status.ConditionReady); ready == nil || ready.Reason == status.ReasonNew {
			return nil // the next look knows more
		}
		if f.IsTrue(status.ConditionStalled) {
			return fmt.Errorf("%s: %s", ref, why(f.Status))
		}
		text := why(f.Status)
		if f.Status.Step != nil {
			text = doing(*f.Status.Step)
		}
		inTheWay := blocked(f.Status)
		if inTheWay && hasty {
			return fmt.Errorf("%s: %s", ref, text)
		}
		if inTheWay && !shown && text != last {
			fmt.Fprintf(c.errOut, "%s: %s\n", ref, text)
			last = text
		}
		return nil
	}
}

// blocked reports whether a session waits for others to leave a source, or for room on
// the host.
func blocked(s status.Status) bool {
	reason := condition(s, status.ConditionReady).Reason
	return slices.Contains([]string{status.ReasonSourceInUse, status.ReasonSourceOpen, budget.DiskFull, budget.HostFull}, reason)
}
