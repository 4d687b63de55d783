package fake

import (
	"slices"
	"strings"
	"syscall"

	"coppice.dev/reconcile/fault"
	"coppice.dev/reconcile/object"
	"coppice.dev/reconcile/plan"
)

func (k *Kernel) create(o object.Object, contents []object.Object) {
	switch spec := o.Spec.(type) {
	case object.Home:
		k.makeHome(o)
	case object.Image:
		k.makeImage(o)
	case object.Snapshot:
		k.makeSnapshot(o)
	case object.Volume:
		k.makeVolume(o)
	case object.Disk:
		k.makeDisk(o)
	case object.Tree:
		k.makeTree(o)
	case object.Store:
		k.makeStore(o)
	case object.Quota:
		k.makeQuota(o)
	case object.Upper:
		k.makeUpper(o)
	case object.Namespace:
		k.makeNamespace(o.Owner, spec, contents)
	case object.Mount:
		if !k.leftOut(spec) {
			k.makeMount(k.inside(o.Owner.Name), spec)
		}
	case object.Processes:
		k.effect(func() { k.m.groups[k.m.Controller+"/"+o.Owner.Name] = true })
	case object.View:
		k.makeView(o.Owner.Name, spec)
	case object.File:
		h := k.home(o.Owner)
		inside := k.inside(o.Owner.Name)
		k.needSource(spec.Source, plan.Create)
		k.note(h, entry{task: o, state: "done", instance: inside.instance})
	case object.Hook:
		k.runHook(o, spec.Phase == "setup")
	}
}

func (k *Kernel) amend(o object.Object) {
	switch spec := o.Spec.(type) {
	case object.Home:
		k.writeRecord(o)
	case object.Volume:
		k.amendVolume(o)
	case object.Store:
		k.amendStore(o)
	case object.Quota:
		k.amendQuota(o)
	case object.Upper:
		if h := k.home(o.Owner); !h.work {
			k.effect(func() { h.work = true })
		}
	case object.Mount:
		top := k.inside(o.Owner.Name).visible(spec.Target)
		if top == nil {
			refuse(syscall.EINVAL, "change mount at %s", spec.Target)
		}
		if !top.ours {
			k.m.violation("somebody else's mount at %s was changed", spec.Target)
		}
		k.effect(func() { top.spec.Flags = spec.Flags })
		k.effect(func() {
			top.spec.Size, top.spec.Optional, top.spec.Untouched = spec.Size, spec.Optional, spec.Untouched
		})
	case object.Hook:
		h, inside := k.home(o.Owner), k.inside(o.Owner.Name)
		e := h.journal[o.Address]
		if e == nil {
			refuse(syscall.ENOENT, "find journal of %s", o.Address)
		}
		if spec.Phase == "recover" && e.instance != inside.instance {
			k.runHook(o, true)
			return
		}
		k.note(h, entry{task: o, state: e.state, instance: e.instance})
	}
}

func (k *Kernel) destroy(seen object.Observed) {
	session := seen.Owner.Name
	switch seen.Kind {
	case object.KindHome:
		k.dropHome(seen.Owner)
	case object.KindImage:
		k.dropImage(seen.Owner)
	case object.KindSnapshot:
		k.dropSnapshot(seen)
	case object.KindVolume:
		k.dropVolume(seen.Owner)
	case object.KindDisk:
		k.dropDisk(seen.Owner)
	case object.KindTree:
		k.dropTree(seen.Owner)
	case object.KindStore:
		k.dropStore(seen.Owner)
	case object.KindQuota:
		k.dropQuota(seen.Owner)
	case object.KindUpper:
		k.dropUpper(seen.Owner)
	case object.KindNamespace:
		k.dropNamespace(session)
	case object.KindMount:
		k.dropMount(session, "/"+seen.Address.Name())
	case object.KindProcesses:
		k.endProcesses(session, seen)
	case object.KindView:
		k.dropView(session)
	case object.KindFile:
		if h := k.m.homes[session]; h != nil {
			k.effect(func() { delete(h.journal, seen.Address) })
		}
	case object.KindHook:
		k.undoHook(session, seen)
	}
}

// inside returns the session's namespace, without which nothing goes in.
func (k *Kernel) inside(session string) *space {
	_, s := k.m.live(session)
	if s == nil {
		refuse(syscall.ENOENT, "open namespace of session %s", session)
	}
	return s
}

