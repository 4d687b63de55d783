package main

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"
)

// subject is what is measured. A step that it has not is nil.
type subject struct {
	name, about      string
	begin, exec, end func(ctx context.Context, session string) error
	// whole is a session that begins, runs true and ends in one, for those that have
	// no other.
	whole func(ctx context.Context) error
}

// result are the times of a subject.
type result struct {
	name, about             string
	begin, exec, end, cycle []time.Duration
	failed                  error
}

func (r *result) add(to *[]time.Duration, step func() error) (time.Duration, error) {
	began := time.Now()
	err := step()
	took := time.Since(began)
	if err == nil && to != nil {
		*to = append(*to, took)
	}
	return took, err
}

// once measures one session. The first is not counted: it warms up.
func (r *result) once(ctx context.Context, s subject, round int) error {
	into := r
	if round == 0 {
		into = &result{}
	}
	if s.whole != nil {
		_, err := into.add(&into.cycle, func() error { return s.whole(ctx) })
		return err
	}
	name := fmt.Sprintf("b%d", round)
	var cycle time.Duration
	for _, step := range []struct {
		to *[]time.Duration
		do func(context.Context, string) error
	}{{&into.begin, s.begin}, {&into.exec, s.exec}, {&into.end, s.end}} {
		took, err := into.add(step.to, func() error { return step.do(ctx, name) })
		if err != nil {
			return err
		}
		cycle += took
	}
	into.cycle = append(into.cycle, cycle)
	return nil
}

// compare measures all subjects in turns.
func (p *place) compare(ctx context.Context, only string, rounds int) ([]*result, error) {
	subjects, err := p.subjects(ctx)
	if err != nil {
		return nil, err
	}
	subjects = slices.DeleteFunc(subjects, func(s subject) bool { return !strings.Contains(s.name, only) })
	results := make([]*result, len(subjects))
	for i, s := range subjects {
		results[i] = &result{name: s.name, about: s.about}
	}
	for round := range rounds + 1 {
		for i, s := range subjects {
			if results[i].failed != nil {
				continue
			}
			if err := results[i].once(ctx, s, round); ctx.Err() != nil {
				return nil, context.Cause(ctx)
			} else if err != nil {
				fmt.Fprintf(os.Stderr, "%s: %v\n", s.name, err)
				results[i].failed = err
			}
		}
		fmt.Fprintf(os.Stderr, "\rround %d of %d", round, rounds)
	}
	fmt.Fprintln(os.Stderr)
	return results, nil
}
