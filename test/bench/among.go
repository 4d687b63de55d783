package main

import (
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	"coppice.dev/status"
)

// among measures one more session while there are others, and how long it took to
// make these, to find them again after a restart, and what the daemon needs.
func (p *place) among(ctx context.Context, counts []int, rounds int) error {
	subjects, err := p.coppice(ctx)
	if err != nil {
		return err
	}
	one := subjects[0]
	phases, err := follow(ctx, p.path("run", "status"))
	if err != nil {
		return err
	}
	fmt.Println("| sessions | made in | begin | exec true | end | found again in | memory |\n| ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
	there := 0
	for _, count := range counts {
		began := time.Now()
		var more []string
		for ; there < count; there++ {
			name := fmt.Sprintf("e%d", there)
			if err := p.manifest(name); err != nil {
				return err
			}
			more = append(more, name)
		}
		if err := phases.until(ctx, status.Ready, more...); err != nil {
			return err
		}
		made := time.Since(began)
		r := &result{}
		for round := range rounds + 1 {
			if err := r.once(ctx, one, round); err != nil {
				return err
			}
		}
		memory := p.memory()
		again, err := p.restart(ctx, phases)
		if err != nil {
			return err
		}
		fmt.Printf("| %d | %s (%d more) | %s | %s | %s | %s | %s |\n", count, made.Round(time.Millisecond), len(more),
			cell(median(r.begin), 0), cell(median(r.exec), 0), cell(median(r.end), 0), again.Round(time.Millisecond), memory)
	}
	return nil
}

// restart ends the daemon and starts another; it returns how long it takes until
// that has looked at all sessions, of which a new one at the end of the line tells.
func (p *place) restart(ctx context.Context, phases *phases) (time.Duration, error) {
	p.stop()
	began := time.Now()
	if err := p.start(ctx); err != nil {
		return 0, err
	}
	const last = "zzz"
	if err := p.manifest(last); err != nil {
		return 0, err
	}
	if err := phases.until(ctx, status.Ready, last); err != nil {
		return 0, err
	}
	took := time.Since(began)
	if err := os.Remove(p.path("m", last+".yaml")); err != nil {
		return 0, err
	}
	return took, phases.until(ctx, "", last)
}

// memory is what the daemon holds now, as the kernel tells.
func (p *place) memory() string {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.daemon.Process.Pid))
	if err != nil {
		return err.Error()
	}
	for line := range strings.Lines(string(text)) {
		if value, is := strings.CutPrefix(line, "VmRSS:"); is {
			return strings.TrimSpace(value)
		}
	}
	return ""
}
