package controller

import (
	"cmp"
	"context"
	"fmt"
	"path/filepath"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"coppice.dev/reconcile"
	"coppice.dev/reconcile/fault"
	"coppice.dev/reconcile/object"
	"coppice.dev/reconcile/plan"
	"coppice.dev/spec"
	"coppice.dev/status"
)

// base takes one pass over what sessions share: it is made while some session
// claims it, and goes when none does.
func (c *Controller) base(ctx context.Context, name string) {
	k, owner := baseKey(name), object.BaseOwner(name)
	fate, want, left := c.claims.decide(name, c.worth(name))
	switch fate {
	case stays:
		return // looked at again when it is known who wants it
	case rests:
		c.queue.after(k, left)
		return
	}
	log := c.Log.WithValues("base", name)
	watch := c.watchBase(name)
	defer watch.stop()
	out, err := reconcile.Converge(ctx, c.kernel, owner, want.Objects, plan.Policy{}, reconcile.Trace{
		Begin: func(s plan.Step) { c.baseBegins(name, s) },
		End: func(s plan.Step, err error) {
			if err == nil {
				log.Info(fmt.Sprintf("%s %s", s.Op, s.ID.Address), "why", s.Reason, "source", want.Source)
			}
		},
	})
	if ctx.Err() != nil {
		return // a cancelled pass says nothing
	}
	if err == nil && len(out.Held) > 0 {
		h := out.Held[0]
		err = &fault.Fault{Reason: fault.Blind, Doing: fmt.Sprintf("%s %s: %s", h.Op, h.ID, h.Reason), Hint: "it is tried again"}
	}
	if err == nil && fate == goes {
		err = notAllSeen(out.World) // what is there may be somebody else's
	}
	var retry time.Time
	if err != nil {
		c.makeRoom(err)
		retry = time.Now().Add(c.queue.failedWith(k, err))
		log.Error(err, "Working on a base failed", "source", want.Source)
	} else {
		c.queue.succeeded(k)
	}
	if fate == goes && err == nil && len(out.Taken) > 0 && !c.claims.known(name) {
		c.observer.Happened(Incident{What: Swept, Of: string(classBase)})
	}
	for _, session := range c.claims.settled(name, fate, objectsOf(out.World, true), err, retry) {
		c.queue.renew(sessionKey(session))
	}
	if fate == goes && err == nil {
		c.mu.Lock()
		c.untend(k)
		c.mu.Unlock()
	}
}

// worth is for how long a base is kept when nobody stands on it: an archive takes
// long to unpack, and is likely to be wanted again as long as a Chroot names it.
func (c *Controller) worth(name string) time.Duration {
	_, refs := c.manifestsNow()
	return worthOf(c.claims.source(name), refs, c.KeepUnpacked)
}

// worthOf is the same for a base that is made from that, if those are the chroots.
func worthOf(source string, refs spec.References, keep time.Duration) time.Duration {
	for _, chroot := range refs.Chroots {
		if file := chroot.Spec.Source.File; file != nil && source != "" && filepath.Clean(file.Path) == source {
			return keep
		}
	}
	return 0
}

// makeRoom has what is kept for later go if something failed for lack of room.
func (c *Controller) makeRoom(err error) {
	if fault.ReasonOf(err) == fault.NoSpace {
		c.renewBases(c.claims.resting(true))
	}
}

func (c *Controller) renewBases(names []string) {
	for _, name := range names {
		c.queue.renew(baseKey(name))
	}
}

// baseBegins tells those that wait for a base what is being done with it.
func (c *Controller) baseBegins(name string, s plan.Step) {
	step := &status.Step{
		Operation: string(s.Op), Address: s.ID.String(), Since: metav1.Now(),
	}
	for _, session := range c.claims.begun(name, step, s.Op == plan.Amend) {
		c.tellStep(session, step)
	}
}

// baseWatch tells those that wait for a base when that takes long.
type baseWatch struct {
	c     *Controller
	name  string
	begun time.Time

	mu    sync.Mutex
	timer *time.Timer // nil when the pass has ended
}

func (c *Controller) watchBase(name string) *baseWatch {
	w := &baseWatch{c: c, name: name, begun: time.Now()}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.timer = time.AfterFunc(slow, w.takesLong)
	return w
}

func (w *baseWatch) stop() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.timer.Stop()
	w.timer = nil
}

func (w *baseWatch) takesLong() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.timer == nil {
		return
	}
	w.timer = time.AfterFunc(slow, w.takesLong)
	step, sessions := w.c.claims.current(w.name)
	message := takes(step, w.begun)
	for _, session := range sessions {
		if r := w.c.reports.find(sessionKey(session)); r != nil {
			r.mention(telling, func(f *status.File) { status.Remark(&f.Status, message) })
		}
	}
}

// Progress says how far a long step has come, in bytes. It does not block.
func (c *Controller) Progress(id object.ID, done, total int64) {
	if id.Owner.Class == object.Base {
		step, sessions := c.claims.advanced(id.Owner.Name, done, total)
		for _, session := range sessions {
			c.tellStep(session, step)
		}
		return
	}
	if r := c.reports.find(sessionKey(id.Owner.Name)); r != nil {
		r.advance(done, total)
	}
}

// tellStep shows a step on a base in the status of a session that waits for it.
func (c *Controller) tellStep(session string, step *status.Step) {
	if r := c.reports.find(sessionKey(session)); r != nil {
		r.mention(telling, func(f *status.File) { f.Status.Step = step })
	}
}

// objectsOf returns a world's objects as they are told.
func objectsOf(world object.World, shared bool) []status.Object {
	var list []status.Object
	for _, o := range world.Objects {
		told := status.Object{Address: string(o.Address), Kind: string(o.Kind), Name: o.Name, Problem: cmp.Or(o.Damage, o.Failing), Note: o.Note, Used: o.Used, Limit: o.Limit}
		if shared {
			told.Owner = o.Owner.String()
		}
		list = append(list, told)
	}
	return list
}
