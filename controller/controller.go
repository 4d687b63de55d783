package controller

import (
	"context"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/go-logr/logr"

	"coppice.dev/controller/budget"
	"coppice.dev/manifests"
	"coppice.dev/reconcile"
	"coppice.dev/reconcile/compile"
	"coppice.dev/reconcile/layout"
	"coppice.dev/reconcile/object"
	"coppice.dev/spec"
	"coppice.dev/status"
)

// Controller keeps the world as the manifests want it. Its fields are to be set
// before Run or Once, one of which is to be called once.
type Controller struct {
	// Inspect asks the machine about a source.
	Inspect func(context.Context, spec.Source) (compile.Facts, error)
	// Log gets one line for each change.
	Log logr.Logger
	// Clock tells the time of day, which somebody may set; time.Now if nil.
	Clock func() time.Time
	// MaxPrune is how many of a folder's sessions may go at the same time without
	// asking, unless they are the smaller part of them; less than nothing for any
	// number. Wishes are those to which that does not apply; nil for none.
	MaxPrune int
	Wishes   Wishes
	// Suspensions are the sessions that are left as they are; nil for none.
	Suspensions Suspensions
	// Observer is told what is done; nil for nobody.
	Observer Observer
	// Tenants are those whom sessions were begun for; nil if they live for ever.
	Tenants Tenants
	// Workers is how many keys are worked on at the same time.
	Workers int
	// KeepUnpacked is how long an unpacked archive that a Chroot names is kept when no
	// session stands on it.
	KeepUnpacked time.Duration
	// Measure tells how much of the disk an object holds, in bytes. It is asked by
	// Once alone, before something goes; it may be nil.
	Measure func(object.Observed) int64
	// Limits are what may be used of the host before no session is begun. LookAtDisks
	// looks at its disks, and LookAtHost counts the rest; nil if that is not known.
	Limits      budget.Limits
	LookAtDisks func() []budget.Disk
	LookAtHost  func() budget.Host
	// Resync is how often everything is looked at again without a cause.
	Resync time.Duration

	kernel   reconcile.Kernel
	layout   layout.Layout
	queue    *queue
	claims   *claims
	line     *line
	links    *links
	reports  *reports
	ages     *ages
	guard    *guard
	passes   *passes
	turns    *turns
	tenants  Tenants
	observer Observer
	rounds   rounds
	probe    probe

	mu sync.Mutex
	// set is what the manifests say, and refs what of it sessions may name.
	set  manifests.Set
	refs spec.References
	// deaf says why nobody tells of changes in the watched folders.
	deaf string
	// troubles are what is wrong with files of the controller's own, by path.
	troubles map[string]trouble
	// tended are the keys that were looked at and may come back.
	tended map[key]struct{}
	// unnamed are those of them that no manifest names.
	unnamed map[key]struct{}
	// withdrawn are the sessions whose manifests were taken away by the controller.
	withdrawn map[string]withdrawal
	// forced are the sessions that somebody wants to be put right, each with the
	// number of the request; asked counts those.
	forced map[string]int
	asked  int
	// ended says of the sessions that Once took down why they went.
	ended map[string]string
}

// DefaultMaxPrune is how many sessions of a folder may go at the same time
// without asking.
const DefaultMaxPrune = 10

// New returns a controller of the objects in that kernel, which tells what it
// does through the writer.
func New(kernel reconcile.Kernel, l layout.Layout, writer *status.Writer) *Controller {
	c := &Controller{
		Inspect:  func(context.Context, spec.Source) (compile.Facts, error) { return compile.Facts{}, nil },
		Log:      logr.Discard(),
		MaxPrune: DefaultMaxPrune,
		Wishes:   unspoken{},
		Workers:  max(4, 2*runtime.NumCPU()),
		Resync:   30 * time.Second,

		Suspensions: unsuspended{},

		kernel: patient{kernel},
		layout: l,
		queue:  newQueue(false),
		claims: newClaims(),
		line:   newLine(),
		links:  newLinks(),
		ages:   newAges(),
		guard:  newGuard(DefaultMaxPrune),
		passes: newPasses(),
		turns:  newTurns(),

		tenants:  eternal{},
		observer: unobserved{},
		tended:   map[key]struct{}{},
		unnamed:  map[key]struct{}{},
		forced:   map[string]int{},

		troubles:  map[string]trouble{},
		withdrawn: map[string]withdrawal{},
		ended:     map[string]string{},
	}
	c.reports = newReports(writer, &c.Log)
	return c
}

