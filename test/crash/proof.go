package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"time"

	"coppice.dev/test/built"
	"coppice.dev/test/crash/tracer"
)

// proof is what is to be tried.
type proof struct {
	daemon string
	folder string
	kinds  []kind
	phases []phase
	// most is how many calls of one phase of one kind are tried, spread evenly;
	// 0 for all of them.
	most     int
	jobs     int
	progress func(line string)
}

// limit is the most that all of one point may take: a daemon that hangs is a
// fault, too.
var limit = built.Moment(2 * time.Minute)

// faultsKept is how many faults of one part are told before it is given up.
const faultsKept = 3

// choose takes the names from the command line; none are all.
func (p *proof) choose(kindNames, phaseNames string) error {
	p.kinds, p.phases = slices.DeleteFunc(slices.Clone(kinds), func(k kind) bool { return k.mapped && !mapper() || k.counts && !counting() }), allPhases
	if kindNames != "" {
		p.kinds = nil
		for name := range strings.SplitSeq(kindNames, ",") {
			i := slices.IndexFunc(kinds, func(k kind) bool { return k.name == name })
			if i < 0 {
				return fmt.Errorf("there is no kind %q; there are %s", name, strings.Join(names(), ", "))
			}
			p.kinds = append(p.kinds, kinds[i])
		}
	}
	if phaseNames != "" {
		p.phases = nil
		for name := range strings.SplitSeq(phaseNames, ",") {
			if !slices.Contains(allPhases, phase(name)) {
				return fmt.Errorf("there is no phase %q; there are %v", name, allPhases)
			}
			p.phases = append(p.phases, phase(name))
		}
	}
	return nil
}

// mapper reports whether the kernel has device-mapper.
func mapper() bool { _, err := os.Stat("/sys/class/misc/device-mapper"); return err == nil }

// counting reports whether the kernel knows quotas as file systems keep them today.
func counting() bool {
	return exec.Command("modprobe", "--quiet", "--dry-run", "quota_v2").Run() == nil
}

// part is one phase of one kind.
type part struct {
	kind  kind
	phase phase
}

// run tries everything, several parts at the same time.
func (p *proof) run(ctx context.Context) (*report, error) {
	r := &report{}
	todo := make(chan part)
	var workers sync.WaitGroup
	for range max(1, p.jobs) {
		workers.Go(func() {
			for part := range todo {
				t := p.try(ctx, part)
				r.add(t)
				p.progress(t.line())
				for _, f := range t.faults {
					p.progress(f)
				}
			}
		})
	}
	for _, k := range p.kinds {
		for _, f := range p.phases {
			todo <- part{k, f}
		}
	}
	close(todo)
	workers.Wait()
	if ctx.Err() != nil {
		return r, context.Cause(ctx)
	}
	return r, r.verdict()
}

// try enumerates the points of one part.
func (p *proof) try(ctx context.Context, part part) (t tally) {
	t = tally{part: part, points: points{}, began: time.Now()}
	h, err := newHost(p.folder, p.daemon, part.kind)
	if err != nil {
		t.fault("prepare", err)
		return t
	}
	defer func() {
		if err := h.remove(); err != nil {
			t.fault("clean up", err)
		}
		t.took = time.Since(t.began)
	}()
	w, err := h.witness(ctx, part.phase)
	if err != nil {
		t.fault("undisturbed", err)
		return t
	}
	stride := 1
	if p.most > 0 {
		stride = max(1, w.calls/p.most)
	}
	for call := 1 + stride/2; ; call += stride {
		for i, when := range []tracer.When{tracer.Before, tracer.After, tracer.During} {
			if ctx.Err() != nil || len(t.faults) >= faultsKept {
				return t
			}
			at := tracer.Point{Call: call, When: when}
			next := recovers
			switch (call + i) % 3 { // each of the three for each call, with another of the three points
			case 0:
				next = recoversTwice
			case 1:
				next = isDeleted
			}
			over, err := p.point(ctx, h, w, at, next, &t)
			if err != nil {
				t.fault(at.String(), err)
			}
			if over {
				t.calls = w.calls
				return t
			}
		}
	}
}

// sequel is what happens after a crash.
type sequel int

const (
	// recovers: the daemon is started again.
	recovers sequel = iota
	// recoversTwice: it is killed once more, somewhere else each time.
	recoversTwice
	// isDeleted: the manifests are gone when it is started again, so that nobody
	// but the world remembers what was begun.
	isDeleted
)

// point tries one point. It is over when the run ended before it got there.
func (p *proof) point(ctx context.Context, h *host, w witness, at tracer.Point, next sequel, t *tally) (over bool, err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("it took longer than %s", limit))
	defer cancel()
	killed := ""
	defer func() {
		if failed := h.restore(ctx, w); failed != nil {
			err = errors.Join(err, fmt.Errorf("%s%w", killed, failed))
		}
	}()
	if err := h.before(ctx, w.phase); err != nil {
		return false, fmt.Errorf("prepare: %w", err)
	}
	result, err := h.crash(ctx, at)
	if err != nil {
		return false, err
	}
	if !result.Killed {
		if when := at.When; when != tracer.Before {
			return false, nil // the calls differ in number a little from run to run
		}
		return true, h.compare(w.after, "an undisturbed run")
	}
	t.points[at.When]++
	killed = fmt.Sprintf("killed at %q: ", result.Last())
	if next == isDeleted {
		t.deleted++
		return false, nil
	}
	if next == recoversTwice {
		second, err := h.crash(ctx, tracer.Point{Call: 1 + at.Call*7%w.calls, When: at.When})
		if err != nil {
			return false, fmt.Errorf("killed at %q, and restarted to be killed again: %w", result.Last(), err)
		}
		if second.Killed {
			t.twice++
			result.Calls = append(result.Calls, second.Last()+" (of the recovery)")
		}
	}
	if err := h.converge(ctx); err != nil {
		return false, fmt.Errorf("killed at %q, and restarted: %w", result.Last(), err)
	}
	if err := h.compare(w.after, "after a crash and a restart"); err != nil {
		return false, fmt.Errorf("killed at %q: %w", result.Last(), err)
	}
	return false, nil
}

// compare compares the world with what it ought to be.
func (h *host) compare(want, what string) error {
	got, err := h.settled(want)
	if err != nil {
		return err
	}
	if got != want {
		return fmt.Errorf("%s the world is another:\n%s", what, difference(want, got))
	}
	return nil
}

// settled returns the world when it is as wanted, or after a while: the kernel
// lets go of devices and namespaces in its own time.
func (h *host) settled(want string) (string, error) {
	for deadline := time.Now().Add(built.Moment(3 * time.Second)); ; {
		got, err := h.world()
		if err != nil || got == want || time.Now().After(deadline) {
			return got, err
		}
		time.Sleep(20 * time.Millisecond)
	}
}
