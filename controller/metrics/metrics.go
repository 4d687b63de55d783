package metrics

import (
	"runtime"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"coppice.dev/controller"
)

// Metrics is all that is counted of one controller. Its methods may be called from
// any goroutine.
type Metrics struct {
	registry *prometheus.Registry
	events   events

	mu sync.Mutex
	// read is when each folder of manifests was last read without trouble.
	read map[string]time.Time
}

// New returns metrics in which nothing is counted yet.
func New(version string) *Metrics {
	m := &Metrics{registry: prometheus.NewRegistry(), events: newEvents(), read: map[string]time.Time{}}
	m.registry.MustRegister(m.events.collectors()...)
	m.registry.MustRegister(
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		reader[*Metrics]{entries: folders, ask: func() (*Metrics, bool) { return m, true }},
	)
	info := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: buildInfo.Name, Help: buildInfo.Help}, buildInfo.Labels)
	info.WithLabelValues(version, runtime.Version()).Set(1)
	m.registry.MustRegister(info)
	return m
}

// Ask has how things are read off by these functions whenever somebody wants the
// metrics. It is to be called once.
func (m *Metrics) Ask(figures func() controller.Figures, host func() Host) {
	a := &asker{look: host, patience: patience}
	m.registry.MustRegister(
		reader[controller.Figures]{entries: known, ask: func() (controller.Figures, bool) { return figures(), true }},
		reader[Host]{entries: ofHost, ask: a.ask, answered: hostLooked},
	)
}

// Gatherer gives out all metrics as they are.
func (m *Metrics) Gatherer() prometheus.Gatherer { return m.registry }

// Registerer takes metrics of who gives these out.
func (m *Metrics) Registerer() prometheus.Registerer { return m.registry }

// Read says what came of a look at the folders of manifests: what is wrong with each,
// "" for nothing.
func (m *Metrics) Read(problems map[string]string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for path, problem := range problems {
		if problem == "" {
			m.read[path] = time.Now()
		}
	}
}

// folders is what is known of looks at the folders of manifests.
var folders = []entry[*Metrics]{
	{Definition{"coppice_manifest_read_timestamp_seconds", Gauge, "When a watched folder was last read without trouble.", []string{"folder"}},
		func(m *Metrics, s set) {
			m.mu.Lock()
			defer m.mu.Unlock()
			for path, at := range m.read {
				s(stamp(at), path)
			}
		}},
}
