package fake

import (
	"syscall"

	"coppice.dev/reconcile/fault"
	"coppice.dev/reconcile/object"
	"coppice.dev/reconcile/plan"
)

// home returns the session's home, without which nothing can be written there.
func (k *Kernel) home(o object.Owner) *home {
	h := k.m.homes[o.Name]
	if h == nil {
		refuse(syscall.ENOENT, "look for the home of %s", o)
	}
	return h
}

func (k *Kernel) makeHome(o object.Object) {
	if k.m.homes[o.Owner.Name] != nil {
		refuse(syscall.EEXIST, "make home of %s", o.Owner)
	}
	k.effect(func() { k.m.homes[o.Owner.Name] = &home{journal: map[object.Address]*entry{}} })
	k.writeRecord(o)
}

func (k *Kernel) writeRecord(o object.Object) {
	h, spec := k.home(o.Owner), o.Spec.(object.Home)
	k.effect(func() { h.record, h.print = &spec, object.PrintOf(spec) })
}

// dropHome takes the home with all that is in it. What only the home could have
// led to must be gone by then.
func (k *Kernel) dropHome(o object.Owner) {
	h := k.m.homes[o.Name]
	if h == nil {
		return
	}
	k.effect(func() {
		k.m.remove(h.upper)
		if t := k.m.trees[o]; t != nil {
			k.m.remove(t.whole)
			delete(k.m.trees, o)
		}
		if h.link != "" && k.m.snapshots[h.link] != nil {
			k.m.violation("the home of %s went before its snapshot", o)
		}
		for a, e := range h.journal {
			if e.state != "torn" && e.task.Kind() == object.KindHook {
				k.m.violation("the home of %s went before %s was undone", o, a)
			}
		}
		if _, inside := k.m.live(o.Name); inside != nil {
			k.m.violation("the home of %s went before its namespace", o)
		}
		delete(k.m.homes, o.Name)
	})
}

func (k *Kernel) makeImage(o object.Object) {
	spec, key := o.Spec.(object.Image), o.Owner.Name
	k.needSource(spec.File, plan.Create)
	device := "/dev/loop" + k.m.number()
	k.effect(func() {
		k.m.loops[device] = object.Label{Controller: k.m.Controller, Owner: o.Owner, Print: object.PrintOf(spec)}.String()
		k.attached = device
	})
	if k.m.points[key] == nil {
		k.effect(func() { k.m.points[key] = &point{} })
	}
	p := k.m.points[key]
	if p.loop != "" || p.over {
		refuse(syscall.EBUSY, "mount image at %s", spec.Path)
	}
	k.effect(func() { p.loop = device })
}

func (k *Kernel) dropImage(o object.Owner) {
	p := k.m.points[o.Name]
	if p == nil {
		return
	}
	if p.over {
		k.m.violation("the image of %s was unmounted below somebody else's mount", o)
	}
	if p.loop != "" {
		k.effect(func() { p.loop = "" })
	}
	k.effect(func() { delete(k.m.points, o.Name) })
}

// needSource refuses what names something that is not there.
func (k *Kernel) needSource(path string, op plan.Op) {
	if !k.m.sources[path] {
		panic(stop{&fault.Fault{
			Reason: fault.SourceMissing, Doing: string(op) + " from " + path, Err: syscall.ENOENT, Hint: "put it there",
		}})
	}
}

func (k *Kernel) makeSnapshot(o object.Object) {
	spec, h := o.Spec.(object.Snapshot), k.home(o.Owner)
	k.needSource(spec.Subvolume, plan.Create)
	if h.link != "" {
		refuse(syscall.EEXIST, "link %s", spec.Link)
	}
	k.effect(func() { h.link = spec.Path })
	if k.m.snapshots[spec.Path] == nil { // else it is this session's, found again
		k.effect(func() { k.m.snapshots[spec.Path] = &layer{"snapshot " + spec.Path} })
	}
}