func busy(doing string, holders []object.Process) {
	panic(stop{&fault.Fault{Reason: fault.Busy, Doing: doing, Err: syscall.EBUSY, Holders: holders, Hint: "end these processes"}})
}

func (k *Kernel) makeNamespace(o object.Owner, spec object.Namespace, contents []object.Object) {
	m, session := k.m, o.Name
	for _, pin := range m.pinsOf(session) {
		if m.pins[pin] != nil {
			refuse(syscall.EEXIST, "make namespace of session %s", session)
		}
		k.effect(func() { delete(m.pins, pin) })
	}
	r := &root{}
	for _, l := range spec.Layers {
		on, loop := k.resolve(l.Path)
		if on != nil {
			r.on = append(r.on, on)
		}
		if loop != "" {
			r.loops = append(r.loops, loop)
		}
	}
	if spec.Upper != "" {
		h := k.home(o)
		if h.upper == nil || !h.work || k.m.shut(o.Name, spec.Upper) {
			refuse(syscall.ENOENT, "mount overlay of %s", o)
		}
		r.upper = h.upper
		var holders []object.Process
		for pid, p := range m.processes {
			if p.space != nil && p.space.root.upper == r.upper {
				holders = append(holders, object.Process{PID: pid, Command: "sh"})
			}
		}
		for _, live := range m.liveRoots() {
			if live.upper == r.upper {
				busy("mount overlay of "+session, holders)
			}
		}
	}
	// Nothing of it outlives the daemon before it is pinned.
	s := &space{session: session, instance: m.number(), root: r}
	k.effect(func() {})
	for _, c := range contents {
		k.makeMount(s, c.Spec.(object.Mount))
	}
	pin := m.pinPath(session, object.PrintOf(spec), s.instance)
	if !m.pinRooms[session] {
		k.effect(func() { m.pinRooms[session] = true })
	}
	k.effect(func() { m.pins[pin] = nil })
	k.effect(func() { m.pins[pin] = s })
}

func (k *Kernel) dropNamespace(session string) {
	for _, pin := range k.m.pinsOf(session) {
		if s := k.m.pins[pin]; s != nil {
			var holders []object.Process
			for pid, p := range k.m.processes {
				if p.space == s {
					holders = append(holders, object.Process{PID: pid, Command: "sh"})
				}
			}
			if len(holders) > 0 {
				busy("end mount namespace of session "+session, holders)
			}
			k.effect(func() { k.m.pins[pin] = nil })
		}
		k.effect(func() { delete(k.m.pins, pin) })
	}
	if k.m.pinRooms[session] && !k.m.othersIn(session) {
		k.effect(func() { delete(k.m.pinRooms, session) })
	}
}

// leftOut reports whether a mount counts as made without one.
func (k *Kernel) leftOut(spec object.Mount) bool {
	return placeless(spec) || spec.Type == "bind" && spec.Optional && !k.m.sources[spec.Source]
}

// placeless reports whether a chroot's source has no place for a mount: it has
// one for all but what is below Nowhere.
func placeless(spec object.Mount) bool {
	return spec.Untouched && strings.HasPrefix(spec.Target, Nowhere+"/")
}

func (k *Kernel) makeMount(s *space, spec object.Mount) {
	if k.leftOut(spec) {
		return
	}
	if spec.Type == "bind" {
		k.needSource(spec.Source, plan.Create)
	}
	if top := s.visible(spec.Target); top != nil && top.ours {
		k.m.violation("a mount was put on top of our own at %s", spec.Target)
	}
	if on := s.carrier(spec.Target); on != nil && !slices.Contains(on.made, spec.Target) {
		// A missing mount point is made on what is the session's own, only.
		if own := on.ours && (on.spec.Type == "tmpfs" || on.spec.Type == "dev"); !own || slices.Contains(on.spec.Flags, "ro") {
			panic(stop{&fault.Fault{
				Reason: fault.TargetUnusable, Doing: "mount at " + spec.Target + " inside", Err: syscall.ENOENT, Hint: "change the mount's target",
			}})
		}
		k.effect(func() { on.made = append(on.made, spec.Target) })
	}
	k.effect(func() { s.mounts = append(s.mounts, &mount{ours: true, label: object.PrintOf(spec), spec: spec}) })
}

