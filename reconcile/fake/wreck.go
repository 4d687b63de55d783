package fake

import (
	"math/rand"
	"slices"
	"strings"

	"coppice.dev/reconcile/object"
)

// Wreck does one thing to a session or a base that a hand, a power cut or
// somebody else's program might do. It never takes away what nobody could find
// again: a torn record with a lost link would be such a thing.
func (m *Machine) Wreck(r *rand.Rand, session string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	defer m.settle()
	h, v := m.homes[session], m.views[session]
	pin, inside := m.live(session)
	switch r.Intn(33) {
	case 0:
		if h != nil && (h.link != "" || !m.ownSnapshots()) {
			h.record = nil
		}
	case 1:
		if h != nil {
			h.upper = nil
		}
	case 2:
		if h != nil {
			h.work = false
			if r.Intn(2) == 0 {
				h.note = nil
			}
		}
	case 3:
		if h != nil && h.record != nil && slices.ContainsFunc(h.record.Objects, func(o object.Object) bool {
			return o.Kind() == object.KindSnapshot
		}) {
			h.link = ""
		}
	case 4:
		if h != nil {
			delete(m.snapshots, h.link)
		}
	case 5:
		if h != nil {
			for _, e := range h.journal {
				e.state = []string{"begun", "failed"}[r.Intn(2)]
			}
		}
	case 6:
		if h != nil {
			for a, e := range h.journal {
				if e.task.Kind() == object.KindFile {
					h.journal[a].state = "torn"
				}
				e.instance = "lost"
			}
		}
	case 7:
		for _, t := range m.trees {
			t.whole, t.begun = nil, true
		}
	case 8:
		for _, t := range m.trees {
			t.begun = true
		}
	case 9:
		for _, p := range m.points {
			p.loop = ""
		}
	case 10:
		for key := range m.points {
			delete(m.points, key)
		}
	case 11:
		for _, p := range m.points {
			p.over = true
		}
	case 12:
		if inside != nil {
			m.pins[pin] = nil
		}
	case 13: // a pin left behind, or a second one of the same namespace
		name := m.pinPath(session, object.PrintOf(object.Namespace{Upper: m.number()}), m.number())
		m.pinRooms[session] = true
		m.pins[name] = []*space{nil, inside}[r.Intn(2)]
	case 14:
		if v != nil {
			v.root, v.targets = nil, nil
			v.point = r.Intn(2) == 0
		}
	case 15:
		if v != nil {
			v.print = object.Print{}
		} else {
			m.views[session] = &view{}
		}
	case 16:
		if v != nil {
			v.instance = "lost"
		}
	case 17:
		if inside != nil && len(inside.mounts) > 0 {
			i := r.Intn(len(inside.mounts))
			inside.mounts = append(inside.mounts[:i:i], inside.mounts[i+1:]...)
		}
	case 18:
		if inside != nil && len(inside.mounts) > 0 {
			inside.mounts[r.Intn(len(inside.mounts))].spec.Flags = []string{"noexec"}
		}
	case 19: // somebody mounts inside, beside ours or over it
		if inside != nil {
			target := []string{"/mnt/stranger", "/proc"}[r.Intn(2)]
			inside.mounts = append(inside.mounts, &mount{spec: object.Mount{Type: "tmpfs", Target: target}})
		}
	case 20: // somebody is inside, or in the view
		m.last++
		switch {
		case inside != nil && r.Intn(2) == 0:
			m.processes[m.last] = &process{space: inside, group: m.Controller + "/" + session}
			m.groups[m.Controller+"/"+session] = true
		case v != nil && v.root != nil:
			m.processes[m.last] = &process{view: session}
		}
	case 21:
		m.powerOn()
		m.plant()
	case 22:
		for _, d := range m.disks {
			d.device = nil
		}
	case 23:
		for _, d := range m.disks {
			d.device, d.point = nil, r.Intn(2) == 0
			if !d.point && d.note == (object.Print{}) {
				d.point = true
			}
		}
	case 24:
		for _, d := range m.disks {
			d.over = true
		}
	case 25: // lvchange, as far as it lets one
		for _, v := range m.volumes {
			v.active = v.active && m.used(v)
		}
	case 27, 28: // umount, or that with rmdir
		if h != nil && h.store != nil {
			h.store.mounted, h.store.point = false, h.store.point && r.Intn(2) == 0
		}
	case 29: // the image is removed; while it is mounted nothing can be mended by us
		if h != nil && h.store != nil && !h.store.mounted {
			h.store.image = false
		}
	case 26: // lvremove
		for _, name := range m.volumesOf(object.SessionOwner(session)) {
			if !m.used(m.volumes[name]) {
				delete(m.volumes, name)
			}
		}
	case 31: // setquota
		if h != nil && h.layer.there() {
			m.limits[h.layer.project] = int64(r.Intn(2) * 4096)
		}
	case 32: // a folder of an upper that was not made whole
		if h != nil && h.layer == nil {
			h.layer = &counted{project: []int{0, m.claim()}[r.Intn(2)]}
			if h.layer.project != 0 && r.Intn(2) == 0 {
				m.limits[h.layer.project] = 4096
			}
		}
	case 30: // the folder of pins, bare unless a namespace is pinned in it
		m.pinRooms[session] = true
		for _, pin := range m.pinsOf(session) {
			if m.pins[pin] == nil {
				delete(m.pins, pin)
			}
		}
	}
}

// Relieve ends what only others can end: their processes and their mounts over
// our mount points.
func (m *Machine) Relieve() {
	m.mu.Lock()
	defer m.mu.Unlock()
	defer m.settle()
	clear(m.processes)
	for _, p := range m.points {
		p.over = false
	}
	for _, d := range m.disks {
		d.over = false
	}
}

// Plant puts other people's things on the machine, which look like ours.
func (m *Machine) Plant() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.snapshots["/foreign/.coppice-snapshots/s.other"] = &layer{"a foreign snapshot"}
	m.plant()
}

func (m *Machine) plant() {
	m.volumes["vg0/coppice.s.1"] = &volume{tag: "coppice/deadbeef/session/s#", active: true, layer: &layer{"a foreign volume"}}
	m.volumes["vg0/coppice.s"] = &volume{tag: "mine", active: true, layer: &layer{"a foreign volume"}}
	m.loops["/dev/loop900"] = "coppice/deadbeef/base/0123456789ab#"
	m.loops["/dev/loop901"] = "/srv/base.img"
	m.groups["deadbeef/s"] = true
	m.pins["s.not-ours"] = nil
}

func (m *Machine) ownSnapshots() bool {
	for path := range m.snapshots {
		if !strings.HasPrefix(path, "/foreign/") {
			return true
		}
	}
	return false
}
