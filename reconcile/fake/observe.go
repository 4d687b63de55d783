package fake

import (
	"slices"

	"coppice.dev/reconcile/object"
)

// observe reports what is there of one kind as the kind's driver does; owner and
// kind are filled in by the caller.
func (k *Kernel) observe(kind object.Kind, owner object.Owner, known []object.Object) []object.Observed {
	m := k.m
	h := m.homes[owner.Name]
	if owner.Class == object.Base {
		h = nil
	}
	at := func(g object.Group, name, damage string) object.Observed {
		s := object.Observed{ID: object.ID{Address: object.At(g, name)}, Damage: damage}
		if len(known) > 0 { // what carries no label is taken for what is wanted
			s.Spec, s.Print = known[0].Spec, object.PrintOf(known[0].Spec)
		}
		return s
	}
	one := func(s object.Observed) []object.Observed { return []object.Observed{s} }
	switch kind {
	case object.KindHome:
		if h == nil {
			return nil
		}
		s := object.Observed{ID: object.ID{Address: object.At(object.GroupHome, "home")}}
		if h.record != nil {
			s.Spec, s.Print = *h.record, h.print
		}
		return one(s)
	case object.KindSnapshot:
		return m.seeSnapshot(h, known)
	case object.KindImage:
		p := m.points[owner.Name]
		if p == nil {
			return nil
		}
		s := object.Observed{ID: object.ID{Address: object.At(object.GroupDevice, "image")}, Damage: "nothing is mounted there"}
		if l, err := object.ParseLabel(m.loops[p.loop]); err == nil {
			s.Print, s.Damage = l.Print, ""
		}
		return one(s)
	case object.KindVolume:
		return m.seeVolume(owner, known)
	case object.KindDisk:
		return m.seeDisk(owner)
	case object.KindTree:
		t := m.trees[owner]
		switch {
		case t == nil:
			return nil
		case t.whole == nil:
			return one(at(object.GroupLayer, "tree", "unpacking it was interrupted"))
		}
		return one(at(object.GroupLayer, "tree", ""))
	case object.KindStore:
		return m.seeStore(h, known)
	case object.KindQuota:
		return m.seeQuota(h)
	case object.KindUpper:
		shut := h != nil && h.store.there() && !h.store.mounted
		if h == nil || h.upper == nil && !shut || h.note == nil && shut {
			return nil
		}
		s := at(object.GroupWrite, "upper", "")
		if h.note != nil {
			s.Spec, s.Print = *h.note, object.PrintOf(*h.note)
		}
		if !h.work && !shut {
			s.Print.Whole = "" // Amend makes the work folder
		}
		return one(s)
	case object.KindNamespace:
		return m.seeNamespace(owner.Name)
	case object.KindMount:
		return m.seeMounts(owner.Name, known)
	case object.KindProcesses:
		s := at(object.GroupInside, "processes", "")
		s.Users = m.users(owner.Name)
		if len(s.Users) == 0 && !m.groups[m.Controller+"/"+owner.Name] {
			return nil
		}
		return one(s)
	case object.KindView:
		return m.seeView(owner.Name)
	default:
		return m.seeTasks(owner.Name, kind)
	}
}

func (m *Machine) seeSnapshot(h *home, known []object.Object) []object.Observed {
	path, linked := "", h != nil && h.link != ""
	if linked {
		path = h.link
	} else {
		for _, o := range known {
			path = o.Spec.(object.Snapshot).Path // the home's comes last
		}
	}
	there := m.snapshots[path] != nil
	if !linked && !there {
		return nil
	}
	s := object.Observed{ID: object.ID{Address: object.At(object.GroupDevice, "snapshot")}, Name: path}
	for _, o := range known {
		if spec := o.Spec.(object.Snapshot); spec.Path == path {
			s.Spec, s.Print = spec, object.PrintOf(spec)
			break
		}
	}
	if !there {
		s.Damage = "there is a link to it and no snapshot"
	}
	return []object.Observed{s}
}

func (m *Machine) seeNamespace(session string) []object.Observed {
	s := object.Observed{ID: object.ID{Address: object.At(object.GroupRoot, "namespace")}}
	if m.pinRooms[session] && !m.othersIn(session) {
		s.Name, s.Damage = m.Layout.PinFolder(session), "it has no pin"
	}
	for i, name := range m.pinsOf(session) {
		if i == 0 {
			s.Name, s.Damage = "", ""
		}
		if s.Name != "" {
			s.Damage = "it has more than one pin"
			continue
		}
		_, s.Print, _ = parsePin(name)
		s.Name = name
		if m.pins[name] == nil {
			s.Damage = "its pin holds no namespace"
		}
	}
	if s.Name == "" {
		return nil
	}
	return []object.Observed{s}
}

