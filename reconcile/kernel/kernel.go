package kernel

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"
	"time"

	"coppice.dev/reconcile/compile"
	"coppice.dev/reconcile/driver"
	"coppice.dev/reconcile/fault"
	"coppice.dev/reconcile/kernel/btrfs"
	"coppice.dev/reconcile/kernel/disk"
	"coppice.dev/reconcile/kernel/files"
	"coppice.dev/reconcile/kernel/home"
	"coppice.dev/reconcile/kernel/hook"
	"coppice.dev/reconcile/kernel/image"
	"coppice.dev/reconcile/kernel/inspect"
	"coppice.dev/reconcile/kernel/journal"
	"coppice.dev/reconcile/kernel/lease"
	"coppice.dev/reconcile/kernel/lvm"
	"coppice.dev/reconcile/kernel/namespace"
	"coppice.dev/reconcile/kernel/processes"
	"coppice.dev/reconcile/kernel/quota"
	"coppice.dev/reconcile/kernel/rmtree"
	"coppice.dev/reconcile/kernel/store"
	"coppice.dev/reconcile/kernel/tree"
	"coppice.dev/reconcile/kernel/upper"
	"coppice.dev/reconcile/layout"
	"coppice.dev/reconcile/object"
	"coppice.dev/reconcile/plan"
	"coppice.dev/spec"
)

// Config is what a kernel is opened with.
type Config struct {
	Layout layout.Layout
	// NoQuotas has uppers be limited by images even where quotas could do it.
	NoQuotas bool
	// Progress is told how far a long step has come, in bytes. It may be nil,
	// and must not block.
	Progress func(id object.ID, done, total int64)
	// GivenUp is told of a hook whose undoing failed for the last time. It may
	// be nil.
	GivenUp func(id object.ID, err error)
	// HookSaid is told what hooks write, line by line. It may be nil.
	HookSaid func(session, hook, phase, line string)
}

// Kernel is the real world. It is safe for concurrent use, as long as no two
// calls are for the same owner.
type Kernel struct {
	layout  layout.Layout
	lock    *os.File
	room    *namespace.Room
	group   processes.Driver
	drivers map[object.Kind]driver.Driver
	volumes *lvm.Driver
	stores  *store.Driver
	quotas  *quota.Driver
	trashed chan struct{}
	// noQuotas has no new session be limited by a quota.
	noQuotas bool

	inspector inspect.Inspector

	closing sync.Once
}

// ErrInUse is returned by Open while another controller holds the state folder.
var ErrInUse = errors.New("another coppiced works with it")

// Open prepares the folders, takes the lock, and finds out who this controller is.
func Open(cfg Config) (*Kernel, error) {
	l := cfg.Layout
	for _, path := range []string{l.State, l.Run} {
		if err := os.MkdirAll(path, 0o755); err != nil {
			return nil, fault.Disk("prepare folder", err)
		}
	}
	for _, path := range private(l) {
		if err := keepPrivate(path); err != nil {
			return nil, fault.Disk("prepare folder", err)
		}
	}
	lock, err := lockState(l.Lock())
	if err != nil {
		return nil, err
	}
	k := &Kernel{layout: l, lock: lock, trashed: make(chan struct{}, 1), noQuotas: cfg.NoQuotas}
	if err := k.open(cfg); err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	return k, nil
}

func (k *Kernel) open(cfg Config) error {
	controller, err := identity(k.layout)
	if err != nil {
		return err
	}
	if k.room, err = namespace.New(k.layout, controller); err != nil {
		return err
	}
	groups, err := processes.FindGroups()
	if err != nil {
		return err
	}
	notes := journal.Journal{Layout: k.layout}
	k.group = processes.Driver{Controller: controller, Groups: groups, Rooms: k.room, Strays: new(processes.Strays)}
	if k.group.Limiter, err = processes.FindLimits(groups); err != nil {
		return err
	}
	k.group.Leases = lease.Book{Folder: k.layout.Leases(), Group: k.group.Path, Tasks: k.group.Tasks}
	if err := k.group.FindStrays(); err != nil {
		return err
	}
	reports := &lvm.Reports{Tool: new(lvm.Tool)}
	k.inspector.Volumes, k.volumes = reports, lvm.New(controller, reports)
	k.stores = store.New(k.layout, controller, k.poke)
	k.quotas = quota.New(k.layout, k.poke)
	k.drivers = map[object.Kind]driver.Driver{
		object.KindHome:      home.Driver{Layout: k.layout, Trashed: k.poke},
		object.KindImage:     image.Driver{Layout: k.layout, Controller: controller},
		object.KindSnapshot:  btrfs.Driver{Layout: k.layout, Remove: rmtree.Remove},
		object.KindVolume:    k.volumes,
		object.KindDisk:      disk.Driver{Layout: k.layout},
		object.KindTree:      tree.Driver{Layout: k.layout, Trashed: k.poke, Progress: cfg.Progress},
		object.KindStore:     k.stores,
		object.KindQuota:     k.quotas,
		object.KindUpper:     upper.Driver{Layout: k.layout, Trashed: k.poke},
		object.KindNamespace: namespace.Namespaces{Room: k.room},
		object.KindMount:     namespace.Mounts{Room: k.room},
		object.KindView:      namespace.Views{Room: k.room},
		object.KindProcesses: k.group,
		object.KindFile:      files.Driver{Rooms: k.room, Journal: notes},
		object.KindHook:      hook.Driver{Rooms: k.room, Groups: k.group, Journal: notes, GivenUp: cfg.GivenUp, Said: cfg.HookSaid},
	}
	return nil
}

