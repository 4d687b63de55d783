package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"coppice.dev/test/vm/machine"
	"coppice.dev/test/vm/wire"
)

// runCommand runs one program. A path names a file of the host, which is taken
// along; a bare name is one of the guest's.
func runCommand(ctx context.Context, args []string) (int, error) {
	flags := flag.NewFlagSet("run", flag.ExitOnError)
	limit := flags.Duration("limit", 10*time.Minute, "how long the machine may live")
	disk := flags.String("disk", "", "a `file` that is a disk, kept between runs; /dev/disk/by-id/virtio-kept in the guest")
	console := flags.String("console", "", "keep the kernel's words in this `file`")
	cpus := flags.Int("cpus", 2, "processors")
	env := flags.String("env", "", "`names` of variables that are passed on, separated by commas")
	quiet := flags.Bool("quiet", true, "do not say how long it took")
	_ = flags.Parse(args) // ends the program
	if flags.NArg() == 0 {
		return 2, errors.New("run what? `vm run PROGRAM ARGS...`")
	}
	k, err := newKit(ctx, false)
	if err != nil {
		return failed, err
	}
	defer k.close()
	files, err := k.sources()
	if err != nil {
		return failed, err
	}
	step := wire.Step{Args: flags.Args(), Dir: k.inside()}
	if strings.Contains(step.Args[0], "/") {
		from, err := exec.LookPath(step.Args[0])
		if err != nil {
			return failed, err
		}
		name := "bin/" + filepath.Base(from)
		files[name], step.Args[0] = from, wire.JobRoot+"/"+name
	}
	for name := range strings.SplitSeq(*env, ",") {
		if value, set := os.LookupEnv(name); set {
			step.Env = append(step.Env, name+"="+value)
		}
	}
	r := machine.Run{Image: k.image, Guest: k.guest, Files: files, Console: *console, CPUs: *cpus, Job: wire.Job{Steps: []wire.Step{step}}}
	if *disk != "" {
		r.Disks = map[string]string{wire.DiskKept: *disk}
	}
	if r.Console == "" {
		r.Console = filepath.Join(k.work, "console")
	}
	code := failed
	r.Said = func(m wire.Message) {
		switch {
		case m.Hello != nil && !*quiet:
			say("Linux %s, started in %v", m.Hello.Kernel, m.Hello.Boot.Round(10*time.Millisecond))
		case m.Output != nil:
			_, _ = os.Stdout.Write(m.Output.Data) // nobody left to tell
		case m.Done != nil:
			code = m.Done.Code
			if m.Done.Why != "" {
				say("%s: %s", step.Args[0], m.Done.Why)
			}
		}
	}
	limited, cancel := context.WithTimeoutCause(ctx, *limit, fmt.Errorf("it took longer than %v", *limit))
	defer cancel()
	began := time.Now()
	if err := r.Do(limited); err != nil {
		return failed, broken(err, r.Console)
	}
	if !*quiet {
		say("took %v", time.Since(began).Round(10*time.Millisecond))
	}
	return code, nil
}

// inside is the present folder in the guest, where it belongs to the module.
func (k *kit) inside() string {
	here, err := os.Getwd()
	if err != nil {
		return "/"
	}
	relative, err := filepath.Rel(k.module, here)
	if err != nil || !filepath.IsLocal(relative) {
		return "/"
	}
	return filepath.Join(wire.JobRoot, "src", relative)
}
