package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/go-logr/logr"

	"coppice.dev/cmd/internal/monitor"
	"coppice.dev/cmd/internal/monitor/page"
	"coppice.dev/cmd/internal/version"
	"coppice.dev/controller"
	"coppice.dev/controller/metrics"
	"coppice.dev/manifests"
	"coppice.dev/reconcile/fault"
	"coppice.dev/reconcile/kernel"
)

// lookout is for those who look at the daemon from outside: what is counted of it, and
// how it and the host are.
type lookout struct {
	options    *options
	log        logr.Logger
	controller *controller.Controller
	kernel     *kernel.Kernel
	metrics    *metrics.Metrics
	measure    measure

	mu sync.Mutex
	// deaf are the sorts of change that are not heard of, and polling is set while mount
	// tables are polled.
	deaf    map[string]bool
	polling bool
}

// The sorts of change that are listened to.
const (
	hearsManifests = "manifests"
	hearsMounts    = "mounts"
	hearsLeases    = "leases"
)

func newLookout(o *options, log logr.Logger) *lookout {
	return &lookout{
		options: o, log: log, metrics: metrics.New(version.Number()),
		deaf: map[string]bool{hearsManifests: false, hearsMounts: false, hearsLeases: false},
	}
}

// watch has the controller counted, if anybody is to see that.
func (l *lookout) watch(c *controller.Controller, k *kernel.Kernel) {
	l.controller, l.kernel = c, k
	if len(l.options.metricsAddress) > 0 {
		c.Observer = l.metrics
	}
	l.metrics.Ask(c.Figures, l.host)
}

// changed counts a look at the manifests.
func (l *lookout) changed(set manifests.Set) { l.metrics.Read(set.Folders) }

// hears says whether changes of a sort are heard of.
func (l *lookout) hears(sort string, does bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.deaf[sort] = !does
}

// polls says that mount tables are polled.
func (l *lookout) polls() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.polling = true
}

// host returns how the host is.
func (l *lookout) host() metrics.Host {
	b, err := l.kernel.Budget()
	if err != nil {
		l.log.V(1).Info("Not all of what the host has could be found out", "error", err.Error())
	}
	h := metrics.Host{
		Disks: map[string]metrics.Disk{}, Mounts: b.Mounts, MostMounts: b.MostMounts, MostNamespaces: b.MostNamespaces,
		Loops: b.Loops, Trash: b.Trash,
		Thick: b.Volumes.Thick, Thin: b.Volumes.Thin, Unwell: b.Volumes.Unwell, Fullest: b.Volumes.Fullest, VolumesLooked: b.Volumes.Looked,
		Pools: map[string][2]float64{}, Uppers: l.measure.last(), Resync: l.options.resync, Ready: len(l.controller.Unready()) == 0,
	}
	for folder, d := range b.Disks {
		h.Disks[folder] = metrics.Disk{Size: d.Size, Free: d.Free, Available: d.Available, Files: d.Files, FreeFiles: d.FreeFiles}
	}
	for pool, used := range b.Volumes.Pools {
		h.Pools[pool] = [2]float64{used.Data, used.Metadata}
	}
	l.measure.due(l.options.measureUppers)
	l.mu.Lock()
	defer l.mu.Unlock()
	h.Polling, h.Deaf = l.polling, maps.Clone(l.deaf)
	return h
}

// alive reports whether the service manager is to be told that all is well. Workers
// that hang in the kernel would still hang when the daemon was started anew.
func (l *lookout) alive(ctx context.Context) bool {
	err := l.controller.Alive(ctx)
	if err != nil {
		l.log.Error(err, "The work does not go on")
	}
	return err == nil || errors.Is(err, controller.ErrHung)
}

// reach is the pause before a listener is opened again that could not be opened.
const reach = 5 * time.Second

// keep answers those who look until the context ends. What keeps a listener from being
// opened keeps no session from being tended.
func (l *lookout) keep(ctx context.Context) {
	if len(l.options.metricsAddress) == 0 {
		return
	}
	name, err := os.Hostname()
	if err != nil {
		name = "this host"
	}
	shown := &page.Page{Source: l.controller, Host: name, Version: version.Number()}
	server := &monitor.Server{
		Page:    shown.Handler(),
		Metrics: l.metrics.Gatherer(), Own: l.metrics.Registerer(),
		Alive: l.controller.Alive, Unready: l.controller.Unready, Log: l.log.WithName("metrics"),
	}
	server.Open()
	var all sync.WaitGroup
	all.Go(func() { l.measure.run(ctx, l.kernel, l.log) })
	for _, address := range l.options.metricsAddress {
		all.Go(func() { l.attend(ctx, server, address) })
	}
	all.Wait()
}

// attend serves one address.
func (l *lookout) attend(ctx context.Context, server *monitor.Server, address monitor.Address) {
	told := false
	tell := func(err error) {
		switch {
		case err != nil && !told:
			l.log.Error(err, "Nobody can look at the metrics; sessions are kept all the same, and it is tried again", "address", address.String())
		case err == nil:
			l.log.Info("Metrics can be looked at", "address", address.String())
		}
		if err != nil || told {
			l.controller.Trouble(address.String(), controller.ReasonMetrics, err)
		}
		told = err != nil
	}
	for ctx.Err() == nil {
		listener, err := l.options.open(address)
		tell(fault.Known(err))
		if err == nil {
			if err = server.Serve(ctx, listener, address.Local); err != nil {
				tell(fault.Known(err))
			}
			listener.Close() // closed by then
		}
		select {
		case <-ctx.Done():
		case <-time.After(reach):
		}
	}
}

// open listens at an address. A unix socket is for those for whom the daemon's own is.
func (o *options) open(a monitor.Address) (net.Listener, error) {
	if a.Network != "unix" {
		return net.Listen(a.Network, a.Address)
	}
	if err := os.MkdirAll(filepath.Dir(a.Address), 0o755); err != nil {
		return nil, err
	}
	if conn, err := net.Dial("unix", a.Address); err == nil {
		conn.Close()
		return nil, fmt.Errorf("somebody listens on %s already; choose another path", a.Address)
	}
	if err := unlinkSocket(a.Address); err != nil {
		return nil, err
	}
	listener, err := listenAt(filepath.Dir(a.Address), a.Address)
	if err != nil {
		return nil, err
	}
	if err := o.admit(a.Address); err != nil {
		return nil, errors.Join(err, listener.Close())
	}
	return listener, nil
}
