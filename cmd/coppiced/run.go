package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
	"github.com/go-logr/logr"

	"coppice.dev/cmd/internal/presence"
	"coppice.dev/cmd/internal/version"
	"coppice.dev/controller"
	"coppice.dev/controller/budget"
	"coppice.dev/controller/socket"
	"coppice.dev/controller/socket/keeper"
	"coppice.dev/manifests"
	"coppice.dev/reconcile/fault"
	"coppice.dev/reconcile/kernel"
	"coppice.dev/reconcile/kernel/drift"
	"coppice.dev/reconcile/kernel/lifeline"
	"coppice.dev/reconcile/object"
	"coppice.dev/status"
)

// deafness is how long nothing is heard of drift after listening failed, before
// it is tried again. The resync stands in for it.
const deafness = time.Minute

// run opens everything, converges, and closes it.
func run(ctx context.Context, o options, log logr.Logger, out io.Writer) (err error) {
	if os.Geteuid() != 0 {
		return errors.New("only root can mount: start it as root")
	}
	if err := o.resolve(); err != nil {
		return err
	}
	l := o.layout()
	look := newLookout(&o, log)
	var c *controller.Controller // set before anything can report to it
	k, err := kernel.Open(kernel.Config{
		Layout:   l,
		NoQuotas: o.upperImages,
		Progress: func(id object.ID, done, total int64) { c.Progress(id, done, total) },
		HookSaid: func(session, hook, phase, line string) {
			log.Info(line, "session", session, "hook", hook, "phase", phase)
		},
		GivenUp: func(id object.ID, err error) {
			look.metrics.GivenUp()
			log.Error(err, "Undoing a hook failed for the last time; going on without", "object", id.String())
		},
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, k.Close()) }()
	here, err := presence.Announce(o.runDir, presence.Facts{
		PID: os.Getpid(), Version: version.Number(), Started: time.Now().UTC(),
		StateDir: o.stateDir, ManifestDirs: o.manifestDirs, Recursive: o.recursive, EphemeralDir: l.Manifests(),
		Log: logsTo(o.logFormat), UpperImages: o.upperImages,
	})
	if err != nil {
		return err
	}
	defer here.Close()
	writer, err := status.New(l.Status())
	if err != nil {
		log.Error(fault.Known(err), "Statuses cannot be written; sessions are kept all the same, and it is tried again")
	}
	c = controller.New(k, l, writer)
	c.Inspect, c.Log, c.Workers, c.Resync = k.Inspect, log, o.workers, o.resync
	if !o.once {
		c.KeepUnpacked = o.keepUnpacked
	}
	c.Limits = o.limits
	c.LookAtHost, c.LookAtDisks = func() budget.Host { return counts(k) }, func() []budget.Disk { return disks(k, l) }
	c.MaxPrune, c.Wishes = o.maxPrune, manifests.Wishes{Folder: l.Wishes()}
	c.Suspensions = manifests.Suspensions{Folder: l.Suspensions()}
	lines := &lifeline.Lines{}
	defer lines.Close()
	look.watch(c, k)
	source := o.source(c, log, look)
	h := newHost(c, k, source.Dropped)
	c.Tenants = tenants{lines, h}
	log.Info("Starting", "version", version.Number(), "state", o.stateDir, "run", o.runDir, "manifests", o.manifestDirs)
	if o.once {
		return o.convergeOnce(ctx, c, k, source, out)
	}
	listener, err := given()
	if err != nil {
		return err
	}
	door := &door{options: &o, log: log, trouble: c.Trouble, given: listener != nil}
	if listener == nil {
		listener = door.open()
	}
	keepers := &keeper.Reserve{}
	defer keepers.Close() // before the kernel, which removes their cgroup
	server := &socket.Server{Keep: keepers.Start, Host: h, Status: l.Status(), People: socket.Local{Next: socket.Getent{}}, Log: log, Decided: look.metrics.Decided}
	return serve(ctx, c, k, source, log, look, func(ctx context.Context) { door.keep(ctx, server, listener) })
}

// resolve makes the folders, refuses those that others could change, and takes links out of their paths: the kernel tells
// of mounts by the paths that have none.
func (o *options) resolve() error {
	for _, folder := range []struct {
		path *string
		mode os.FileMode
	}{{&o.stateDir, 0o755}, {&o.runDir, 0o755}} {
		if err := os.MkdirAll(*folder.path, folder.mode); err != nil {
			return fmt.Errorf("make folder: %w", err)
		}
		direct, err := filepath.EvalSymlinks(*folder.path)
		if err != nil {
			return fmt.Errorf("follow links: %w", err)
		}
		if err := ours(direct); err != nil {
			return err
		}
		*folder.path = direct
	}
	folders := []string{o.layout().Manifests()}
	if slices.Contains(o.manifestDirs, defaultManifestDir) {
		// A missing folder is one that somebody took away, and stops all sweeping.
		// On a fresh machine nobody has made this one yet.
		folders = append(folders, defaultManifestDir)
	}
	for _, folder := range folders {
		if err := os.MkdirAll(folder, 0o755); err != nil {
			return fmt.Errorf("make folder of manifests: %w", err)
		}
	}
	return nil
}

