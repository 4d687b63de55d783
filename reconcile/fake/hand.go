package fake

import (
	"strings"

	"coppice.dev/reconcile/object"
)

// What follows is done by hand, by somebody who does not ask the daemon. Each
// does nothing where there is nothing to do it to, or the kernel refuses it.

// DropPin unmounts the pin of a session's namespace; its file stays.
func (m *Machine) DropPin(session string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	defer m.settle()
	if pin, inside := m.live(session); inside != nil {
		m.pins[pin] = nil
	}
}

// Unmount unmounts what is to be seen at the target inside a session.
func (m *Machine) Unmount(session, target string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	_, inside := m.live(session)
	if inside == nil {
		return
	}
	if top := inside.visible(target); top != nil && !inside.carries(top) {
		inside.detach(top)
	}
}

// Mount mounts a tmpfs of somebody else's at the target inside a session.
func (m *Machine) Mount(session, target string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, inside := m.live(session); inside != nil {
		inside.mounts = append(inside.mounts, &mount{spec: object.Mount{Type: "tmpfs", Target: target}})
	}
}

// Remount gives the mount at the target inside a session other attributes.
func (m *Machine) Remount(session, target string, flags ...string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, inside := m.live(session); inside != nil {
		if top := inside.visible(target); top != nil {
			top.spec.Flags = flags
		}
	}
}

// UnmountView unmounts what the host sees of a session; the folder stays.
func (m *Machine) UnmountView(session string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	defer m.settle()
	if v := m.views[session]; v != nil && v.root != nil && !m.stoodIn(session) {
		v.root, v.targets = nil, nil
	}
}

// UnmountBase unmounts a base's image or block device; the folder stays.
func (m *Machine) UnmountBase(key string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	defer m.settle()
	if d := m.disks[object.BaseOwner(key)]; d != nil {
		d.device = nil
	}
	if p := m.points[key]; p != nil {
		p.loop = ""
	}
}

// UnmountStore implements conformance.Hand.
func (m *Machine) UnmountStore(session string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if h := m.homes[session]; h != nil && h.store != nil {
		h.store.mounted = false
	}
}

// ChangeLimit implements conformance.Hand.
func (m *Machine) ChangeLimit(session string, size int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if h := m.homes[session]; h != nil && h.layer.there() {
		m.limits[h.layer.project] = size
	}
}

// TearRecord empties the record of a session, as a power cut does.
func (m *Machine) TearRecord(session string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if h := m.homes[session]; h != nil {
		h.record = nil
	}
}

// LoseJournal removes the journal of a session's tasks.
func (m *Machine) LoseJournal(session string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if h := m.homes[session]; h != nil {
		clear(h.journal)
	}
}

// StandInView starts a process whose working folder is a session's view.
func (m *Machine) StandInView(session string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if v := m.views[session]; v != nil && v.root != nil {
		m.last++
		m.processes[m.last] = &process{view: session}
	}
}

// Enter starts a process inside a session, as the daemon would for a user.
func (m *Machine) Enter(session string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, inside := m.live(session); inside != nil && m.groups[m.Controller+"/"+session] {
		m.last++
		m.processes[m.last] = &process{space: inside, group: m.Controller + "/" + session}
	}
}

// Leave ends every process.
func (m *Machine) Leave() {
	m.mu.Lock()
	defer m.mu.Unlock()
	defer m.settle()
	clear(m.processes)
}

// stoodIn reports whether a process keeps the view of a session busy.
func (m *Machine) stoodIn(session string) bool {
	for _, p := range m.processes {
		if p.view == session {
			return true
		}
	}
	return false
}

// carries reports whether something is mounted on or below the mount.
func (s *space) carries(under *mount) bool {
	above := false
	for _, m := range s.mounts {
		if above && (m.spec.Target == under.spec.Target || strings.HasPrefix(m.spec.Target, under.spec.Target+"/")) {
			return true
		}
		above = above || m == under
	}
	return false
}

func (s *space) detach(gone *mount) {
	kept := s.mounts[:0]
	for _, m := range s.mounts {
		if m != gone {
			kept = append(kept, m)
		}
	}
	s.mounts = kept
}
