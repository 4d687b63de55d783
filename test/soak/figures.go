package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"text/tabwriter"
	"time"
)

// figures are what a run counts.
type figures struct {
	steps       map[string]int
	made        map[string]int
	slowest     time.Duration
	slowestKind string
	quiets      int
	longest     time.Duration
	wrong       int
	leaks       []string
}

func (f *figures) step(name string) {
	if f.steps == nil {
		f.steps = map[string]int{}
	}
	f.steps[name]++
}

// ready notes how long it took from a manifest until its session was as hoped,
// whatever happened to the daemon meanwhile.
func (f *figures) ready(kind string, took time.Duration) {
	if f.made == nil {
		f.made = map[string]int{}
	}
	f.made[kind]++
	if took > f.slowest {
		f.slowest, f.slowestKind = took, kind
	}
}

func (f *figures) converged(took time.Duration) {
	f.quiets++
	f.longest = max(f.longest, took)
}

// table prints the figures.
func (s *soak) table(out io.Writer) error {
	f, d := s.figures, s.daemon
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	total := 0
	for _, name := range slices.Sorted(maps.Keys(f.steps)) {
		total += f.steps[name]
		fmt.Fprintf(w, "  %s\t%d\n", name, f.steps[name])
	}
	fmt.Fprintf(w, "steps\t%d\n", total)
	sessions := 0
	for _, name := range slices.Sorted(maps.Keys(f.made)) {
		sessions += f.made[name]
		fmt.Fprintf(w, "  %s\t%d\n", name, f.made[name])
	}
	fmt.Fprintf(w, "sessions seen as hoped\t%d\n", sessions)
	fmt.Fprintf(w, "coppiced killed, stopped, ended, started\t%d, %d, %d, %d\n", d.kills, d.stops, d.terms, d.starts)
	fmt.Fprintf(w, "quiet moments that converged\t%d\n", f.quiets)
	fmt.Fprintf(w, "slowest of those\t%s\n", f.longest.Round(time.Millisecond))
	fmt.Fprintf(w, "longest from manifest to session\t%s (%s)\n", f.slowest.Round(time.Millisecond), f.slowestKind)
	fmt.Fprintf(w, "coppiced: most memory, most files\t%.1f MiB, %d\n", float64(d.maxRSS)/1024, d.maxFDs)
	fmt.Fprintf(w, "wrong deletes\t%d\n", f.wrong)
	fmt.Fprintf(w, "leaks\t%d\n", len(f.leaks))
	for _, l := range f.leaks {
		fmt.Fprintf(w, "  %s\n", l)
	}
	return w.Flush()
}
