package metrics

import (
	"cmp"
	"slices"

	"github.com/prometheus/client_golang/prometheus"
)

// Type is what can be done with the values of a metric.
type Type string

// The types.
const (
	Counter   Type = "counter"
	Gauge     Type = "gauge"
	Histogram Type = "histogram"
)

// Definition is what is known of a metric before it has any value.
type Definition struct {
	Name   string
	Type   Type
	Help   string
	Labels []string
}

func (d Definition) desc() *prometheus.Desc {
	return prometheus.NewDesc(d.Name, d.Help, d.Labels, nil)
}

// Definitions returns every metric of Coppice's own there can be, by name. Those of
// the Go runtime and of the process come on top.
func Definitions() []Definition {
	list := []Definition{steps, stepFailures, passes, waits, looks, blindness, failures, repairs, swept, admitted, ended, startup, decisions, givenUp, buildInfo}
	for _, e := range known {
		list = append(list, e.Definition)
	}
	for _, e := range ofHost {
		list = append(list, e.Definition)
	}
	for _, e := range folders {
		list = append(list, e.Definition)
	}
	list = append(list, hostLooked)
	slices.SortFunc(list, func(a, b Definition) int { return cmp.Compare(a.Name, b.Name) })
	return list
}

// seconds are the bounds of durations: a step takes a millisecond, an archive half an
// hour.
var seconds = []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 300, 1800}

func (d Definition) counters() *prometheus.CounterVec {
	return prometheus.NewCounterVec(prometheus.CounterOpts{Name: d.Name, Help: d.Help}, d.Labels)
}

func (d Definition) histograms() *prometheus.HistogramVec {
	return prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: d.Name, Help: d.Help, Buckets: seconds}, d.Labels)
}
