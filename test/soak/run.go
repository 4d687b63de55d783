package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"time"
)

// run is the whole of it.
func run(ctx context.Context, o options, out io.Writer) error {
	h, err := newHost(o)
	if err != nil {
		return err
	}
	s := &soak{
		host: h, r: rand.New(rand.NewPCG(o.seed, o.seed)),
		items: map[string]*item{}, leaving: map[string]bool{}, refs: map[string]bool{},
		witnesses: witnesses(), begun: time.Now(),
	}
	fmt.Fprintf(out, "soaking for %g minutes with seed %d in %s\n", o.minutes, o.seed, h.base)
	err = s.all(ctx, time.Duration(o.minutes*float64(time.Minute)))
	s.leave()
	s.dismiss()
	s.undress()
	if writeErr := os.WriteFile(h.path("story"), []byte(strings.Join(s.story, "\n")+"\n"), 0o644); writeErr != nil {
		err = errors.Join(err, writeErr)
	}
	if err != nil && !errors.Is(err, errInterrupted) {
		fmt.Fprintf(out, "\nThe last steps:\n  %s\n\nThe end of the daemon's log:\n%s\n\n", strings.Join(s.story[max(0, len(s.story)-40):], "\n  "), tail(h.path("log"), 40))
	}
	err = errors.Join(err, s.table(out), h.remove(o.keep))
	if o.keep {
		fmt.Fprintf(out, "kept: %s, with the story, the daemon's log, and its folders\n", h.base)
	}
	return err
}

// all goes from a fresh host to a host as it was before.
func (s *soak) all(ctx context.Context, long time.Duration) error {
	before, err := s.objects()
	if err != nil {
		return err
	}
	if err := s.daemon.start(); err != nil {
		return err
	}
	if err := s.settle(); err != nil {
		return err
	}
	if err := s.dress(); err != nil {
		return err
	}
	for end := time.Now().Add(long); time.Now().Before(end); {
		for range 10 + s.r.IntN(25) {
			if ctx.Err() != nil {
				return s.interrupted()
			}
			if err := s.daemon.alive(); err != nil {
				return err
			}
			if err := s.next(); err != nil {
				return err
			}
			time.Sleep(time.Duration(s.r.Int64N(int64(pace))))
		}
		if err := s.quiet(); err != nil {
			return err
		}
	}
	return s.end(before)
}

// interrupted takes everything down after somebody ended the soak.
func (s *soak) interrupted() error {
	return errors.Join(errInterrupted, s.withdrawAll())
}

// end deletes everything, and wants the host as it was.
func (s *soak) end(before []string) error {
	if err := s.withdrawAll(); err != nil {
		return err
	}
	if wrong := s.noticeAlike(); len(wrong) > 0 {
		s.figures.wrong += len(wrong)
		return errors.New(strings.Join(wrong, "; "))
	}
	s.undress()
	s.sweepRubbish()
	if why := s.until(func() string {
		if n := s.daemon.measure(); n > 0 {
			return fmt.Sprintf("%d programs that coppiced started have ended and it does not notice", n)
		}
		return strings.Join(s.leaks(before), "; ")
	}); why != "" {
		s.figures.leaks = s.leaks(before)
		return fmt.Errorf("left, with coppiced running: %s", why)
	}
	if err := s.daemon.terminate(); err != nil {
		return err
	}
	if s.figures.leaks = s.leaks(before); len(s.figures.leaks) > 0 {
		return fmt.Errorf("left, after coppiced ended: %s", strings.Join(s.figures.leaks, "; "))
	}
	return nil
}

// leaks returns what is there now and was not before.
func (s *soak) leaks(before []string) []string {
	now, err := s.objects()
	if err != nil {
		return []string{err.Error()}
	}
	left := slices.Clone(before)
	now = slices.DeleteFunc(now, func(o string) bool {
		n := slices.Index(left, o)
		if n >= 0 {
			left = slices.Delete(left, n, n+1)
		}
		return n >= 0
	})
	for _, gone := range left {
		now = append(now, "gone: "+gone)
	}
	return append(now, s.folders()...)
}

// withdrawAll deletes all manifests, a few at a time: many at once would be
// taken for an accident.
func (s *soak) withdrawAll() error {
	s.tell("the end")
	if err := s.daemon.start(); err != nil {
		return err
	}
	s.leave()
	for _, name := range slices.Sorted(maps.Keys(s.items)) {
		i := s.items[name]
		if !strings.HasPrefix(i.path, synced) {
			if err := s.withdraw(i); err != nil {
				return err
			}
		} else {
			s.gone(i)
		}
		if len(s.leaving)%4 == 0 {
			if err := s.sync(); err != nil {
				return err
			}
			if why := s.until(s.lingering); why != "" {
				return fmt.Errorf("%s after being deleted: %s", bound, why)
			}
		}
	}
	if err := s.sync(); err != nil {
		return err
	}
	s.dismiss()
	for _, w := range s.witnesses {
		s.leaving[w.name] = true
	}
	_, _ = s.shell("rm -f m/witnesses.yaml m/chroot-*.yaml") // errors show in what lingers
	if why := s.until(s.lingering); why != "" {
		return fmt.Errorf("%s after being deleted: %s", bound, why)
	}
	return nil
}