// Run works until the context ends. Steps that have begun are finished then;
// sessions stay as they are.
func (c *Controller) Run(ctx context.Context) error {
	workers := c.start(ctx)
	c.attend(ctx)
	c.queue.close()
	err := workers.end()
	c.reports.rest()
	return err
}

// start begins the workers and gives them everything to look at.
func (c *Controller) start(ctx context.Context) *pool {
	if c.Clock != nil {
		c.ages.wall = c.Clock
	}
	if c.Tenants != nil {
		c.tenants = c.Tenants
	}
	if c.Observer != nil {
		c.observer, c.queue.observer = c.Observer, c.Observer
		c.kernel = timed{c.kernel, c.Observer}
	}
	c.guard.most = c.MaxPrune
	c.line.limits, c.line.look, c.line.disks = c.Limits, c.LookAtHost, c.LookAtDisks
	workers := &pool{queue: c.queue, look: c.look}
	workers.start(ctx, max(1, c.Workers))
	c.lookAtAll(ctx, func(k key) { c.queue.add(k) })
	return workers
}

// look takes one pass over whatever the key names, which has waited for it.
func (c *Controller) look(ctx context.Context, k key, waited time.Duration) {
	c.mu.Lock()
	c.tended[k] = struct{}{}
	c.tend(k)
	c.mu.Unlock()
	done, err := c.turns.take(ctx, k)
	if err != nil {
		return // it is for the next start
	}
	defer done()
	ctx, end := c.passes.begin(ctx, k)
	defer func() { c.observer.Passed(string(k.class), waited, end()) }()
	switch k.class {
	case classSession:
		c.session(ctx, k.name)
	case classBase:
		c.base(ctx, k.name)
	case classChroot:
		c.chroot(ctx, k.name)
	case classProfile:
		c.profile(k.name)
	case classManifest:
		c.manifest(k.name)
	case classFolder:
		c.folder(k.name)
	}
}

// Touch says that something may have happened to an owner's objects. It does
// not block.
func (c *Controller) Touch(owner object.Owner) { c.queue.add(keyOf(owner)) }

// Heard is Touch for what the kernel tells of. What is told while the owner is looked at
// is mostly what that look has done: it is looked at again when that is over.
func (c *Controller) Heard(owner object.Owner) {
	if k := keyOf(owner); c.passes.under(k) {
		c.queue.settled(k)
	} else {
		c.queue.add(k)
	}
}

// Visited is Touch for who comes to a session, and goes. Most commands are over at once,
// and need be told of but once.
func (c *Controller) Visited(session string) { c.queue.settled(sessionKey(session)) }

// freed looks at the bases again, since now some may go, and at the sessions
// that could not know whether they may have one.
func (c *Controller) freed() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for k := range c.tended {
		if k.class == classBase {
			c.queue.add(k)
		}
	}
	for _, name := range slices.Concat(c.claims.waiting(), c.guard.waited()) {
		c.queue.add(sessionKey(name))
	}
}

// letIn has sessions look again that may begin now.
func (c *Controller) letIn(names []string) {
	for _, name := range names {
		c.queue.renew(sessionKey(name))
	}
}

// forget forgets a key of which nothing is left.
func (c *Controller) forget(k key) {
	c.reports.drop(k)
	if k.class == classSession {
		c.ages.forget(k.name)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.untend(k)
}

// manifestsNow returns what the manifests say, and what of it sessions may name.
func (c *Controller) manifestsNow() (manifests.Set, spec.References) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.set, c.refs
}
