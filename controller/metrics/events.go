package metrics

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"coppice.dev/controller"
	"coppice.dev/reconcile/fault"
	"coppice.dev/reconcile/object"
	"coppice.dev/reconcile/plan"
)

// What is counted as it happens.
var (
	steps = Definition{"coppice_step_duration_seconds", Histogram,
		"How long steps took that make, amend or destroy one object, by kind of object.", []string{"kind", "operation"}}
	stepFailures = Definition{"coppice_step_failures_total", Counter,
		"Steps that failed, by kind of object and reason.", []string{"kind", "operation", "reason"}}
	passes = Definition{"coppice_reconcile_duration_seconds", Histogram,
		"How long it took to look at something and do what was to be done, by class of thing.", []string{"class"}}
	waits = Definition{"coppice_queue_wait_seconds", Histogram,
		"How long things waited in the queue for a worker, by class.", []string{"class"}}
	looks = Definition{"coppice_look_duration_seconds", Histogram,
		"How long looks took at all the objects of a session or a base.", []string{"class"}}
	blindness = Definition{"coppice_look_blind_total", Counter,
		"Looks at objects of a kind that failed. Nothing is done then to what may depend on them.", []string{"kind"}}
	failures = Definition{"coppice_reconcile_failures_total", Counter,
		"Failures, each of which is tried again after a pause, by class and reason.", []string{"class", "reason"}}
	repairs = Definition{"coppice_drift_repairs_total", Counter,
		"Objects that were put right after somebody had broken them, by kind.", []string{"kind"}}
	swept = Definition{"coppice_orphans_swept_total", Counter,
		"Sessions and bases taken down that no manifest asked for, as far as was known.", []string{"class"}}
	admitted = Definition{"coppice_sessions_admitted_total", Counter,
		"Sessions that were admitted.", nil}
	ended = Definition{"coppice_sessions_ended_total", Counter,
		"Sessions that were taken down, by reason.", []string{"reason"}}
	startup = Definition{"coppice_session_startup_seconds", Histogram,
		"The time from when a new session was first seen until it was ready, what it waited for included.", nil}
	decisions = Definition{"coppice_access_decisions_total", Counter,
		"What people asked for over the socket, and whether they may.", []string{"what", "decision"}}
	givenUp = Definition{"coppice_hooks_given_up_total", Counter,
		"Hooks whose undoing failed for the last time, and was given up.", nil}
	buildInfo = Definition{"coppice_build_info", Gauge,
		"Always 1; the labels say which coppiced this is.", []string{"version", "goversion"}}
)

// events are the counters of what happens.
type events struct {
	steps, passes, waits, looks, startup                                                   *prometheus.HistogramVec
	stepFailures, blindness, failures, repairs, swept, admitted, ended, decisions, givenUp *prometheus.CounterVec
}

func newEvents() events {
	e := events{
		steps: steps.histograms(), passes: passes.histograms(), waits: waits.histograms(), looks: looks.histograms(), startup: startup.histograms(),
		stepFailures: stepFailures.counters(), blindness: blindness.counters(), failures: failures.counters(), repairs: repairs.counters(),
		swept: swept.counters(), admitted: admitted.counters(), ended: ended.counters(), decisions: decisions.counters(), givenUp: givenUp.counters(),
	}
	// What is there from the start as 0 can be seen to rise by its first event.
	for _, kind := range object.Kinds() {
		e.repairs.WithLabelValues(string(kind))
		e.blindness.WithLabelValues(string(kind))
	}
	for _, class := range []string{"session", "base"} {
		e.swept.WithLabelValues(class)
	}
	for _, reason := range controller.EndReasons() {
		e.ended.WithLabelValues(reason)
	}
	e.admitted.WithLabelValues()
	e.givenUp.WithLabelValues()
	e.startup.WithLabelValues()
	return e
}

func (e events) collectors() []prometheus.Collector {
	return []prometheus.Collector{
		e.steps, e.passes, e.waits, e.looks, e.startup,
		e.stepFailures, e.blindness, e.failures, e.repairs, e.swept, e.admitted, e.ended, e.decisions, e.givenUp,
	}
}

// Passed implements controller.Observer.
func (m *Metrics) Passed(class string, waited, took time.Duration) {
	m.events.waits.WithLabelValues(class).Observe(waited.Seconds())
	m.events.passes.WithLabelValues(class).Observe(took.Seconds())
}

// Looked implements controller.Observer.
func (m *Metrics) Looked(class string, took time.Duration, blind []object.Kind) {
	m.events.looks.WithLabelValues(class).Observe(took.Seconds())
	for _, kind := range blind {
		m.events.blindness.WithLabelValues(string(kind)).Inc()
	}
}

// Stepped implements controller.Observer.
func (m *Metrics) Stepped(kind object.Kind, op plan.Op, took time.Duration, failure fault.Reason) {
	m.events.steps.WithLabelValues(string(kind), string(op)).Observe(took.Seconds())
	if failure != "" {
		m.events.stepFailures.WithLabelValues(string(kind), string(op), string(failure)).Inc()
	}
}

// Happened implements controller.Observer.
func (m *Metrics) Happened(i controller.Incident) {
	switch i.What {
	case controller.Failed:
		m.events.failures.WithLabelValues(i.Of, i.Reason).Inc()
	case controller.Repaired:
		m.events.repairs.WithLabelValues(i.Of).Inc()
	case controller.Swept:
		m.events.swept.WithLabelValues(i.Of).Inc()
	case controller.Admitted:
		m.events.admitted.WithLabelValues().Inc()
	case controller.Ended:
		m.events.ended.WithLabelValues(i.Reason).Inc()
	case controller.Begun:
		m.events.startup.WithLabelValues().Observe(i.Took.Seconds())
	}
}

// Decided counts what somebody asked for over the socket.
func (m *Metrics) Decided(what string, granted bool) {
	decision := "refused"
	if granted {
		decision = "granted"
	}
	m.events.decisions.WithLabelValues(what, decision).Inc()
}

// GivenUp counts a hook that could not be undone.
func (m *Metrics) GivenUp() { m.events.givenUp.WithLabelValues().Inc() }
