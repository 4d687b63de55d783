// Command soak uses one controller for some minutes as a careless crowd would,
// and then wants to see that nothing was lost and nothing is left.
//
// Manifests are written, changed, half written, doubled and deleted; mounts are
// undone by hand, inside sessions and on the host; files vanish from the state;
// programs are left running inside; the daemon is killed, stopped and started at
// random moments. In between it is quiet for a while, and by then every session
// has to be what its manifest says. Beside all that stand witnesses, sessions
// that nobody touches: what is written in them and the namespaces they run in
// must be the same from beginning to end. So must look-alikes be, objects that
// resemble the controller's and are not its own.
//
// What is done follows from the seed; when the daemon gets to it does not. So a
// seed tells a story again, not a race. Nothing outside of a folder of its own
// and what carries that folder's name is touched.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/signal"
	"syscall"
	"time"
)

func main() {
	var o options
	flag.StringVar(&o.bin, "bin", "bin", "folder of coppice and coppiced")
	flag.StringVar(&o.folder, "folder", os.TempDir(), "where the private folder is made")
	flag.Float64Var(&o.minutes, "minutes", 2, "how long")
	flag.Uint64Var(&o.seed, "seed", 0, "what is done; 0 draws one")
	flag.BoolVar(&o.keep, "keep", false, "keep the private folder, unmounted")
	flag.Parse()
	if flag.NArg() > 0 {
		fmt.Fprintf(os.Stderr, "soak: %q is not understood\n", flag.Arg(0))
		os.Exit(2)
	}
	if os.Geteuid() != 0 {
		fmt.Fprintln(os.Stderr, "soak: only root may mount; try it with sudo")
		os.Exit(2)
	}
	if o.seed == 0 {
		o.seed = rand.Uint64N(1_000_000) + 1
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, o, os.Stdout)
	stop()
	if err != nil {
		fmt.Fprintf(os.Stderr, "\nsoak: %v\nsoak: the same steps again: make soak SEED=%d MINUTES=%g KEEP=1\n", err, o.seed, o.minutes)
		os.Exit(1)
	}
}

// options are what the command line says.
type options struct {
	bin, folder string
	minutes     float64
	seed        uint64
	keep        bool
}

// errInterrupted is returned when somebody ended the soak.
var errInterrupted = errors.New("interrupted; everything was taken down")

// pace is how long it is waited between two steps at most.
const pace = 120 * time.Millisecond
