package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"coppice.dev/test/vm/machine"
	"coppice.dev/test/vm/wire"
)

// packageCommand makes the packages, and has them installed, used, upgraded and
// removed by the scripts of test/package, on a Debian with systemd. Each folder there
// is one life of the machine, from its start to its end; the disk stays.
func packageCommand(ctx context.Context, args []string) (int, error) {
	flags := flag.NewFlagSet("package", flag.ExitOnError)
	limit := flags.Duration("limit", 30*time.Minute, "how long each life of the machine may take")
	fresh := flags.Bool("fresh", false, "run it though it passed before and nothing has changed")
	keep := flags.String("keep", "", "keep the disk, the consoles and the packages in this `folder`, and use the packages that are there")
	all := flags.Bool("all", false, "go on after a step that failed")
	run := flags.String("run", "", "only the scripts whose names match this `pattern`; nothing is remembered")
	_ = flags.Parse(args) // ends the program
	chosen, err := regexp.Compile(*run)
	if err != nil {
		return 2, err
	}
	began := time.Now()
	k, err := newKit(ctx, false)
	if err != nil {
		return failed, err
	}
	defer k.close()
	if err := k.build(ctx, "build", "-trimpath", "-buildvcs=false", "-o", k.commands()+"/", "./cmd/..."); err != nil {
		return failed, err
	}
	key, err := k.key("package")
	if err != nil {
		return failed, err
	}
	if !*fresh && *run == "" && k.passed(key) {
		say("the packages: passed before")
		return 0, nil
	}
	s, err := k.newSystem(ctx, *keep)
	if err != nil {
		return failed, err
	}
	s.all = *all
	if err := s.packages(ctx); err != nil {
		return failed, err
	}
	prepared := time.Since(began)
	lives, err := filepath.Glob(filepath.Join(k.module, "test/package/[0-9]*"))
	if err != nil {
		return failed, err
	}
	worst := 0
	for _, life := range lives {
		scripts, err := filepath.Glob(filepath.Join(life, "*.sh"))
		if err != nil {
			return failed, err
		}
		var steps []wire.Step
		for _, script := range scripts {
			name, err := filepath.Rel(filepath.Join(k.module, "test/package"), script)
			if err != nil {
				return failed, err
			}
			if !chosen.MatchString(name) {
				continue
			}
			steps = append(steps, wire.Step{Name: name, Args: []string{"/bin/bash", "-euo", "pipefail", wire.JobRoot + "/package/" + name}})
		}
		if len(steps) == 0 {
			continue
		}
		files := map[string]string{"package": filepath.Join(k.module, "test/package"), "debs": s.debs, "newer": s.newer}
		if code, err := s.start(ctx, *limit, filepath.Base(life), files, steps, io.Discard); err != nil || code != 0 && !s.all {
			return code, err
		} else if code != 0 {
			worst = code
		}
	}
	if worst != 0 {
		return worst, nil
	}
	say("the packages passed in %v, of which %v were for making them", time.Since(began).Round(time.Second), prepared.Round(time.Second))
	if *run == "" {
		k.remember(key)
	}
	return 0, nil
}

// ofSystem is a machine with a system of its own.
type ofSystem struct {
	*kit
	folder, disk string
	debs, newer  string // folders with the packages, and with the same of a higher version
	all          bool   // go on after a step that failed
}

// newSystem takes a copy of the system's disk, in the folder or in one that is removed.
func (k *kit) newSystem(ctx context.Context, keep string) (*ofSystem, error) {
	master, err := machine.EnsureSystem(ctx, k.image, say)
	if err != nil {
		return nil, err
	}
	s := &ofSystem{kit: k, folder: k.work}
	if keep != "" {
		if err := os.MkdirAll(keep, 0o755); err != nil {
			return nil, err
		}
		s.folder = keep
	}
	s.disk, s.debs, s.newer = filepath.Join(s.folder, "system.ext4"), filepath.Join(s.folder, "debs"), filepath.Join(s.folder, "newer")
	return s, machine.CopyDisk(ctx, master, s.disk)
}

// packages makes the packages in both versions. They hold the same programs, and are
// compressed in haste.
func (s *ofSystem) packages(ctx context.Context) error {
	version := exec.CommandContext(ctx, filepath.Join(s.module, "packaging/deb/version"))
	version.Dir = s.module
	text, err := version.Output()
	if err != nil {
		return fmt.Errorf("find the packages' version: %w", err)
	}
	now := strings.TrimSpace(string(text))
	for folder, number := range map[string]string{s.debs: now, s.newer: now + "+upgrade"} {
		if found, err := filepath.Glob(filepath.Join(folder, "*.deb")); err != nil || len(found) == 2 {
			continue
		}
		build := exec.CommandContext(ctx, filepath.Join(s.module, "packaging/deb/build"), folder)
		build.Dir, build.Env = s.module, append(os.Environ(), "DEB_VERSION="+number, "VERSION="+now, "DEB_COMPRESSION=-Zgzip -z1")
		if out, err := build.CombinedOutput(); err != nil {
			return fmt.Errorf("make the packages: %w\n%s", err, out)
		}
	}
	return nil
}

// errStep ends a machine one of whose steps has failed.
var errStep = errors.New("a step failed")

// start starts the machine for some steps, tells what they say, and ends it when one
// of them fails.
func (s *ofSystem) start(ctx context.Context, limit time.Duration, name string, files map[string]string, steps []wire.Step, said io.Writer) (int, error) {
	console := filepath.Join(s.folder, "console-"+name)
	limited, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("it took longer than %v", limit))
	defer cancel()
	limited, end := context.WithCancelCause(limited)
	defer end(nil)
	code, began := 0, time.Now()
	for i := range steps {
		steps[i].Timeout = limit
	}
	err := machine.Run{
		Image: s.image, Guest: s.guest, System: s.disk, Job: wire.Job{Steps: steps}, Console: console, Megabytes: 1536, Files: files,
		Said: func(m wire.Message) {
			switch {
			case m.Hello != nil:
				say("%s: Linux %s and systemd started in %v", name, m.Hello.Kernel, m.Hello.Boot.Round(100*time.Millisecond))
			case m.Output != nil:
				_, _ = io.MultiWriter(os.Stdout, said).Write(m.Output.Data) // nobody left to tell
			case m.Done != nil && m.Done.Code != 0:
				say("%s failed with %d after %v %s", steps[m.Done.Step].Name, m.Done.Code, m.Done.Took.Round(time.Second), m.Done.Why)
				code = m.Done.Code
				if !s.all {
					end(errStep)
				}
			case m.Done != nil:
				say("%s took %v", steps[m.Done.Step].Name, m.Done.Took.Round(100*time.Millisecond))
			}
		},
	}.Do(limited)
	switch {
	case errors.Is(err, errStep):
		return code, nil
	case err != nil:
		return failed, broken(err, console)
	}
	say("%s took %v", name, time.Since(began).Round(time.Second))
	return code, nil
}