func (k *Kernel) dropMount(session, target string) {
	_, s := k.m.live(session)
	if s == nil {
		return
	}
	top := s.visible(target)
	if top == nil {
		return
	}
	if !top.ours {
		k.m.violation("somebody else's mount at %s was unmounted", target)
	}
	i := slices.Index(s.mounts, top)
	for _, later := range s.mounts[i+1:] {
		if strings.HasPrefix(later.spec.Target, target+"/") {
			busy("unmount "+target+" inside", nil)
		}
	}
	k.effect(func() { s.mounts = slices.Delete(s.mounts, i, i+1) })
}

func (k *Kernel) endProcesses(session string, seen object.Observed) {
	users := k.m.users(session)
	spec, _ := seen.Spec.(object.Processes)
	if spec.Wait && len(users) > 0 {
		busy("end session "+session, users)
	}
	for _, p := range users {
		k.effect(func() { delete(k.m.processes, p.PID) })
	}
	if group := k.m.Controller + "/" + session; k.m.groups[group] {
		k.effect(func() { delete(k.m.groups, group) })
	}
}

func (k *Kernel) makeView(session string, spec object.View) {
	m, s := k.m, k.inside(session)
	if m.views[session] == nil {
		k.effect(func() { m.views[session] = &view{} })
	}
	v := m.views[session]
	if !v.point {
		k.effect(func() { v.point = true })
	}
	if v.root != nil {
		refuse(syscall.EBUSY, "make view %s", spec.Path)
	}
	k.effect(func() { v.print, v.instance = object.Print{}, "" })
	k.effect(func() { v.print, v.instance = object.PrintOf(spec), s.instance })
	k.effect(func() {
		v.root, v.targets = s.root, nil
		for _, inside := range s.mounts {
			if spec.Tree {
				v.targets = append(v.targets, inside.spec.Target+" "+object.PrintOf(inside.spec).Identity)
			}
		}
		slices.Sort(v.targets)
	})
}

func (k *Kernel) dropView(session string) {
	v := k.m.views[session]
	if v == nil {
		return
	}
	for pid, p := range k.m.processes {
		if p.view == session && v.root != nil {
			busy("unmount the view of "+session, []object.Process{{PID: pid, Command: "sh"}})
		}
	}
	if v.root != nil {
		k.effect(func() { v.root, v.targets = nil, nil })
	}
	k.effect(func() { v.point = false })
	k.effect(func() { v.print, v.instance = object.Print{}, "" })
	k.effect(func() { delete(k.m.views, session) })
}

func (k *Kernel) note(h *home, e entry) {
	k.effect(func() { h.journal[e.task.Address] = &e })
}

func (k *Kernel) runHook(o object.Object, now bool) {
	h, inside := k.home(o.Owner), k.inside(o.Owner.Name)
	if !now {
		k.note(h, entry{task: o, state: "done", instance: inside.instance})
		return
	}
	k.note(h, entry{task: o, state: "begun", instance: inside.instance})
	mark := o.String()
	k.effect(func() { k.m.groups[k.m.Controller+"/"+o.Owner.Name] = true }) // it runs in the session's group
	k.effect(func() { k.m.marks[mark] = true })
	k.note(h, entry{task: o, state: "done", instance: inside.instance})
}

// undoings is how often undoing a hook is tried before it is given up.
const undoings = 3

func (k *Kernel) undoHook(session string, seen object.Observed) {
	h := k.m.homes[session]
	if h == nil || h.journal[seen.Address] == nil {
		return
	}
	e := h.journal[seen.Address]
	if _, s := k.m.live(session); s == nil && e.task.Spec.(object.Hook).Inside && e.attempts < undoings-1 {
		e.attempts++
		refuse(syscall.ENOENT, "undo %s inside", seen.Address)
	}
	if spec := e.task.Spec.(object.Hook); len(spec.Undo) > 0 || spec.Phase == "stop" {
		k.effect(func() { k.m.groups[k.m.Controller+"/"+session] = true })
	}
	k.effect(func() { delete(k.m.marks, seen.String()) })
	k.effect(func() { delete(h.journal, seen.Address) })
}
