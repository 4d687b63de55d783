package controller_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"coppice.dev/reconcile/fault"
	"coppice.dev/reconcile/layout"
	"coppice.dev/reconcile/object"
	"coppice.dev/reconcile/plan"
)

// world is a kernel in memory that does just what the steps say, and refuses
// what the real one refuses between a session and what it stands on: that is
// what the controller is to keep in order. It can be made to fail, to hang and
// to hide things. It outlives the controllers that work on it.
type world struct {
	layout layout.Layout

	mu sync.Mutex
	// there are the objects, by owner and address.
	there map[object.Owner]map[object.Address]object.Object
	// inside are the processes in sessions.
	inside map[object.Owner][]object.Process
	// visits are what is noted of those who were.
	visits map[object.Owner]object.Visits
	// fails are the steps that fail, by "owner address".
	fails map[string]error
	// hangs are the steps that wait until the channel is closed.
	hangs map[string]chan struct{}
	// blind are the kinds that cannot be seen, by owner.
	blind map[object.Owner]object.Kind
	// torn are the owners whose record cannot be read.
	torn map[object.Owner]bool
	// lost makes the list of owners incomplete, and slow has it be what was there
	// some time ago.
	lost bool
	slow time.Duration
	// steps are those that were done, and looks counts the looks.
	steps []string
	looks int
	// wrong is what must never happen.
	wrong []string
}

func newWorld() *world {
	return &world{
		layout: layout.Layout{State: "/state", Run: "/run"},
		there:  map[object.Owner]map[object.Address]object.Object{},
		inside: map[object.Owner][]object.Process{},
		visits: map[object.Owner]object.Visits{},
		fails:  map[string]error{},
		hangs:  map[string]chan struct{}{},
		blind:  map[object.Owner]object.Kind{},
		torn:   map[object.Owner]bool{},
	}
}

func (w *world) Owners(context.Context) ([]object.Owner, error) {
	w.mu.Lock()
	list, slow, lost := slices.Collect(maps.Keys(w.there)), w.slow, w.lost
	w.mu.Unlock()
	if lost {
		return nil, errors.New("owners are lost")
	}
	time.Sleep(slow)
	return list, nil
}

func (w *world) Observe(_ context.Context, owner object.Owner, _ []object.Object) object.World {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.looks++
	seen := object.World{Owner: owner}
	hidden := w.blind[owner]
	if hidden != "" {
		seen.Blind = map[object.Kind]string{hidden: "it is hidden"}
	}
	for _, o := range w.there[owner] {
		if o.Kind() == hidden {
			continue
		}
		s := object.Observed{ID: o.ID, Kind: o.Kind(), Print: object.PrintOf(o.Spec), Spec: o.Spec, Name: "name of " + string(o.Address)}
		if o.Kind() == object.KindProcesses {
			s.Users, s.Visits = w.inside[owner], w.visits[owner]
		}
		if o.Kind() == object.KindHome && w.torn[owner] {
			s.Spec, s.Print = nil, object.Print{}
		}
		seen.Objects = append(seen.Objects, s)
	}
	slices.SortFunc(seen.Objects, func(a, b object.Observed) int { return a.Compare(b.ID) })
	return seen
}

