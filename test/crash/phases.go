package main

import (
	"context"
	"errors"
	"fmt"

	"coppice.dev/test/crash/tracer"
)

// witness is what an undisturbed run leaves.
type witness struct {
	phase phase
	// nothing is the world with no session, after what was the phase's.
	nothing, after string
	// calls is how many calls that change the world the run took.
	calls int
}

// witness runs the phase undisturbed.
func (h *host) witness(ctx context.Context, f phase) (witness, error) {
	w := witness{phase: f}
	if err := h.converge(ctx); err != nil {
		return w, err
	}
	var err error
	if w.nothing, err = h.world(); err != nil {
		return w, err
	}
	if err := h.before(ctx, f); err != nil {
		return w, err
	}
	result, err := h.crash(ctx, tracer.Point{})
	if err != nil {
		return w, err
	}
	w.calls = len(result.Calls)
	if w.calls == 0 {
		return w, errors.New("there is nothing to do in this phase, and so nothing to prove")
	}
	if w.after, err = h.world(); err != nil {
		return w, err
	}
	h.want = w.after
	return w, h.restore(ctx, w)
}

// before brings about what the phase begins with.
func (h *host) before(ctx context.Context, f phase) error {
	if f == begin {
		return h.write(h.kind.begin)
	}
	if err := h.write(h.kind.begin); err != nil {
		return err
	}
	if err := h.converge(ctx); err != nil {
		return err
	}
	if err := h.keep(); err != nil {
		return err
	}
	switch f {
	case update:
		return h.write(h.kind.update)
	case repair:
		if err := h.hurt(); err != nil {
			return fmt.Errorf("do damage: %w", err)
		}
		return nil
	default:
		if err := h.settle(); err != nil {
			return err
		}
		return h.write("")
	}
}

// restore takes everything down, and wants the host as it was.
func (h *host) restore(ctx context.Context, w witness) error {
	if err := h.write(""); err != nil {
		return err
	}
	if err := h.converge(ctx); err != nil {
		return fmt.Errorf("take everything down: %w", err)
	}
	h.leave()
	if err := h.script("rm -f stopped root/etc/kept"); err != nil {
		return err
	}
	return h.compare(w.nothing, "after everything was taken down")
}
