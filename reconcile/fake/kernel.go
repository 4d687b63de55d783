package fake

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"syscall"

	"coppice.dev/reconcile/object"
	"coppice.dev/reconcile/plan"
)

// ErrCrashed is what a dead daemon's calls return.
var ErrCrashed = errors.New("the daemon is dead")

// Kernel is a daemon's hold on a machine; it implements reconcile.Kernel.
type Kernel struct {
	m        *Machine
	dead     bool
	attached string // the loop device that only this daemon holds
}

// trouble is what lies ahead of the daemon, counted in effects from now on.
type trouble struct {
	effects int
	crash   int // before or after this one; 0 is never
	after   bool
	fail    int // this one fails once
	err     error
	blind   map[object.Kind]bool
}

// CrashAt kills the daemon before or after its n-th effect from now on; 0 never.
func (m *Machine) CrashAt(n int, after bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.trouble.effects, m.trouble.crash, m.trouble.after = 0, n, after
}

// FailAt makes the n-th effect from now on fail once.
func (m *Machine) FailAt(n int, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.trouble.effects, m.trouble.fail, m.trouble.err = 0, n, err
}

// Blind lets looks at these kinds fail, and at no others.
func (m *Machine) Blind(kinds ...object.Kind) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.trouble.blind = map[object.Kind]bool{}
	for _, k := range kinds {
		m.trouble.blind[k] = true
	}
}

// stop is how an effect that fails leaves a step.
type stop struct{ err error }

// effect is one system call that changes something.
func (k *Kernel) effect(change func()) {
	t := &k.m.trouble
	t.effects++
	here := t.crash == t.effects
	if here && !t.after {
		k.die()
	}
	if t.fail == t.effects {
		t.fail = 0
		panic(stop{t.err})
	}
	change()
	k.m.settle()
	if here {
		k.die()
	}
}

func (k *Kernel) die() {
	k.dead = true
	k.m.trouble.crash = 0
	k.m.settle()
	panic(stop{ErrCrashed})
}

// refuse leaves a step with an error of the kernel's.
func refuse(errno syscall.Errno, format string, args ...any) {
	panic(stop{fmt.Errorf("%s: %w", fmt.Sprintf(format, args...), errno)})
}

// Do implements reconcile.Kernel.
func (k *Kernel) Do(_ context.Context, step plan.Step) (err error) {
	k.m.mu.Lock()
	defer k.m.mu.Unlock()
	if k.dead {
		return ErrCrashed
	}
	defer func() {
		k.attached = ""
		k.m.settle()
		if r := recover(); r != nil {
			s, is := r.(stop)
			if !is {
				panic(r)
			}
			err = s.err
		}
	}()
	switch step.Op {
	case plan.Create:
		k.create(step.Object, step.Contents)
	case plan.Amend:
		k.amend(step.Object)
	case plan.Destroy:
		k.destroy(step.Seen)
	}
	return nil
}

// Owners implements reconcile.Kernel.
func (k *Kernel) Owners(context.Context) ([]object.Owner, error) {
	k.m.mu.Lock()
	defer k.m.mu.Unlock()
	if k.dead {
		return nil, ErrCrashed
	}
	m, found := k.m, map[object.Owner]bool{}
	for s := range m.homes {
		found[object.SessionOwner(s)] = true
	}
	for s := range m.views {
		found[object.SessionOwner(s)] = true
	}
	for o := range m.trees {
		found[o] = true
	}
	for key := range m.points {
		found[object.BaseOwner(key)] = true
	}
	for s := range m.pinRooms {
		if !m.othersIn(s) || len(m.pinsOf(s)) > 0 {
			found[object.SessionOwner(s)] = true
		}
	}
	for g := range m.groups {
		if s, ours := strings.CutPrefix(g, m.Controller+"/"); ours {
			found[object.SessionOwner(s)] = true
		}
	}
	for o := range m.disks {
		found[o] = true
	}
	for _, v := range m.volumes {
		if l, err := object.ParseLabel(v.tag); err == nil && l.Controller == m.Controller {
			found[l.Owner] = true
		}
	}
	for _, text := range m.loops {
		if l, err := object.ParseLabel(text); err == nil && l.Controller == m.Controller {
			found[l.Owner] = true
		}
	}
	return slices.SortedFunc(maps.Keys(found), func(a, b object.Owner) int {
		return object.ID{Owner: a}.Compare(object.ID{Owner: b})
	}), nil
}

var kindsOf = map[object.Class][]object.Kind{
	object.Session: {
		object.KindHome, object.KindSnapshot, object.KindVolume, object.KindDisk, object.KindTree, object.KindStore, object.KindQuota, object.KindUpper, object.KindNamespace, object.KindMount,
		object.KindProcesses, object.KindView, object.KindFile, object.KindHook,
	},
	object.Base: {object.KindImage, object.KindDisk, object.KindTree},
}

// Observe implements reconcile.Kernel.
func (k *Kernel) Observe(_ context.Context, owner object.Owner, desired []object.Object) object.World {
	k.m.mu.Lock()
	defer k.m.mu.Unlock()
	w := object.World{Owner: owner, Blind: map[object.Kind]string{}}
	known := slices.Clone(desired)
	for _, kind := range kindsOf[owner.Class] {
		switch {
		case k.dead:
			w.Blind[kind] = ErrCrashed.Error()
			continue
		case k.m.trouble.blind[kind]:
			w.Blind[kind] = "the look failed"
			continue
		}
		if p := k.m.points[owner.Name]; kind == object.KindImage && p != nil && p.over {
			w.Blind[kind] = "something is mounted there, which is not ours"
			continue
		}
		if d := k.m.disks[owner]; kind == object.KindDisk && d != nil && d.over {
			w.Blind[kind] = "something is mounted there, which is not ours"
			continue
		}
		var fits []object.Object
		for _, o := range known {
			if o.Kind() == kind {
				fits = append(fits, o)
			}
		}
		for _, seen := range k.observe(kind, owner, fits) {
			seen.Owner, seen.Kind = owner, kind
			w.Objects = append(w.Objects, seen)
		}
		if remembered, ok := w.Home(); ok && kind == object.KindHome {
			known = append(known, remembered.Objects...)
		}
	}
	return w
}