func (w *world) Do(ctx context.Context, step plan.Step) error {
	name := step.ID.Owner.String() + " " + string(step.ID.Address)
	w.mu.Lock()
	hang := w.hangs[name]
	w.mu.Unlock()
	if hang != nil {
		select {
		case <-hang:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := w.fails[name]; err != nil {
		return err
	}
	if err := w.refuse(step); err != nil {
		return err
	}
	w.steps = append(w.steps, string(step.Op)+" "+name)
	owner := step.ID.Owner
	if step.Op == plan.Destroy {
		delete(w.there[owner], step.ID.Address)
		if step.Kind() == object.KindNamespace {
			maps.DeleteFunc(w.there[owner], func(_ object.Address, o object.Object) bool { return o.Kind() == object.KindMount })
		}
		if step.Kind() == object.KindProcesses {
			delete(w.inside, owner)
		}
		if len(w.there[owner]) == 0 {
			delete(w.there, owner)
		}
		return nil
	}
	if w.there[owner] == nil {
		w.there[owner] = map[object.Address]object.Object{}
	}
	if step.Kind() == object.KindHome {
		delete(w.torn, owner)
	}
	for _, o := range append(slices.Clone(step.Contents), step.Object) {
		w.there[owner][o.Address] = o
	}
	return nil
}

// refuse needs the lock.
func (w *world) refuse(step plan.Step) error {
	owner := step.ID.Owner
	if step.Op == plan.Create {
		if _, is := w.there[owner][step.ID.Address]; is {
			return fmt.Errorf("create: %w", syscall.EEXIST)
		}
		if root, is := step.Object.Spec.(object.Namespace); is {
			w.checkSource(owner, root)
			for _, l := range root.Layers {
				if (strings.HasPrefix(l.Path, w.layout.BaseMounts()) || strings.HasPrefix(l.Path, w.layout.BaseTrees())) && !w.stands(l.Path) {
					return fmt.Errorf("mount %s: %w", l.Path, syscall.ENOENT)
				}
			}
		}
		if image, is := step.Object.Spec.(object.Image); is {
			w.checkImage(image)
		}
		return nil
	}
	if step.Op != plan.Destroy {
		return nil
	}
	switch s := step.Seen.Spec.(type) {
	case object.Image:
		return w.refuseUsed(step, s.Path)
	case object.Tree:
		return w.refuseUsed(step, s.Path)
	case object.Processes:
		if users := w.inside[owner]; s.Wait && len(users) > 0 {
			return &fault.Fault{Reason: fault.Busy, Doing: "end " + owner.String(), Holders: users}
		}
	case object.Home:
		if len(w.there[owner]) > 1 {
			w.wrong = append(w.wrong, "the home of "+owner.String()+" went before the rest")
		}
	}
	return nil
}

// stands reports whether a base has something at the path.
func (w *world) stands(path string) bool {
	for _, objects := range w.there {
		for _, o := range objects {
			switch s := o.Spec.(type) {
			case object.Image:
				if s.Path == path {
					return true
				}
			case object.Tree:
				if s.Path == path {
					return true
				}
			}
		}
	}
	return false
}

// refuseUsed refuses to take away what a root stands on. That somebody tried is
// wrong already.
func (w *world) refuseUsed(step plan.Step, path string) error {
	for owner, objects := range w.there {
		for _, o := range objects {
			root, is := o.Spec.(object.Namespace)
			if is && slices.ContainsFunc(root.Layers, func(l object.Layer) bool { return l.Path == path }) {
				w.wrong = append(w.wrong, fmt.Sprintf("%s is to go while %s stands on it", step.ID, owner))
				return fmt.Errorf("unmount %s: %w", path, syscall.EBUSY)
			}
		}
	}
	return nil
}

// checkSource writes down a folder that one session writes to while another
// stands on it.
func (w *world) checkSource(owner object.Owner, root object.Namespace) {
	for other, objects := range w.there {
		for _, o := range objects {
			there, is := o.Spec.(object.Namespace)
			if !is || other == owner || there.Type != object.RootBind && root.Type != object.RootBind {
				continue
			}
			for _, l := range root.Layers {
				if slices.Contains(there.Layers, l) {
					w.wrong = append(w.wrong, fmt.Sprintf("%s and %s both stand on %s, and one writes to it", owner, other, l.Path))
				}
			}
		}
	}
}

// checkImage writes down a file that is mounted twice, one of them writing.
func (w *world) checkImage(image object.Image) {
	for _, objects := range w.there {
		for _, o := range objects {
			other, is := o.Spec.(object.Image)
			if is && other.File == image.File && (!other.ReadOnly || !image.ReadOnly) {
				w.wrong = append(w.wrong, image.File+" is mounted twice, and written to")
			}
		}
	}
}

// change runs a function that breaks or repairs something.
func (w *world) change(f func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	f()
}

// addresses returns what an owner has, in the order of making.
func (w *world) addresses(o object.Owner) []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	var list []string
	for a := range w.there[o] {
		list = append(list, string(a))
	}
	slices.Sort(list)
	return list
}

// owners returns the names of all owners, bases as "base".
func (w *world) owners() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	var list []string
	for o := range w.there {
		if o.Class == object.Base {
			list = append(list, "base")
		} else {
			list = append(list, o.Name)
		}
	}
	slices.Sort(list)
	return strings.Join(list, " ")
}

// taken returns the steps since the last call.
func (w *world) taken() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	steps := w.steps
	w.steps = nil
	return steps
}
