package fake

import (
	"syscall"

	"coppice.dev/reconcile/object"
)

// counted is the folder that a limited upper lies in where the file system counts it.
type counted struct {
	whole   bool
	project int // 0: of none
}

// theirs is a project that others have limited, and have nothing in.
const theirs = 2

// there reports whether anything tells of one that is whole.
func (c *counted) there() bool { return c != nil && c.whole }

// claim returns a project that nobody uses.
func (m *Machine) claim() int {
	for project := 1; ; project++ {
		_, used := m.limits[project]
		for _, h := range m.homes {
			used = used || h.layer != nil && h.layer.project == project
		}
		if !used {
			return project
		}
	}
}

func (k *Kernel) makeQuota(o object.Object) {
	spec, h := o.Spec.(object.Quota), k.home(o.Owner)
	if h.layer.there() {
		refuse(syscall.EEXIST, "make the folder of the upper of %s", o.Owner)
	}
	k.dropQuota(o.Owner)
	layer := &counted{}
	k.effect(func() { h.layer = layer })
	project := k.m.claim()
	k.effect(func() { layer.project = project })
	k.effect(func() { k.m.limits[project] = spec.Size })
	k.effect(func() { layer.whole, h.upper, h.work = true, nil, false })
}

func (k *Kernel) amendQuota(o object.Object) {
	spec, h := o.Spec.(object.Quota), k.home(o.Owner)
	if !h.layer.there() {
		refuse(syscall.ENOENT, "change the limit of %s", o.Owner)
	}
	k.effect(func() { k.m.limits[h.layer.project] = spec.Size })
}

func (m *Machine) seeQuota(h *home) []object.Observed {
	if h == nil || h.layer == nil {
		return nil
	}
	s := object.Observed{ID: object.ID{Address: object.At(object.GroupLayer, "quota")}}
	if !h.layer.whole {
		s.Damage = "making it was interrupted"
		return []object.Observed{s}
	}
	// Where it is, is known; what limits it, is looked up.
	s.Spec = object.Quota{Path: m.Layout.Layer(m.nameOf(h)), Size: m.limits[h.layer.project]}
	s.Print = object.PrintOf(s.Spec)
	return []object.Observed{s}
}

func (m *Machine) nameOf(h *home) string {
	for name, other := range m.homes {
		if other == h {
			return name
		}
	}
	return ""
}

// dropQuota takes such a folder with the upper that lies in it.
func (k *Kernel) dropQuota(o object.Owner) {
	h := k.m.homes[o.Name]
	if h == nil || h.layer == nil {
		return
	}
	if _, limited := k.m.limits[h.layer.project]; limited {
		k.effect(func() { delete(k.m.limits, h.layer.project) })
	}
	k.effect(func() {
		if h.layer.whole {
			k.m.remove(h.upper)
			h.upper, h.work = nil, false
		}
		h.layer = nil
	})
}
