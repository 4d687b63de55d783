package fake

import (
	"slices"
	"strings"
	"syscall"

	"coppice.dev/reconcile/object"
	"coppice.dev/reconcile/plan"
)

func (k *Kernel) makeVolume(o object.Object) {
	spec := o.Spec.(object.Volume)
	k.needSource("/dev/"+spec.Group+"/"+spec.Origin, plan.Create)
	name := spec.Group + "/" + spec.Name
	if v := k.m.volumes[name]; v != nil {
		if l, err := object.ParseLabel(v.tag); err == nil && l.Controller == k.m.Controller && l.Owner == o.Owner {
			return
		}
		refuse(syscall.EEXIST, "take snapshot %s", name)
	}
	tag := object.Label{Controller: k.m.Controller, Owner: o.Owner, Print: object.PrintOf(spec)}.String()
	k.effect(func() { k.m.volumes[name] = &volume{tag: tag, active: true, layer: &layer{"volume " + name}} })
}

// volumesOf returns the names of an owner's volumes, sorted.
func (m *Machine) volumesOf(o object.Owner) []string {
	var names []string
	for name, v := range m.volumes {
		if l, err := object.ParseLabel(v.tag); err == nil && l.Controller == m.Controller && l.Owner == o {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

func (m *Machine) seeVolume(o object.Owner, known []object.Object) []object.Observed {
	names := m.volumesOf(o)
	if len(names) == 0 {
		return nil
	}
	v := m.volumes[names[0]]
	l, _ := object.ParseLabel(v.tag) // it is how it was found
	s := object.Observed{ID: object.ID{Address: object.At(object.GroupDevice, "volume")}, Name: "/dev/" + names[0], Print: l.Print}
	for _, k := range known {
		if object.PrintOf(k.Spec).Identity == s.Print.Identity {
			s.Spec = k.Spec
			break
		}
	}
	switch {
	case len(names) > 1:
		s.Damage = "there are two of it"
	case !v.active:
		s.Print.Whole = ""
	}
	return []object.Observed{s}
}

func (k *Kernel) amendVolume(o object.Object) {
	for _, name := range k.m.volumesOf(o.Owner) {
		v := k.m.volumes[name]
		if !v.active {
			k.effect(func() { v.active = true })
		}
		tag := object.Label{Controller: k.m.Controller, Owner: o.Owner, Print: object.PrintOf(o.Spec)}.String()
		if tag != v.tag {
			k.effect(func() { v.tag = tag })
		}
	}
}

func (k *Kernel) dropVolume(o object.Owner) {
	for _, name := range k.m.volumesOf(o) {
		v := k.m.volumes[name]
		if k.m.used(v) {
			busy("remove snapshot "+name, nil)
		}
		k.effect(func() { delete(k.m.volumes, name) })
	}
}

func (k *Kernel) makeDisk(o object.Object) {
	spec := o.Spec.(object.Disk)
	device := k.device(spec.Device)
	d := k.m.disks[o.Owner]
	if d == nil {
		d = &disk{}
		k.effect(func() { k.m.disks[o.Owner], d.point = d, true })
	} else if !d.point {
		k.effect(func() { d.point = true })
	}
	if d.device != nil || d.over {
		refuse(syscall.EBUSY, "mount at %s", spec.Path)
	}
	k.effect(func() { d.note = object.Print{} })
	k.effect(func() { d.note = object.PrintOf(spec) })
	k.effect(func() { d.device = device })
}

// device returns what a device of that path holds.
func (k *Kernel) device(path string) *layer {
	if v := k.m.volumes[strings.TrimPrefix(path, "/dev/")]; v != nil && v.active {
		return v.layer
	}
	k.needSource(path, plan.Create)
	return &layer{"device " + path}
}

func (m *Machine) seeDisk(o object.Owner) []object.Observed {
	d := m.disks[o]
	if d == nil {
		return nil
	}
	s := object.Observed{ID: object.ID{Address: object.At(object.GroupLayer, "disk")}, Print: d.note}
	switch {
	case d.device != nil:
	case d.point:
		s.Damage = "nothing is mounted there"
	default:
		s.Damage = "it is half made"
	}
	if s.Damage != "" {
		s.Print = object.Print{}
	}
	return []object.Observed{s}
}

func (k *Kernel) dropDisk(o object.Owner) {
	d := k.m.disks[o]
	if d == nil {
		return
	}
	if d.over {
		k.m.violation("the disk of %s was unmounted below somebody else's mount", o)
	}
	if d.device != nil {
		k.effect(func() { d.device = nil })
	}
	if d.point {
		k.effect(func() {
			d.point = false
			if d.note == (object.Print{}) {
				delete(k.m.disks, o)
			}
		})
	}
	if d.note != (object.Print{}) {
		k.effect(func() { delete(k.m.disks, o) })
	}
}
