package fake

import (
	"syscall"

	"coppice.dev/reconcile/object"
)

// there reports whether anything tells of a store.
func (s *store) there() bool { return s != nil && (s.image || s.point) }

// shut reports whether an upper of that folder lies in a store that is not mounted.
func (m *Machine) shut(session, dir string) bool {
	h := m.homes[session]
	return dir == m.Layout.StoredUpper(session) && (h == nil || h.store == nil || !h.store.mounted)
}

func (k *Kernel) makeStore(o object.Object) {
	spec, h := o.Spec.(object.Store), k.home(o.Owner)
	if h.store != nil && h.store.image {
		refuse(syscall.EEXIST, "make the image of %s", o.Owner)
	}
	if h.store == nil {
		h.store = &store{}
	}
	k.effect(func() { h.store.note = &spec })
	k.effect(func() { h.store.image, h.upper, h.work = true, nil, false })
	k.mountStore(h.store)
}

func (k *Kernel) mountStore(s *store) {
	if !s.point {
		k.effect(func() { s.point = true })
	}
	if !s.mounted {
		k.effect(func() { s.mounted = true })
	}
}

func (k *Kernel) amendStore(o object.Object) {
	spec, h := o.Spec.(object.Store), k.home(o.Owner)
	if h.store == nil || !h.store.image {
		refuse(syscall.ENOENT, "open the image of %s", o.Owner)
	}
	k.mountStore(h.store)
	k.effect(func() { h.store.note = &spec })
}

func (m *Machine) seeStore(h *home, known []object.Object) []object.Observed {
	if h == nil || !h.store.there() {
		return nil
	}
	s := object.Observed{ID: object.ID{Address: object.At(object.GroupLayer, "store")}}
	if h.store.note != nil {
		s.Spec = *h.store.note
	} else if len(known) > 0 {
		s.Spec = known[0].Spec
	}
	if s.Spec != nil {
		s.Print = object.PrintOf(s.Spec)
	}
	switch {
	case h.store.mounted:
	case !h.store.image:
		s.Damage = "its image is gone"
	default:
		s.Print.Whole = "" // Amend mounts it
	}
	return []object.Observed{s}
}

// dropStore takes a store with the upper that lies in it.
func (k *Kernel) dropStore(o object.Owner) {
	h := k.m.homes[o.Name]
	if h == nil || h.store == nil {
		return
	}
	if h.store.mounted {
		k.effect(func() { h.store.mounted = false })
	}
	if h.store.point {
		k.effect(func() { h.store.point = false })
	}
	if h.store.image {
		k.effect(func() {
			k.m.remove(h.upper)
			h.store.image, h.upper, h.work = false, nil, false
		})
	}
	if h.store.note != nil {
		k.effect(func() { h.store.note = nil })
	}
	h.store = nil
}
