package metrics

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"coppice.dev/controller"
	"coppice.dev/spec"
	"coppice.dev/status"
)

// set gives a metric a value; the labels' values in the order of the definition.
type set func(value float64, labels ...string)

// entry is a metric whose value is read off when somebody asks.
type entry[T any] struct {
	Definition
	read func(T, set)
}

// known is what the controller knows.
var known = []entry[controller.Figures]{
	{Definition{"coppice_sessions", Gauge, "Sessions, by phase.", []string{"phase"}}, phasesOf(spec.KindSession)},
	{Definition{"coppice_chroots", Gauge, "Chroots, by phase.", []string{"phase"}}, phasesOf(spec.KindChroot)},
	{Definition{"coppice_profiles", Gauge, "Profiles, by phase.", []string{"phase"}}, phasesOf(spec.KindProfile)},
	{Definition{"coppice_sessions_not_ready", Gauge, "Sessions that cannot be used, by the reason of their condition Ready.", []string{"reason"}},
		func(f controller.Figures, s set) { each(f.NotReady, s) }},
	{Definition{"coppice_sessions_longest_not_ready_seconds", Gauge, "For how long the session has not been ready that has not been for the longest; without those that expired, end or are suspended.", nil},
		func(f controller.Figures, s set) { s(f.Longest.Seconds()) }},
	{Definition{"coppice_sessions_outdated", Gauge, "Sessions that do not run what their manifests say, by the reason of their condition UpToDate.", []string{"reason"}},
		func(f controller.Figures, s set) { each(f.Outdated, s) }},
	{Definition{"coppice_sessions_drifted", Gauge, "Sessions that differ from what is wanted and are left so by their driftPolicy.", nil},
		func(f controller.Figures, s set) { s(float64(f.Drifted)) }},
	{Definition{"coppice_sessions_occupied", Gauge, "Sessions with anybody inside.", nil},
		func(f controller.Figures, s set) { s(float64(f.Occupied)) }},
	{Definition{"coppice_leases", Gauge, "Commands that people were let into sessions with and that go on.", nil},
		func(f controller.Figures, s set) { s(float64(f.Leases)) }},
	{Definition{"coppice_stray_processes", Gauge, "Processes inside sessions that belong to no lease.", nil},
		func(f controller.Figures, s set) { s(float64(f.Strays)) }},
	{Definition{"coppice_objects", Gauge, "Objects of the kernel that were made, by kind.", []string{"kind"}},
		func(f controller.Figures, s set) { each(f.Objects, s) }},
	{Definition{"coppice_bases", Gauge, "What sessions share (mounted images, unpacked archives), by state.", []string{"state"}},
		func(f controller.Figures, s set) {
			for _, state := range []string{controller.BaseInUse, controller.BaseResting, controller.BaseMaking, controller.BaseFailing} {
				s(float64(f.Bases[state]), state)
			}
		}},
	{Definition{"coppice_queue_depth", Gauge, "Things that wait for a worker.", nil},
		func(f controller.Figures, s set) { s(float64(f.Pace.Waiting)) }},
	{Definition{"coppice_queue_oldest_wait_seconds", Gauge, "For how long the first of those that wait has.", nil},
		func(f controller.Figures, s set) { s(f.Pace.Oldest.Seconds()) }},
	{Definition{"coppice_workers", Gauge, "Workers that there are; one that hangs is stood in for by another.", nil},
		func(f controller.Figures, s set) { s(float64(f.Pace.Workers)) }},
	{Definition{"coppice_workers_busy", Gauge, "Workers that are at work, those that stand in included.", nil},
		func(f controller.Figures, s set) { s(float64(f.Pace.Working)) }},
	{Definition{"coppice_workers_hanging", Gauge, "Workers that have been at one thing for more than half a minute.", nil},
		func(f controller.Figures, s set) { s(float64(f.Pace.Hanging)) }},
	{Definition{"coppice_reconcile_longest_seconds", Gauge, "For how long the worker has been at it that has been for the longest.", nil},
		func(f controller.Figures, s set) { s(f.Pace.Longest.Seconds()) }},
	{Definition{"coppice_reconcile_failing", Gauge, "Things that failed last and will be tried again, by class.", []string{"class"}},
		func(f controller.Figures, s set) { each(f.Pace.Failing, s) }},
	{Definition{"coppice_manifest_objects", Gauge, "Objects that manifests ask for, by kind.", []string{"kind"}},
		func(f controller.Figures, s set) { each(f.Manifests.Objects, s) }},
	{Definition{"coppice_manifest_stale_objects", Gauge, "Objects of which only is known what their manifests said before.", nil},
		func(f controller.Figures, s set) { s(float64(f.Manifests.Stale)) }},
	{Definition{"coppice_manifest_bad_files", Gauge, "Files of manifests with something wrong in them.", nil},
		func(f controller.Figures, s set) { s(float64(f.Manifests.Files)) }},
	{Definition{"coppice_manifest_folder_readable", Gauge, "Whether a watched folder can be read and believed.", []string{"folder"}},
		func(f controller.Figures, s set) {
			for path, fine := range f.Manifests.Folders {
				s(truth(fine), path)
			}
		}},
	{Definition{"coppice_deletions_held", Gauge, "Sessions that are kept although their manifests are gone, since too many went at the same time.", nil},
		func(f controller.Figures, s set) { s(float64(f.Manifests.Held)) }},
	{Definition{"coppice_troubles", Gauge, "What is wrong with files of coppiced's own, by reason.", []string{"reason"}},
		func(f controller.Figures, s set) {
			each(map[string]int{controller.ReasonSocket: 0, controller.ReasonTrash: 0, controller.ReasonMetrics: 0}, func(v float64, l ...string) { s(v+float64(f.Troubles[l[0]]), l...) })
		}},
	{Definition{"coppice_statuses_unwritten", Gauge, "Statuses that could not be written.", nil},
		func(f controller.Figures, s set) { s(float64(f.Unwritten)) }},
	{Definition{"coppice_resync_timestamp_seconds", Gauge, "When everything was last looked for without a cause.", nil},
		func(f controller.Figures, s set) { s(stamp(f.Round)) }},
	{Definition{"coppice_resync_duration_seconds", Gauge, "How long the last look for everything took.", nil},
		func(f controller.Figures, s set) { s(f.RoundTook.Seconds()) }},
	{Definition{"coppice_resync_failures_total", Counter, "How often looking for everything failed. Bases that nobody wants stay until it works.", nil},
		func(f controller.Figures, s set) { s(float64(f.RoundsFailed)) }},
}

