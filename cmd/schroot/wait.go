package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"coppice.dev/cmd/schroot/internal/args"
	"coppice.dev/controller/budget"
	"coppice.dev/reconcile/fault"
	"coppice.dev/reconcile/layout"
	"coppice.dev/spec"
	"coppice.dev/status"
)

// How long is waited for a session to be ready and to be gone, and how often it
// is looked without a hint that something has changed.
const (
	settingUp = 10 * time.Minute
	ending    = time.Minute
	lookAgain = time.Second
	// bearable is how long a caller is held up without being told why: what is over
	// sooner, such as the look round of a daemon that has just started, is no news
	// to a person, and a word too much for the programs that read ours.
	bearable = 3 * time.Second
)

// awaited is asked each time that a session's status is looked at, nil for none,
// and says whether the wait is over.
type awaited func(*status.File) (bool, error)

// await waits until a session is as wanted. What is said of it meanwhile is the
// last status, nil for none.
func (f *front) await(ctx context.Context, label string, limit time.Duration, over awaited) error {
	dir := layout.Layout{Run: f.runDir}.Status()
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	changes, err := status.WatchOne(ctx, dir, spec.KindSession, label)
	if err != nil {
		return err
	}
	tick := time.NewTicker(lookAgain)
	defer tick.Stop()
	look := func() (*status.File, error) {
		file, err := status.Read(dir, spec.KindSession, label)
		if errors.Is(err, fs.ErrNotExist) {
			return nil, nil //nolint:nilnil // no status is an answer, not a mistake
		}
		return &file, err
	}
	last, err := look()
	for {
		if err != nil {
			return err
		}
		if done, err := over(last); done || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			if errors.Is(ctx.Err(), context.Canceled) {
				return context.Canceled
			}
			return fail("Nothing came of it within %s%s", limit, because(last))
		case change, open := <-changes:
			if open {
				last = change.File
			}
		case <-tick.C:
			last, err = look()
		}
	}
}

// because says how things are with a session.
func because(last *status.File) string {
	if last == nil {
		return ""
	}
	if c := last.Status.Condition(status.ConditionReady); c != nil && c.Message != "" {
		return ": " + c.Message
	}
	return ""
}

// patient are the reasons for which a session is not ready that go by themselves.
var patient = map[string]bool{
	status.ReasonNew: true, "WaitingForBase": true,
	status.ReasonSourceInUse: true, status.ReasonSourceOpen: true, string(fault.SourceHeld): true,
	budget.HostFull: true, // a full disk is for a person to mend
}

// ready waits until a session takes commands. It is given up as soon as something
// is wrong that does not go by itself: callers want to hear of it.
func (f *front) ready(ctx context.Context, label string) error {
	var why, told string
	var since time.Time
	return f.await(ctx, label, settingUp, func(last *status.File) (bool, error) {
		if last == nil {
			return false, nil
		}
		c := last.Status.Condition(status.ConditionReady)
		switch phase := last.Status.Phase; {
		case last.IsTrue(status.ConditionReady):
			return true, nil
		case c == nil || phase == status.Provisioning:
			return false, nil
		case patient[c.Reason]:
			if why != c.Message {
				why, since = c.Message, time.Now()
			}
			if c.Reason != status.ReasonNew && told != why && time.Since(since) >= bearable && !f.Quiet {
				told = why
				f.say("I", args.Message{Text: told})
			}
			return false, nil
		case phase == status.Failed, phase == status.Pending, last.IsTrue(status.ConditionStalled), phase == status.Terminating:
			return false, errors.New(c.Message)
		}
		return false, nil
	})
}

// gone waits until nothing is left of a session, and its name is free.
func (f *front) gone(ctx context.Context, label string) error {
	err := f.await(ctx, label, ending, func(last *status.File) (bool, error) { return last == nil, nil })
	if err != nil {
		return fmt.Errorf("it is not ended yet: %w", err)
	}
	return nil
}
