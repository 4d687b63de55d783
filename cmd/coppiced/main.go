// Command coppiced converges a host's sessions towards the manifests in the
// watched folders, and tells in status files what came of it.
//
// It is wiring only: it reads the command line, opens the folders and the
// kernel, and lets the controller run. A signal to end leaves every session
// standing; the next start finds them again. Started by itself as the keeper of a
// command (package keeper), it never gets as far as main.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"coppice.dev/cmd/internal/version"
	"coppice.dev/reconcile/fault"
)

// The exit codes.
const (
	exitOK       = 0
	exitNotReady = 1 // with --once: something is not as wanted
	exitFailure  = 2 // it could not start, or could not go on
)

// errNotReady ends --once when something is not as wanted; all of it has been
// said by then.
var errNotReady = errors.New("not everything is ready")

func main() {
	os.Exit(start())
}

func start() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	return exitCode(newCommand().ExecuteContext(ctx))
}

func exitCode(err error) int {
	switch {
	case err == nil:
		return exitOK
	case errors.Is(err, errNotReady):
		return exitNotReady
	}
	fmt.Fprintln(os.Stderr, "coppiced: "+fault.Known(err).Error())
	return exitFailure
}

func newCommand() *cobra.Command {
	var o options
	cmd := &cobra.Command{
		Use:   "coppiced",
		Short: "Keep a host's sessions as the manifests want them",
		Long: `coppiced watches folders of manifests and makes the sessions they ask for,
repairs them, and takes them down again. It ends on SIGTERM or SIGINT and leaves
all sessions standing.

With --once it converges once, reports what it found and did, and exits: 0 if all
is ready, 1 if something is not. It exits with 2 if it cannot start. Run at boot,
that brings back what is to last and sweeps what is left of the rest.`,
		Example: `  coppiced --manifest-dir /etc/coppice/manifests.d
  coppiced --manifest-dir ./manifests --state-dir /tmp/c/state --run-dir /tmp/c/run --once`,
		Args:          cobra.NoArgs,
		Version:       version.Number(),
		SilenceErrors: true,
		SilenceUsage:  true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := o.complete(); err != nil {
				return err
			}
			log, err := newLogger(os.Stderr, o.logFormat, o.logLevel, direct(o.runDir))
			if err != nil {
				return err
			}
			return run(cmd.Context(), o, log, cmd.OutOrStdout())
		},
	}
	cmd.SetVersionTemplate("coppiced {{.Version}}\n")
	o.register(cmd.Flags())
	return cmd
}