// source returns the watched folders.
func (o *options) source(c *controller.Controller, log logr.Logger, look *lookout) *manifests.Source {
	s := &manifests.Source{
		OnChange: func(set manifests.Set, changed []manifests.Key) {
			c.Changed(set, changed)
			look.changed(set)
		},
		Resync: o.resync,
		OnTrouble: func(err error) {
			c.Deaf(err)
			look.hears(hearsManifests, err == nil)
			if err != nil {
				log.Error(err, "Manifests are found late")
			} else {
				log.Info("Manifests are found at once again")
			}
		},
	}
	s.Memory = o.layout().Memory()
	s.OnLapse = func(err error) {
		log.Error(fault.Known(err), "A folder of manifests that is empty after the next start will be taken at its word")
	}
	for _, dir := range o.manifestDirs {
		s.Folders = append(s.Folders, manifests.Folder{Path: dir, Recursive: o.recursive})
	}
	s.Folders = append(s.Folders, manifests.Folder{Path: o.layout().Manifests(), Ephemeral: true})
	return s
}

// convergeOnce converges once and reports what it found and did.
func (o *options) convergeOnce(ctx context.Context, c *controller.Controller, k *kernel.Kernel, source *manifests.Source, out io.Writer) error {
	source.Refresh()
	c.Measure = k.Usage
	before, old := k.Trash()
	summary, err := c.Once(ctx)
	if err != nil {
		return err
	}
	r := newReport(summary)
	r.Trash.Found, r.FreedBytes = len(before), r.FreedBytes+old
	thrown, _ := k.Trash()
	if err := k.EmptyTrash(ctx); err != nil {
		if ctx.Err() != nil {
			return err
		}
		r.Trash.Problem = err.Error()
	}
	left, _ := k.Trash()
	r.Trash.Removed = len(thrown) - len(left)
	strangers, err := k.Strangers(ctx)
	if err != nil {
		c.Log.Error(err, "Looking for what is not ours failed")
	}
	r.LeftAlone = append(r.LeftAlone, strangers...)
	if err := r.print(out, o.output); err != nil {
		return fmt.Errorf("print the report: %w", err)
	}
	if len(summary.NotReady) > 0 || r.Trash.Problem != "" {
		return errNotReady
	}
	return nil
}

// serve converges until the context ends.
func serve(ctx context.Context, c *controller.Controller, k *kernel.Kernel, source *manifests.Source, log logr.Logger, look *lookout, answer func(context.Context)) error {
	var others sync.WaitGroup
	ctx, cancel := context.WithCancel(ctx)
	defer others.Wait()
	defer cancel()
	source.Refresh() // so that the controller knows what is wanted when it starts
	others.Go(func() { source.Run(ctx) })
	listening := make(chan struct{})
	others.Go(func() { hear(ctx, k, c, log, look, sync.OnceFunc(func() { close(listening) })) })
	others.Go(func() { attend(ctx, k, c, log, look) })
	others.Go(func() { look.keep(ctx) })
	others.Go(func() { k.WatchSpace(ctx, c.Touch) })
	others.Go(func() { answer(ctx) })
	others.Go(func() {
		k.TendTrash(ctx, func(err error) {
			c.Trouble(k.Layout().Trash(), controller.ReasonTrash, err)
			if err != nil {
				log.Error(err, "Something in the trash cannot be removed; it is tried again")
			}
		})
	})
	others.Go(func() { watchdog(ctx, log, func() bool { return look.alive(ctx) }) })
	notify(log, daemon.SdNotifyReady)
	notifyStatus(log, "converging")
	<-listening // else all that is there is looked at twice
	err := c.Run(ctx)
	notify(log, daemon.SdNotifyStopping)
	log.Info("Ending; all sessions stay as they are")
	return err
}

// hear passes on what the kernel tells of mounts. It calls began when it is told of all
// that happens from then on, or will not be.
func hear(ctx context.Context, k *kernel.Kernel, c *controller.Controller, log logr.Logger, look *lookout, began func()) {
	defer began()
	listening := began
	for ctx.Err() == nil {
		look.hears(hearsMounts, true)
		polling := func(err error) {
			look.polls()
			log.Info("Drift is heard of by polling mount tables, since there are no events of mounts", "cause", err.Error())
		}
		err := drift.Watcher{Layout: k.Layout(), Polling: polling, Listening: listening}.Run(ctx, c.Heard)
		if err == nil {
			return
		}
		listening = nil // what happened in between is told of
		began()
		look.hears(hearsMounts, false)
		log.Error(fault.Known(err), "Not told of drift; sessions are looked at from time to time instead")
		select {
		case <-ctx.Done():
		case <-time.After(deafness):
		}
	}
}

// attend passes on who comes and goes.
func attend(ctx context.Context, k *kernel.Kernel, c *controller.Controller, log logr.Logger, look *lookout) {
	for ctx.Err() == nil {
		look.hears(hearsLeases, true)
		err := k.Leases().Watch(ctx, c.Visited)
		if err == nil {
			return
		}
		look.hears(hearsLeases, false)
		log.Error(fault.Known(err), "Not told of who comes and goes; sessions are looked at from time to time instead")
		select {
		case <-ctx.Done():
		case <-time.After(deafness):
		}
	}
}