func (k *Kernel) dropSnapshot(seen object.Observed) {
	h := k.m.homes[seen.Owner.Name]
	path := ""
	if spec, known := seen.Spec.(object.Snapshot); known {
		path = spec.Path
	}
	if h != nil && h.link != "" {
		path = h.link
	}
	if s := k.m.snapshots[path]; s != nil {
		k.effect(func() { k.m.remove(s); delete(k.m.snapshots, path) })
	}
	if h != nil && h.link != "" {
		k.effect(func() { h.link = "" })
	}
}

func (k *Kernel) makeTree(o object.Object) {
	spec := o.Spec.(object.Tree)
	if o.Owner.Class == object.Session {
		k.home(o.Owner)
	}
	k.needSource(spec.Archive, plan.Create)
	t := k.m.trees[o.Owner]
	if t != nil && t.whole != nil {
		refuse(syscall.EEXIST, "publish tree of %s", o.Owner)
	}
	if t != nil {
		k.effect(func() { delete(k.m.trees, o.Owner) })
	}
	t = &tree{begun: true}
	k.effect(func() { k.m.trees[o.Owner] = t })
	k.effect(func() { t.whole, t.begun = &layer{"tree of " + o.Owner.String()}, false })
}

func (k *Kernel) dropTree(o object.Owner) {
	t := k.m.trees[o]
	if t == nil {
		return
	}
	if t.whole != nil {
		k.effect(func() {
			k.m.remove(t.whole)
			t.whole = nil
			if !t.begun {
				delete(k.m.trees, o)
			}
		})
	}
	if t.begun {
		k.effect(func() { delete(k.m.trees, o) })
	}
}

func (k *Kernel) makeUpper(o object.Object) {
	spec, h := o.Spec.(object.Upper), k.home(o.Owner)
	if k.m.shut(o.Owner.Name, spec.Dir) {
		refuse(syscall.ENOENT, "make upper of %s in its store", o.Owner)
	}
	if spec.Dir == k.m.Layout.LayerUpper(o.Owner.Name) && !h.layer.there() {
		refuse(syscall.ENOENT, "make upper of %s in its folder", o.Owner)
	}
	if h.upper != nil {
		refuse(syscall.EEXIST, "publish upper of %s", o.Owner)
	}
	k.resolve(spec.Model.Path)
	k.effect(func() { h.work = true })
	k.effect(func() { h.note = &spec })
	k.effect(func() { h.upper = &layer{"upper of " + o.Owner.String() + " " + k.m.number()} })
}

func (k *Kernel) dropUpper(o object.Owner) {
	h := k.m.homes[o.Name]
	if h == nil {
		return
	}
	if shut := h.store.there() && !h.store.mounted; h.upper != nil && !shut {
		k.effect(func() { k.m.remove(h.upper); h.upper = nil })
	}
	if h.work {
		k.effect(func() { h.work = false })
	}
	if h.note != nil {
		k.effect(func() { h.note = nil })
	}
}

// resolve returns what a folder of the host is: a layer, a mounted device, or
// neither if it is the administrator's own.
func (k *Kernel) resolve(path string) (*layer, string) {
	m := k.m
	for o, t := range m.trees {
		if (path == m.Layout.BaseTree(o.Name) && o.Class == object.Base || path == m.Layout.Tree(o.Name) && o.Class == object.Session) && t.whole != nil {
			return t.whole, ""
		}
	}
	if s := m.snapshots[path]; s != nil {
		return s, ""
	}
	for o, d := range m.disks {
		if path == m.Layout.Disk(o) {
			if d.device == nil {
				m.violation("a root was put on the empty mount point %s", path)
			}
			return d.device, ""
		}
	}
	for key, p := range m.points {
		if path == m.Layout.BaseMount(key) {
			if p.loop == "" {
				m.violation("a root was put on the empty mount point %s", path)
			}
			return nil, p.loop
		}
	}
	k.needSource(path, "Open")
	return nil, ""
}
