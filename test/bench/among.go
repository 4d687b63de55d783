package main

import (
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	"coppice.dev/status"
)

// amid is what is measured while there are so many sessions.
type amid struct {
	count, more        int
	made               time.Duration
	begin, exec, end   time.Duration
	burden             time.Duration // the daemon's CPU time for one that begins, runs true and ends
	repair             time.Duration
	again, againBurden time.Duration
	resync             time.Duration // the daemon's CPU time for one
	wakes              int
	memory             string
}

const amidHead = `| sessions | made in | begin | exec true | end | CPU of all three | repaired in | found again in | CPU of that | CPU of a resync | wake-ups | memory |
| ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |
`

func (a amid) String() string {
	return fmt.Sprintf("| %d | %s (%d more) | %s | %s | %s | %s | %s | %s | %s | %s | %d | %s |", a.count, rounded(a.made), a.more,
		cell(a.begin, 0), cell(a.exec, 0), cell(a.end, 0), cell(a.burden, 0), cell(a.repair, 0), rounded(a.again), rounded(a.againBurden), rounded(a.resync), a.wakes, a.memory)
}

func rounded(d time.Duration) time.Duration { return d.Round(time.Millisecond) }

// among measures one more session while there are others, and how long it took to
// make these, to repair one, to find them again after a restart, and what the daemon
// needs to look at all and to do nothing.
func (p *place) among(ctx context.Context, counts []int, rounds int) error {
	p.resync = never
	subjects, err := p.coppice(ctx)
	if err != nil {
		return err
	}
	phases, err := follow(ctx, p.path("run", "status"))
	if err != nil {
		return err
	}
	fmt.Print(amidHead)
	there := 0
	for _, count := range counts {
		a := amid{count: count, more: count - there}
		if a.made, err = p.grow(ctx, phases, there, count); err != nil {
			return err
		}
		there = max(there, count)
		for _, step := range []func() error{
			func() error { return p.oneMore(ctx, &a, subjects[0], rounds) },
			func() (err error) { a.repair, err = p.repairs(ctx, rounds); return err },
			func() error { return p.restarts(ctx, &a, phases) },
			func() error { return p.rests(ctx, &a) },
		} {
			if err := step(); err != nil {
				return err
			}
		}
		a.memory = p.memory()
		fmt.Println(a)
	}
	return nil
}

// grow makes sessions until there are so many.
func (p *place) grow(ctx context.Context, phases *phases, from, to int) (time.Duration, error) {
	began := time.Now()
	var more []string
	for n := from; n < to; n++ {
		name := fmt.Sprintf("e%d", n)
		if err := p.manifest(name); err != nil {
			return 0, err
		}
		more = append(more, name)
	}
	err := phases.until(ctx, status.Ready, more...)
	return time.Since(began), err
}

func (p *place) oneMore(ctx context.Context, a *amid, one subject, rounds int) error {
	r := &result{}
	var burdens []time.Duration
	for round := range rounds + 1 {
		before := p.burden()
		if err := r.once(ctx, one, round); err != nil {
			return err
		}
		burdens = append(burdens, p.burden()-before)
	}
	a.begin, a.exec, a.end, a.burden = median(r.begin), median(r.exec), median(r.end), median(burdens)
	return nil
}

// restarts ends the daemon and starts another; it finds how long it takes until
// that has looked at all sessions, of which a new one at the end of the line tells.
func (p *place) restarts(ctx context.Context, a *amid, phases *phases) error {
	p.stop()
	began := time.Now()
	if err := p.start(ctx); err != nil {
		return err
	}
	const last = "zzz"
	if err := p.manifest(last); err != nil {
		return err
	}
	if err := phases.until(ctx, status.Ready, last); err != nil {
		return err
	}
	a.again, a.againBurden = time.Since(began), p.burden()
	if err := os.Remove(p.path("m", last+".yaml")); err != nil {
		return err
	}
	return phases.until(ctx, "", last)
}

// never is for a daemon that is to do nothing without a cause.
const never = time.Hour

// rests measures a resync in which there is nothing to do, and what happens while
// nothing does.
func (p *place) rests(ctx context.Context, a *amid) error {
	every := max(4*time.Second, time.Duration(a.count)*4*time.Millisecond)
	p.stop()
	p.resync = every
	defer func() { p.resync = never }()
	if err := p.start(ctx); err != nil {
		return err
	}
	// A resync is spread over half of the time between two.
	for _, into := range []*time.Duration{nil, &a.resync} {
		before := p.burden()
		if err := p.sleep(ctx, 2*every-every/4); err != nil {
			return err
		}
		if into != nil {
			*into = (p.burden() - before) * 4 / 7
		}
	}
	p.stop()
	p.resync = never
	if err := p.start(ctx); err != nil {
		return err
	}
	if err := p.sleep(ctx, every); err != nil {
		return err
	}
	before := p.wakes()
	if err := p.sleep(ctx, p.idle); err != nil {
		return err
	}
	a.wakes = p.wakes() - before
	return nil
}

func (p *place) sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(d):
		return nil
	}
}

// memory is what the daemon holds now, as the kernel tells: with its program, and
// without.
func (p *place) memory() string {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.daemon.Process.Pid))
	if err != nil {
		return err.Error()
	}
	var parts []string
	for _, name := range []string{"VmRSS:", "RssAnon:"} {
		for line := range strings.Lines(string(text)) {
			if value, is := strings.CutPrefix(line, name); is {
				parts = append(parts, strings.TrimSpace(value))
			}
		}
	}
	return strings.Join(parts, ", ")
}
