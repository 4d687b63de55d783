package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"coppice.dev/status"
)

// How long it may take to pack an archive, and how long those inside have to
// leave before.
const (
	packing = time.Hour
	leaving = 15 * time.Second
)

// save packs what was written into an archive into its place, and waits for it.
func (f *front) save(ctx context.Context, s selected) error {
	before, err := f.client.Get(ctx, "sessions", s.label)
	if err != nil {
		return err
	}
	if before.Status.Phase == status.Terminating {
		return nil // somebody else has ended it
	}
	n, err := f.client.Save(ctx, s.label)
	if err != nil {
		return err
	}
	began := time.Now()
	err = f.await(ctx, s.label, packing, func(last *status.File) (bool, error) {
		switch {
		case last == nil || last.Status.Phase == status.Terminating:
			return false, errors.New("it was ended meanwhile")
		case last.Status.Saved >= n:
			return true, nil
		case last.Metadata.Generation <= before.Metadata.Generation || last.Status.ObservedGeneration < last.Metadata.Generation:
			return false, nil // what it tells is of before
		case last.IsTrue(status.ConditionStalled):
			return false, errors.New(last.Status.Condition(status.ConditionStalled).Message)
		case last.Status.NextRetry != nil:
			return false, errors.New(last.Status.Condition(status.ConditionReconciling).Message)
		case len(last.Status.Leases) > 0 && time.Since(began) > leaving:
			return false, fmt.Errorf("somebody is inside: process %d, %s", last.Status.Leases[0].PID, last.Status.Leases[0].Command)
		}
		return false, nil
	})
	if err != nil {
		return fail("%s: What was written is not packed into its archive: %v; the session is kept, and ends without that with --force", s.Name.Name, err)
	}
	return nil
}
