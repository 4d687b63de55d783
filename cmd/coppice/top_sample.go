package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"coppice.dev/reconcile/kernel/meter"
	"coppice.dev/reconcile/layout"
	"coppice.dev/reconcile/object"
	"coppice.dev/status"
)

// resting is how long a figure of a disk is good for: adding up is work.
const resting = 30 * time.Second

// sampler looks again and again at what sessions use.
type sampler struct {
	options topOptions
	layout  layout.Layout
	files   map[string]status.File
	// used is what was found last, and when.
	used map[string]used
	next time.Time

	others sync.WaitGroup
	mu     sync.Mutex
	// disks is what was added up, by session.
	disks map[string]int64
}

type used struct {
	meter.Use
	uid string
	at  time.Time
}

func newSampler(l layout.Layout, o topOptions) *sampler {
	return &sampler{options: o, layout: l, files: map[string]status.File{}, used: map[string]used{}, disks: map[string]int64{}}
}

// show tells of the sessions that there are.
func (s *sampler) show(files []status.File) {
	for _, f := range files {
		s.changed(status.Change{Name: f.Metadata.Name, File: &f})
	}
}

func (s *sampler) changed(change status.Change) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if change.File == nil || !s.options.takes(*change.File) {
		delete(s.files, change.Name)
		delete(s.disks, change.Name)
		return
	}
	s.files[change.Name] = *change.File
}

// begin takes the first look, which the next one is compared with. What is on the disk is
// added up meanwhile if that can be shown later, else before anything is.
func (s *sampler) begin(ctx context.Context, later bool) {
	_, _ = s.sample() // what is wrong will be found again
	s.next = time.Now().Add(s.options.interval)
	switch {
	case !s.options.disk:
	case later:
		s.others.Go(func() {
			for s.addUp(ctx); ctx.Err() == nil; s.addUp(ctx) {
				select {
				case <-ctx.Done():
				case <-time.After(resting):
				}
			}
		})
	default:
		s.addUp(ctx)
	}
}

// rest ends what begin has begun.
func (s *sampler) rest(cancel context.CancelFunc) {
	cancel()
	s.others.Wait()
}

// addUp adds up what sessions have written.
func (s *sampler) addUp(ctx context.Context) {
	s.mu.Lock()
	files := slices.Collect(maps.Values(s.files))
	s.mu.Unlock()
	for _, f := range files {
		var sum int64
		known := true
		for _, o := range f.Status.Objects {
			if o.Owner == "" && (o.Kind == string(object.KindUpper) || o.Kind == string(object.KindTree)) {
				size, is := meter.Disk(ctx, o.Name)
				sum, known = sum+size, known && is
			}
		}
		if ctx.Err() != nil {
			return
		}
		s.mu.Lock()
		if delete(s.disks, f.Metadata.Name); known {
			s.disks[f.Metadata.Name] = sum
		}
		s.mu.Unlock()
	}
}

// wait waits until the next look is due, and reports false if it is over.
func (s *sampler) wait(ctx context.Context, changes <-chan status.Change) bool {
	timer := time.NewTimer(time.Until(s.next))
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return false
		case <-timer.C:
			s.next = time.Now().Add(s.options.interval)
			return true
		case change, is := <-changes:
			if !is {
				return false
			}
			s.changed(change)
		}
	}
}

// sample looks at what each session uses now, and since the last look.
func (s *sampler) sample() ([]topRow, error) {
	m, err := meter.Open(s.layout) // each time: with the first session there are other groups
	if err != nil {
		return nil, fmt.Errorf("find out what sessions use: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	rows := []topRow{}
	before := s.used
	s.used = map[string]used{}
	for name, f := range s.files {
		var pids []int
		for _, l := range f.Status.Leases {
			pids = append(pids, l.PID)
		}
		use, err := m.Read(name, pids)
		if err != nil {
			return nil, fmt.Errorf("look at what session %s uses: %w", name, err)
		}
		now := used{use, f.Metadata.UID, time.Now()}
		s.used[name] = now
		row := topRow{
			Session: name, Owner: f.Status.Owner, Phase: f.Status.Phase, Processes: use.Processes, Inside: len(f.Status.Leases),
			Memory: use.Memory, Counted: use.Counted, Admitted: f.Status.Admitted, style: styleOf(f.Status), now: now.at,
		}
		if size, is := s.disks[name]; is {
			row.Disk = &size
		}
		if last, is := before[name]; is && last.uid == now.uid {
			row.CPU = share(last, now)
		}
		rows = append(rows, row)
	}
	sortTop(rows, s.options.sortBy)
	return rows, nil
}

// share is how much of one processor was used between two looks, in hundredths. Where no
// cgroup counts, what has ended meanwhile takes its time with it.
func share(last, now used) float64 {
	if between := now.at.Sub(last.at); between > 0 {
		return max(0, 100*(now.CPU-last.CPU).Seconds()/between.Seconds())
	}
	return 0
}
