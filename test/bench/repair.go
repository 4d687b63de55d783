package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"coppice.dev/reconcile/kernel/enter"
)

// repairs measures how long it takes until a mount that somebody took away inside a
// session is back.
func (p *place) repairs(ctx context.Context, rounds int) (time.Duration, error) {
	pins, err := filepath.Glob(p.path("run", "ns", "e0", "*"))
	if err != nil || len(pins) != 1 {
		return 0, fmt.Errorf("look for the pin of session e0: %v, %w", pins, err)
	}
	pin, err := os.Open(pins[0])
	if err != nil {
		return 0, err
	}
	defer pin.Close()
	var took []time.Duration
	for range rounds {
		err := enter.Do(pin, func(enter.Thread) error {
			began := time.Now()
			if err := unix.Unmount("/home", unix.MNT_DETACH); err != nil {
				return fmt.Errorf("unmount /home inside: %w", err)
			}
			for !mounted("/home") {
				if ctx.Err() != nil || time.Since(began) > stuck {
					return fmt.Errorf("/home of session e0 does not come back: %w", context.Cause(ctx))
				}
				time.Sleep(200 * time.Microsecond)
			}
			took = append(took, time.Since(began))
			return nil
		})
		if err != nil {
			return 0, err
		}
		// What comes of it is not part of the next.
		if err := p.sleep(ctx, 200*time.Millisecond); err != nil {
			return 0, err
		}
	}
	return median(took), nil
}

func mounted(path string) bool {
	var st unix.Statx_t
	err := unix.Statx(unix.AT_FDCWD, path, unix.AT_NO_AUTOMOUNT|unix.AT_STATX_DONT_SYNC, 0, &st)
	return err == nil && st.Attributes&unix.STATX_ATTR_MOUNT_ROOT != 0
}
