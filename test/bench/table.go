package main

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// median returns the middle of the times; 0 of none.
func median(times []time.Duration) time.Duration {
	if len(times) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(times))
	middle := len(sorted) / 2
	if len(sorted)%2 == 0 {
		return (sorted[middle-1] + sorted[middle]) / 2
	}
	return sorted[middle]
}

// table writes the medians, in milliseconds, and how many times the first row's
// they are.
func table(results []*result) string {
	var b strings.Builder
	b.WriteString("| ms (times the bare calls) | begin | exec true | end | all of it |\n| --- | ---: | ---: | ---: | ---: |\n")
	for _, r := range results {
		if r.failed != nil {
			fmt.Fprintf(&b, "| %s | failed | | | |\n", r.name)
			continue
		}
		fmt.Fprintf(&b, "| %s |", r.name)
		for _, column := range columns {
			fmt.Fprintf(&b, " %s |", cell(median(column(r)), median(column(results[0]))))
		}
		b.WriteString("\n")
	}
	return b.String()
}

// columns are the table's.
var columns = []func(*result) []time.Duration{
	func(r *result) []time.Duration { return r.begin }, func(r *result) []time.Duration { return r.exec },
	func(r *result) []time.Duration { return r.end }, func(r *result) []time.Duration { return r.cycle },
}

func cell(took, floor time.Duration) string {
	if took == 0 {
		return ""
	}
	text := fmt.Sprintf("%.2f", float64(took.Microseconds())/1000)
	if floor > 0 {
		text += fmt.Sprintf(" (%.1f)", float64(took)/float64(floor))
	}
	return text
}