// kindsOf are the kinds that an owner of each class can have, in the order in
// which they are looked at: the home first, since it remembers the others.
var kindsOf = map[object.Class][]object.Kind{
	object.Session: {
		object.KindHome, object.KindSnapshot, object.KindVolume, object.KindDisk, object.KindTree, object.KindStore, object.KindQuota, object.KindUpper, object.KindNamespace, object.KindMount,
		object.KindProcesses, object.KindView, object.KindFile, object.KindHook,
	},
	object.Base: {object.KindImage, object.KindDisk, object.KindTree},
}

// Owners implements reconcile.Kernel.
func (k *Kernel) Owners(ctx context.Context) ([]object.Owner, error) {
	var all []object.Owner
	failed := k.present()
	for kind, d := range k.drivers {
		finder, is := d.(driver.Finder)
		if !is {
			continue
		}
		owners, err := finder.Owners(ctx)
		all = append(all, owners...)
		if err != nil {
			failed = errors.Join(failed, fmt.Errorf("%s: %w", kind, err))
		}
	}
	slices.SortFunc(all, func(a, b object.Owner) int { return object.ID{Owner: a}.Compare(object.ID{Owner: b}) })
	return slices.Compact(all), failed
}

// Observe implements reconcile.Kernel.
func (k *Kernel) Observe(ctx context.Context, owner object.Owner, desired []object.Object) object.World {
	world := object.World{Owner: owner}
	known := slices.Clone(desired)
	if err := k.present(); err != nil {
		world.Blind = map[object.Kind]string{}
		for _, kind := range kindsOf[owner.Class] {
			world.Blind[kind] = err.Error()
		}
		return world
	}
	for _, kind := range kindsOf[owner.Class] {
		seen, err := k.drivers[kind].Observe(ctx, owner, ofKind(known, kind))
		if err != nil {
			if world.Blind == nil {
				world.Blind = map[object.Kind]string{}
			}
			world.Blind[kind] = fault.Known(err).Error()
			continue
		}
		world.Objects = append(world.Objects, seen...)
		if kind == object.KindHome {
			if remembered, ok := world.Home(); ok {
				known = append(known, remembered.Objects...)
			}
		}
	}
	return world
}

func ofKind(list []object.Object, kind object.Kind) []object.Object {
	var found []object.Object
	for _, o := range list {
		if o.Kind() == kind {
			found = append(found, o)
		}
	}
	return found
}

// limits are how long steps of a kind may take where that can be enforced. What
// is not here limits itself (hooks), or takes as long as it takes (trees).
var limits = map[object.Kind]time.Duration{
	object.KindFile:  time.Minute,
	object.KindImage: time.Minute,
	object.KindDisk:  time.Minute,
	object.KindStore: time.Minute,
}

// Do implements reconcile.Kernel.
func (k *Kernel) Do(ctx context.Context, step plan.Step) error {
	d, known := k.drivers[step.Kind()]
	if !known {
		return fmt.Errorf("no driver for %s objects", step.Kind())
	}
	if err := k.present(); err != nil {
		return err
	}
	if limit, limited := limits[step.Kind()]; limited {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, limit, &fault.Fault{
			Reason: fault.TimedOut, Doing: fmt.Sprintf("wait for it for %s", limit), Hint: "look for a hung disk or network mount",
		})
		defer cancel()
	}
	switch step.Op {
	case plan.Create:
		return d.Create(ctx, step.Object, step.Contents)
	case plan.Amend:
		return d.Amend(ctx, step.Object)
	case plan.Destroy:
		return d.Destroy(ctx, step.Seen)
	default:
		return fmt.Errorf("unknown operation %q", step.Op)
	}
}

// Inspect looks at a chroot's source before a session is admitted, and at how the
// session's own layer can be limited.
func (k *Kernel) Inspect(ctx context.Context, s spec.Source) (compile.Facts, error) {
	facts, err := k.inspector.Source(ctx, s)
	if !k.noQuotas {
		facts.Quota, _ = k.quotas.Offered()
	}
	return facts, err
}

// Layout returns the paths that objects live at.
func (k *Kernel) Layout() layout.Layout { return k.layout }

// Room tells where sessions' namespaces are.
func (k *Kernel) Room() *namespace.Room { return k.room }

// Group returns the folder of a session's cgroup, "" if the machine has no
// cgroup v2.
func (k *Kernel) Group(session string) string { return k.group.Path(session) }

// WatchSpace passes on the owners of volumes and of limited layers that fill up, until
// the context is done.
func (k *Kernel) WatchSpace(ctx context.Context, touch func(object.Owner)) {
	var all sync.WaitGroup
	all.Go(func() { k.volumes.Watch(ctx, touch) })
	all.Go(func() { k.stores.Watch(ctx, touch) })
	all.Go(func() { k.quotas.Watch(ctx, touch) })
	all.Wait()
}

// Leases is the book of the commands that people are let into sessions with.
func (k *Kernel) Leases() lease.Book { return k.group.Leases }

// Close lets go of the lock. Sessions stay as they are.
func (k *Kernel) Close() error {
	var err error
	k.closing.Do(func() { err = errors.Join(k.room.Close(), k.group.Close(), k.lock.Close()) })
	return err
}
