package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"coppice.dev/test/vm/machine"
	"coppice.dev/test/vm/wire"
)

// crashCommand runs the enumeration of crashes, of the kinds that need a kernel
// with device-mapper, or with quotas, if no others are named.
func crashCommand(ctx context.Context, args []string) (int, error) {
	flags := flag.NewFlagSet("crash", flag.ExitOnError)
	kinds := flags.String("kinds", "lvm-thick,lvm-thin,counted", "the `kinds` of session, separated by commas")
	most := flags.Int("most", 0, "try that many calls of each phase only (default all)")
	limit := flags.Duration("limit", time.Hour, "how long the machine may live")
	fresh := flags.Bool("fresh", false, "run it though it passed before and nothing has changed")
	_ = flags.Parse(args) // ends the program
	k, err := newKit(ctx, false)
	if err != nil {
		return failed, err
	}
	defer k.close()
	if err := k.build(ctx, "build", "-trimpath", "-buildvcs=false", "-o", k.commands()+"/", "./cmd/...", "./test/crash"); err != nil {
		return failed, err
	}
	key, err := k.key("crash", *kinds, strconv.Itoa(*most))
	if err != nil {
		return failed, err
	}
	if !*fresh && k.passed(key) {
		say("crashes of %s: passed before", *kinds)
		return 0, nil
	}
	env, err := k.patience(ctx)
	if err != nil {
		return failed, err
	}
	step := wire.Step{
		Name: "crash", Timeout: *limit, Dir: "/", Env: env,
		Args: []string{wire.JobRoot + "/commands/crash", "-daemon", wire.JobRoot + "/commands/coppiced", "-kinds", *kinds, "-most", strconv.Itoa(*most)},
	}
	code, began := failed, time.Now()
	console := filepath.Join(k.work, "console")
	r := machine.Run{
		Image: k.image, Guest: k.guest, Job: wire.Job{Steps: []wire.Step{step}}, Console: console, Megabytes: 3072,
		Files: map[string]string{"commands": k.commands()},
		Said: func(m wire.Message) {
			switch {
			case m.Output != nil:
				_, _ = os.Stdout.Write(m.Output.Data) // nobody left to tell
			case m.Done != nil:
				code = m.Done.Code
			}
		},
	}
	limited, cancel := context.WithTimeoutCause(ctx, *limit, fmt.Errorf("it took longer than %v", *limit))
	defer cancel()
	if err := r.Do(limited); err != nil {
		return failed, broken(err, console)
	}
	say("crashes of %s on Linux %s took %v", *kinds, k.image.Release, time.Since(began).Round(time.Second))
	if code == 0 {
		k.remember(key)
	}
	return code, nil
}