// seeMounts compares what is mounted with the known specs of each address,
// wanted first; what carries our label is found without them.
func (m *Machine) seeMounts(session string, known []object.Object) []object.Observed {
	_, inside := m.live(session)
	if inside == nil {
		return nil
	}
	found := map[object.Address]object.Observed{}
	settled := map[object.Address]bool{}
	for _, o := range known {
		spec := o.Spec.(object.Mount)
		s := object.Observed{ID: object.ID{Address: o.Address}, Name: spec.Target}
		top := inside.visible(spec.Target)
		switch {
		case settled[o.Address]:
			continue
		case top == nil && (spec.Optional && !m.sources[spec.Source] || placeless(spec)):
			s.Spec, s.Print, s.LeftOut = spec, object.PrintOf(spec), true
		case top == nil:
			continue
		case spec.Type == "bind":
			if top.spec.Type != "bind" || top.spec.Source != spec.Source {
				continue
			}
			s.Spec, s.Print = spec, object.PrintOf(spec)
		case !top.ours || top.spec.Type == "bind":
			continue
		default:
			s.Print.Identity = top.label.Identity
			if s.Print.Identity == object.PrintOf(spec).Identity {
				s.Spec, s.Print = spec, object.PrintOf(spec)
			}
		}
		exact := s.Spec != nil
		if exact && top != nil && (top.spec.Size != spec.Size || !slices.Equal(top.spec.Flags, spec.Flags)) {
			s.Print.Whole, exact = "", false
		}
		if _, twice := found[o.Address]; !twice || s.Spec != nil {
			found[o.Address] = s
		}
		settled[o.Address] = exact
	}
	for _, top := range inside.mounts {
		a := object.At(object.GroupMounts, top.spec.Target)
		if _, is := found[a]; !is && top.ours && top.spec.Type != "bind" && inside.visible(top.spec.Target) == top {
			found[a] = object.Observed{ID: object.ID{Address: a}, Print: top.label, Name: top.spec.Target}
		}
	}
	var list []object.Observed
	for _, s := range found {
		list = append(list, s)
	}
	return list
}

func (m *Machine) seeView(session string) []object.Observed {
	v := m.views[session]
	if v == nil {
		return nil
	}
	s := object.Observed{ID: object.ID{Address: object.At(object.GroupView, "root")}}
	_, now := m.live(session)
	switch {
	case !v.point:
		s.Damage = "it is half made"
	case v.root == nil:
		s.Damage = "nothing is mounted there"
	case v.print == object.Print{}:
		s.Damage = "nothing says what it shows"
	case now == nil || now.instance != v.instance:
		s.Print, s.Damage = v.print, "it shows a root that is gone"
	default:
		s.Print = v.print
	}
	return []object.Observed{s}
}

func (m *Machine) seeTasks(session string, kind object.Kind) []object.Observed {
	h := m.homes[session]
	if h == nil {
		return nil
	}
	instance := ""
	_, now := m.live(session)
	if now != nil {
		instance = now.instance
	}
	var list []object.Observed
	for a, e := range h.journal {
		if e.state == "torn" || e.task.Kind() != kind {
			continue
		}
		s := object.Observed{ID: object.ID{Address: a}, Spec: e.task.Spec, Print: object.PrintOf(e.task.Spec)}
		hook, isHook := e.task.Spec.(object.Hook)
		switch {
		case !isHook && e.instance != instance:
			s.Damage = "the root was made again"
		case e.state == "begun":
			s.Damage = "it was interrupted"
		case e.state == "failed":
			s.Damage = "it failed"
		case hook.Phase == "recover" && now != nil && e.instance != instance:
			s.Print.Whole = "" // Amend runs it
		}
		list = append(list, s)
	}
	return list
}

// users are the processes in a session's group or in its namespace.
func (m *Machine) users(session string) []object.Process {
	var list []object.Process
	_, inside := m.live(session)
	for pid, p := range m.processes {
		if p.group == m.Controller+"/"+session || inside != nil && p.space == inside {
			list = append(list, object.Process{PID: pid, Command: "sh"})
		}
	}
	slices.SortFunc(list, func(a, b object.Process) int { return a.PID - b.PID })
	return list
}