// phasesOf counts a kind's objects by phase.
func phasesOf(kind string) func(controller.Figures, set) {
	return func(f controller.Figures, s set) {
		for _, phase := range status.Phases() {
			s(float64(f.Phases[kind][phase]), string(phase))
		}
	}
}

func each(counts map[string]int, s set) {
	for label, n := range counts {
		s(float64(n), label)
	}
}

func truth(is bool) float64 {
	if is {
		return 1
	}
	return 0
}

// stamp is a time as Prometheus has it; 0 if there is none.
func stamp(t time.Time) float64 {
	if t.IsZero() {
		return 0
	}
	return float64(t.UnixMilli()) / 1000
}

// reader collects entries whose values come from one question.
type reader[T any] struct {
	entries []entry[T]
	ask     func() (T, bool)
	// answered tells whether there was an answer; it may be empty.
	answered Definition
}

// Describe implements prometheus.Collector.
func (r reader[T]) Describe(to chan<- *prometheus.Desc) {
	for _, e := range r.entries {
		to <- e.desc()
	}
	if r.answered.Name != "" {
		to <- r.answered.desc()
	}
}

// Collect implements prometheus.Collector.
func (r reader[T]) Collect(to chan<- prometheus.Metric) {
	answer, ok := r.ask()
	if r.answered.Name != "" {
		to <- prometheus.MustNewConstMetric(r.answered.desc(), prometheus.GaugeValue, truth(ok))
	}
	if !ok {
		return
	}
	for _, e := range r.entries {
		kind := prometheus.GaugeValue
		if e.Type == Counter {
			kind = prometheus.CounterValue
		}
		e.read(answer, func(value float64, labels ...string) {
			to <- prometheus.MustNewConstMetric(e.desc(), kind, value, labels...)
		})
	}
}
