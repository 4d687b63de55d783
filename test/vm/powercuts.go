package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"time"

	"coppice.dev/test/vm/machine"
	"coppice.dev/test/vm/wire"
)

// errCut is the reason for the end of a machine whose power was cut.
var errCut = errors.New("the power was cut")

// powercutCommand cuts the power at random moments under load, and reboots in
// order, and wants everything to be back that must be.
func powercutCommand(ctx context.Context, args []string) (int, error) {
	flags := flag.NewFlagSet("powercut", flag.ExitOnError)
	cuts := flags.Int("n", 20, "how many times the power is cut")
	reboots := flags.Int("reboots", 2, "how many times the machine is started again in order")
	longest := flags.Duration("longest", 15*time.Second, "how long the load goes on at most before the power is cut; four times that on an emulated processor")
	seed := flags.Uint64("seed", 0, "decides the moments; drawn if 0")
	fresh := flags.Bool("fresh", false, "run it though it passed before and nothing has changed")
	keep := flags.String("keep", "", "keep the disk and what was said in this `folder`")
	_ = flags.Parse(args) // ends the program
	k, err := newKit(ctx, false)
	if err != nil {
		return failed, err
	}
	defer k.close()
	if err := k.build(ctx, "build", "-trimpath", "-buildvcs=false", "-o", k.commands()+"/", "./cmd/...", "./test/vm/powercut"); err != nil {
		return failed, err
	}
	key, err := k.key("powercut", fmt.Sprint(*cuts, *reboots, *longest, *seed))
	if err != nil {
		return failed, err
	}
	if !*fresh && k.passed(key) {
		say("%d power cuts: survived before", *cuts)
		return 0, nil
	}
	if *seed == 0 {
		*seed = rand.Uint64N(1e6) + 1
	}
	folder := *keep
	if folder == "" {
		folder = k.work
	} else if err := os.MkdirAll(folder, 0o755); err != nil {
		return failed, err
	}
	if accel, err := machine.Accel(ctx, k.image, k.guest); err != nil {
		return failed, err
	} else if accel == machine.AccelTCG {
		*longest *= slowness
	}
	c := &cutter{kit: k, folder: folder, disk: filepath.Join(folder, "kept.img"), random: rand.New(rand.NewPCG(*seed, 0))}
	began := time.Now()
	say("cutting the power %d times, seed %d", *cuts, *seed)
	err = c.all(ctx, *cuts, *reboots, *longest)
	say("%d power cuts and %d reboots survived in %v: %s", c.cuts, c.reboots, time.Since(began).Round(time.Second), c.figures())
	if err != nil {
		return 1, broken(err, c.console())
	}
	k.remember(key)
	return 0, nil
}

// cutter is the witness: it keeps what was said to be safe.
type cutter struct {
	*kit
	folder, disk  string
	random        *rand.Rand
	told          bytes.Buffer
	cuts, reboots int
	sweeps        []string // what the checks after each start said
}

func (c *cutter) console() string { return filepath.Join(c.folder, "console") }

func (c *cutter) all(ctx context.Context, cuts, reboots int, longest time.Duration) error {
	if err := machine.Blank(c.disk, 6<<30); err != nil {
		return err
	}
	if err := machine.Format(ctx, c.disk); err != nil {
		return err
	}
	if err := c.start(ctx, 0, []string{"prepare"}); err != nil {
		return fmt.Errorf("prepare: %w", err)
	}
	for i := range cuts {
		after := time.Duration(c.random.Int64N(int64(longest)))
		err := c.start(ctx, after, []string{"verify"}, []string{"load"})
		if !errors.Is(err, errCut) {
			return fmt.Errorf("before power cut %d: %w", i+1, err)
		}
		c.cuts++
	}
	for i := range reboots {
		if err := c.start(ctx, 0, []string{"verify"}, []string{"-for", "5s", "load"}); err != nil {
			return fmt.Errorf("before reboot %d: %w", i+1, err)
		}
		c.reboots++
	}
	return c.start(ctx, 0, []string{"verify"}, []string{"end"})
}

// start starts the machine to do these things one after the other. With a time,
// the power is cut when the load has gone on for that long.
func (c *cutter) start(ctx context.Context, cut time.Duration, phases ...[]string) error {
	told := filepath.Join(c.folder, "told")
	if err := os.WriteFile(told, c.told.Bytes(), 0o644); err != nil {
		return err
	}
	env, err := c.patience(ctx)
	if err != nil {
		return err
	}
	var job wire.Job
	for _, phase := range phases {
		args := append([]string{wire.JobRoot + "/commands/powercut", "-bin", wire.JobRoot + "/commands", "-told", wire.JobRoot + "/told"}, phase...)
		job.Steps = append(job.Steps, wire.Step{Name: phase[len(phase)-1], Args: args, Timeout: 10 * time.Minute, Env: env})
	}
	ctx, end := context.WithCancelCause(ctx)
	defer end(nil)
	limit := time.AfterFunc(20*time.Minute, func() { end(errors.New("it took longer than 20 minutes")) })
	defer limit.Stop()
	var wrong error
	var line bytes.Buffer
	err = machine.Run{
		Image: c.image, Guest: c.guest, Job: job, Console: c.console(), Megabytes: 1536,
		Files: map[string]string{"commands": c.commands(), "told": told},
		Disks: map[string]string{wire.DiskKept: c.disk},
		Said: func(m wire.Message) {
			switch {
			case m.Output != nil:
				line.Write(m.Output.Data)
				c.hear(&line, func() {
					if cut > 0 {
						time.AfterFunc(cut, func() { end(errCut) })
					}
				})
			case m.Done != nil && m.Done.Code != 0 && wrong == nil:
				wrong = fmt.Errorf("%s failed: %s\n%s", job.Steps[m.Done.Step].Name, m.Done.Why, line.Bytes())
				end(wrong)
			}
		},
	}.Do(ctx)
	if wrong != nil {
		return wrong
	}
	return err
}

// hear takes in the whole lines of what was said.
func (c *cutter) hear(said *bytes.Buffer, loading func()) {
	for {
		text := said.Bytes()
		end := bytes.IndexByte(text, '\n')
		if end < 0 {
			return
		}
		line := string(text[:end])
		word, _, _ := strings.Cut(line, " ")
		switch word {
		case "try", "want", "data", "drop", "dropped":
			fmt.Fprintln(&c.told, line)
		case "#":
			fmt.Println(line)
			c.sweeps = append(c.sweeps, line)
			if line == "# load begins" {
				loading()
			}
		default:
			return // words of an error, kept for who asks
		}
		said.Next(end + 1)
	}
}

// figures count what was done.
func (c *cutter) figures() string {
	counts := map[string]int{}
	for line := range strings.Lines(c.told.String()) {
		word, _, _ := strings.Cut(line, " ")
		counts[word]++
	}
	return fmt.Sprintf("%d sessions made, %d deleted, %d pieces of data synced", counts["want"], counts["dropped"], counts["data"])
}
