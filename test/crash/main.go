// Command crash proves that coppiced may be killed at any moment: for each kind
// of session it ends the daemon with SIGKILL before, during and after every
// system call that changes the world while a session begins, changes, is
// repaired and ends, starts it again with an empty memory, and compares what is
// there with what an undisturbed run leaves: mounts in every namespace, loop
// devices, subvolumes, folders, cgroups, and what the status files say. Then it
// has everything taken down and proves that the host is as it was.
//
// All of it happens below a folder of its own, which is removed at the end; it
// needs root. It prints what it tried, and exits with 1 if anything was off.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"strings"
	"syscall"

	"coppice.dev/test/crash/tracer"
)

func main() {
	tracer.Main()
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "crash:", err)
		os.Exit(1)
	}
}

func run() error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	var p proof
	var kinds, phases string
	flag.StringVar(&p.daemon, "daemon", "bin/coppiced", "the daemon to try")
	flag.StringVar(&kinds, "kinds", "", "only these kinds of session, separated by commas: "+strings.Join(names(), ", "))
	flag.StringVar(&phases, "phases", "", "only these phases, separated by commas: begin, update, repair, end")
	flag.IntVar(&p.most, "most", 0, "try that many calls of each phase only, spread evenly (default all)")
	flag.IntVar(&p.jobs, "jobs", runtime.NumCPU(), "how much is tried at the same time")
	flag.StringVar(&p.folder, "folder", os.TempDir(), "where to work")
	flag.Parse()
	if err := p.choose(kinds, phases); err != nil {
		return err
	}
	p.progress = func(line string) { fmt.Println(line) }
	report, err := p.run(ctx)
	fmt.Print(report)
	return err
}
