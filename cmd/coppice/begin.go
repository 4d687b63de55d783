package main

import (
	"context"
	"fmt"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"coppice.dev/controller/socket/wire"
	"coppice.dev/spec"
	"coppice.dev/status"
)

// readyTimeout is how long it is waited for a session to be ready by default.
const readyTimeout = 10 * time.Minute

// beginOptions are the flags of what begins a session.
type beginOptions struct {
	name, profile      string
	hookEnv            map[string]string
	ttl, idle, timeout time.Duration
	// source opens the chroot's source itself; hasty does not wait for others to
	// leave a source.
	source, hasty bool
	// bound ends the session with this process, and retain keeps it then if its
	// command failed.
	bound, retain bool
}

func (o *beginOptions) register(flags *pflag.FlagSet) {
	flags.StringVar(&o.name, "name", "", "the session's name (default one that is free)")
	flags.StringVar(&o.profile, "profile", "", "a profile to use instead of the chroot's; for root")
	flags.StringToStringVar(&o.hookEnv, "hook-env", nil, "a variable for its hooks, as NAME=VALUE; one that the chroot's hookVariables name, but for root")
	flags.DurationVar(&o.ttl, "ttl", 0, "end the session after this time, whoever is inside")
	flags.BoolVar(&o.source, "source", false, "open the chroot's source itself for writing, alone, instead of growing from it")
	flags.BoolVar(&o.hasty, "no-wait", false, "give up at once if others are in the way, or the host is full, instead of waiting")
	flags.DurationVar(&o.idle, "idle-timeout", 0, "end the session when nobody was inside for this long")
	flags.DurationVar(&o.timeout, "timeout", readyTimeout, "how long to wait until the session is ready")
}

// request is what is asked for. A path is a folder of the host to grow from.
func (o *beginOptions) request(chroot string) (wire.Begin, error) {
	b := wire.Begin{
		Name: o.name, Chroot: chroot, Profile: o.profile, Source: o.source, HookEnvironment: o.hookEnv,
		Bound: o.bound, RetainOnFailure: o.retain,
	}
	if filepath.IsAbs(chroot) {
		b.Chroot, b.Folder = "", chroot
	}
	var err error
	if b.TTL, err = atMost("--ttl", o.ttl); err == nil {
		b.IdleTimeout, err = atMost("--idle-timeout", o.idle)
	}
	return b, err
}

// atMost returns how long something may last; nil for ever.
func atMost(flag string, d time.Duration) (*metav1.Duration, error) {
	switch {
	case d < 0:
		return nil, usagef("%s %s: it must be longer than nothing; leave it out for ever", flag, d)
	case d == 0:
		return nil, nil
	}
	return &metav1.Duration{Duration: d}, nil
}

func newBegin(c *cli) *cobra.Command {
	var o beginOptions
	var wait bool
	cmd := &cobra.Command{
		Use:   "begin CHROOT|FOLDER",
		Short: "Begin a session of your own, and print its name",
		Long: `Begin a session of your own that grows from a chroot, or for root from a folder
of the host, and print its name when it is ready. It lasts until it is ended, or
until the machine is shut down.`,
		Example: `  session=$(coppice begin bookworm)
  coppice exec "$session" -- make
  coppice end "$session"`,
		Args:              ofAChroot,
		ValidArgsFunction: c.completeFirst(spec.KindChroot),
		RunE: func(cmd *cobra.Command, args []string) error {
			ref, err := c.begin(cmd.Context(), o, args[0])
			if err != nil {
				return err
			}
			if wait {
				err = c.waitUntilReady(cmd.Context(), ref, o)
			}
			if err != nil {
				// Whoever does not hear its name cannot end it.
				c.endAndWait(context.WithoutCancel(cmd.Context()), ref)
				return err
			}
			fmt.Fprintln(c.out, ref.name)
			return nil
		},
	}
	o.register(cmd.Flags())
	cmd.Flags().BoolVar(&wait, "wait", true, "wait until the session is ready")
	c.quietFlag(cmd)
	return cmd
}

// ofAChroot wants one argument, the name of a chroot or a path.
func ofAChroot(cmd *cobra.Command, args []string) error {
	if len(args) != 1 || args[0] == "" {
		return usagef("of which chroot? Try %s CHROOT; see %s --help", cmd.CommandPath(), cmd.CommandPath())
	}
	return nil
}

// begin begins a session; it need not be ready yet.
func (c *cli) begin(ctx context.Context, o beginOptions, chroot string) (reference, error) {
	request, err := o.request(chroot)
	if err != nil {
		return reference{}, err
	}
	// It takes no time. An answer that nobody waits for would leave a session
	// that nobody knows.
	file, err := c.daemon().Begin(context.WithoutCancel(ctx), request)
	if err != nil {
		return reference{}, c.explainOf(err, reference{nounOf(spec.KindChroot), chroot})
	}
	return reference{nounOf(spec.KindSession), file.Metadata.Name}, nil
}

// waitUntilReady waits until a session takes commands.
func (c *cli) waitUntilReady(ctx context.Context, ref reference, o beginOptions) error {
	ready := goal{condition: status.ConditionReady, value: string(metav1.ConditionTrue)}
	return c.waitFor(ctx, ref, ready, o.timeout, c.progress(ref, o.hasty))
}
