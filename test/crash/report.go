package main

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"sync"
	"text/tabwriter"
	"time"

	"coppice.dev/test/crash/tracer"
)

// tally is what came of one part.
type tally struct {
	part
	calls  int // that change the world, in an undisturbed run
	points points
	// twice are points whose recovery was cut short as well, deleted those after
	// which the manifests were gone.
	twice, deleted int
	faults         []string
	began          time.Time
	took           time.Duration
}

// points counts the points tried, by when the daemon was killed.
type points map[tracer.When]int

func (p points) all() int { return p[tracer.Before] + p[tracer.During] + p[tracer.After] }

func (t *tally) fault(where string, err error) {
	t.faults = append(t.faults, fmt.Sprintf("FAULT: %s, %s, %s: %v", t.kind.name, t.phase, where, err))
}

// line says what came of the part while others are still being tried.
func (t tally) line() string {
	return fmt.Sprintf("%-17s %-7s %4d calls, %4d points, %d faults, %s", t.kind.name, t.phase, t.calls, t.points.all(), len(t.faults), t.took.Round(time.Second))
}

// report is what came of everything.
type report struct {
	mu      sync.Mutex
	tallies []tally
}

func (r *report) add(t tally) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.tallies = append(r.tallies, t)
}

// verdict is the error that everything ends with.
func (r *report) verdict() error {
	points, faults := 0, 0
	for _, t := range r.tallies {
		points += t.points.all()
		faults += len(t.faults)
	}
	switch {
	case faults > 0:
		return fmt.Errorf("%d faults in %d points", faults, points)
	case points == 0:
		return fmt.Errorf("no point was tried, so nothing is proved")
	}
	return nil
}

// String is the table of all parts.
func (r *report) String() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var out bytes.Buffer
	w := tabwriter.NewWriter(&out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "kind\tphase\tcalls\tbefore\tduring\tafter\tpoints\ttwice\tdeleted\tfaults\t")
	sum := tally{points: points{}}
	for _, k := range names() {
		for _, f := range allPhases {
			i := slices.IndexFunc(r.tallies, func(t tally) bool { return t.kind.name == k && t.phase == f })
			if i < 0 {
				continue
			}
			t := r.tallies[i]
			row(w, k, string(f), t)
			sum.calls += t.calls
			sum.twice += t.twice
			sum.deleted += t.deleted
			sum.faults = append(sum.faults, t.faults...)
			for when, n := range t.points {
				sum.points[when] += n
			}
		}
	}
	row(w, "all", "", sum)
	w.Flush()
	return "\n" + strings.TrimRight(out.String(), "\n") + "\n"
}

func row(w *tabwriter.Writer, kind, phase string, t tally) {
	fmt.Fprintf(w, "%s\t%s\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t\n", kind, phase, t.calls,
		t.points[tracer.Before], t.points[tracer.During], t.points[tracer.After], t.points.all(), t.twice, t.deleted, len(t.faults))
}
