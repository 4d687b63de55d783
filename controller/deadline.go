package controller

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"coppice.dev/reconcile"
	"coppice.dev/reconcile/fault"
	"coppice.dev/reconcile/object"
	"coppice.dev/reconcile/plan"
)

// looking is how long a look may take.
const looking = 2 * time.Minute

// finishing is how long a step may still take when the controller is to end.
const finishing = 10 * time.Second

// patient is a kernel whose calls have a deadline, and which lets a step finish
// that has begun when the controller is told to end.
type patient struct{ reconcile.Kernel }

// Owners implements reconcile.Kernel.
func (p patient) Owners(ctx context.Context) ([]object.Owner, error) {
	ctx, cancel := context.WithTimeout(ctx, looking)
	defer cancel()
	return p.Kernel.Owners(ctx)
}

// Observe implements reconcile.Kernel.
func (p patient) Observe(ctx context.Context, owner object.Owner, desired []object.Object) object.World {
	ctx, cancel := context.WithTimeout(ctx, looking)
	defer cancel()
	return p.Kernel.Observe(ctx, owner, desired)
}

// Do implements reconcile.Kernel.
func (p patient) Do(ctx context.Context, step plan.Step) error {
	may := allowed(step)
	own, cancel := context.WithTimeout(context.WithoutCancel(ctx), may)
	defer cancel()
	stop := context.AfterFunc(ctx, func() {
		select {
		case <-own.Done():
		case <-time.After(finishing):
			cancel()
		}
	})
	defer stop()
	err := p.Kernel.Do(own, step)
	if err == nil || !errors.Is(own.Err(), context.DeadlineExceeded) {
		return err
	}
	if _, is := errors.AsType[*fault.Fault](err); is {
		return err
	}
	return &fault.Fault{
		Reason: fault.TimedOut,
		Doing:  fmt.Sprintf("%s %s within %s", strings.ToLower(string(step.Op)), step.ID, may),
		Hint:   "look for a disk or a server that does not answer; it is tried again",
		Err:    err,
	}
}

// allowed is how long a step may take. Unpacking an archive takes what it takes;
// where processes are given time, that comes on top.
func allowed(step plan.Step) time.Duration {
	wanted := step.Object.Spec
	if step.Op == plan.Destroy {
		wanted = step.Seen.Spec
	}
	switch s := wanted.(type) {
	case object.Hook:
		return s.Timeout + time.Minute
	case object.Processes:
		return s.Grace + time.Minute
	}
	if step.Kind() == object.KindTree {
		return 2 * time.Hour
	}
	return 3 * time.Minute
}
