package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// The first thread lives as long as the program. What is started from another one
// would be told that its parent has died as soon as that thread goes (PR_SET_PDEATHSIG,
// prctl(2)), and threads with a table of mounts of their own go.
func init() { runtime.LockOSThread() }

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// inside is set in the environment of the process that is in the private table of
// mounts.
const inside = "COPPICE_BENCH_INSIDE"

func run() error {
	flags := flag.NewFlagSet("bench", flag.ExitOnError)
	rounds := flags.Int("rounds", 15, "how often each is measured")
	bin := flags.String("bin", "bin", "the folder with coppice, coppiced and schroot")
	only := flags.String("only", "", "measure those alone whose names contain this")
	existing := flags.String("existing", "", "how many sessions there are to be besides, as 10,100,1000; measures one more among them")
	idle := flags.Duration("idle", 10*time.Second, "with -existing: for how long the daemon is watched at doing nothing")
	out := flags.String("out", "", "a folder to write bench.md and bench.svg to")
	_ = flags.Parse(os.Args[1:]) // which ends the program
	if os.Getuid() != 0 {
		return errors.New("it makes mounts, and needs root")
	}
	if os.Getenv(inside) == "" {
		return again()
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	folder, err := filepath.Abs(*bin)
	if err != nil {
		return err
	}
	p, err := newPlace(folder)
	if err != nil {
		return err
	}
	defer p.clean()
	p.idle = *idle
	if *existing != "" {
		return p.among(ctx, numbers(*existing), *rounds)
	}
	results, err := p.compare(ctx, *only, *rounds)
	if err != nil {
		return err
	}
	text := table(results)
	fmt.Print("\n", text)
	if *out == "" {
		return nil
	}
	if err := os.MkdirAll(*out, 0o755); err != nil {
		return fmt.Errorf("write results: %w", err)
	}
	return errors.Join(
		os.WriteFile(filepath.Join(*out, "bench.md"), []byte(text), 0o644),
		os.WriteFile(filepath.Join(*out, "bench.svg"), []byte(plot(results)), 0o644))
}

// again runs this program in a table of mounts of its own.
func again() error {
	if err := eldest(); err != nil {
		return err
	}
	cmd := exec.Command("/proc/self/exe", os.Args[1:]...)
	cmd.Env = append(os.Environ(), inside+"=1")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
	err := cmd.Run()
	if failed, is := errors.AsType[*exec.ExitError](err); is {
		os.Exit(cmp.Or(failed.ExitCode(), 1))
	}
	return err
}

func numbers(text string) []int {
	var list []int
	for part := range strings.SplitSeq(text, ",") {
		if n, err := strconv.Atoi(strings.TrimSpace(part)); err == nil && n >= 0 {
			list = append(list, n)
		}
	}
	return list
}
