package fake

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"coppice.dev/reconcile/object"
)

// State returns what is there of this controller's as sorted lines: equal for
// equal states however they came about, without the numbers of makings.
func (m *Machine) State() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	var lines []string
	say := func(format string, args ...any) { lines = append(lines, fmt.Sprintf(format, args...)) }
	for name, h := range m.homes {
		print := "torn"
		if h.record != nil {
			print = h.print.String()
		}
		// A work folder without its upper is cleared by the next upper.
		say("home %s %s upper=%t work=%t link=%s", name, print, h.upper != nil, h.upper != nil && h.work, h.link)
		if s := h.store; s.there() {
			made := "lost"
			if s.note != nil {
				made = object.PrintOf(*s.note).String()
			}
			say("store %s image=%t mounted=%t %s", name, s.image, s.mounted, made)
		}
		if h.layer != nil {
			say("layer %s whole=%t project=%t limit=%d", name, h.layer.whole, h.layer.project != 0, m.limits[h.layer.project])
		}
		for a, e := range h.journal {
			_, now := m.live(name)
			hook, _ := e.task.Spec.(object.Hook)
			current := hook.Phase == "setup" || hook.Phase == "stop" || now != nil && now.instance == e.instance
			say("journal %s %s %s %s current=%t", name, a, e.state, object.PrintOf(e.task.Spec), current)
		}
	}
	for project, limit := range m.limits {
		if project != theirs {
			say("limit %d", limit)
		}
	}
	for o, t := range m.trees {
		say("tree %s whole=%t begun=%t", o, t.whole != nil, t.begun)
	}
	for path := range m.snapshots {
		if !strings.HasPrefix(path, "/foreign/") {
			say("snapshot %s", path)
		}
	}
	for name, v := range m.volumes {
		if l, err := object.ParseLabel(v.tag); err == nil && l.Controller == m.Controller {
			say("volume %s %s active=%t", name, v.tag, v.active)
		}
	}
	for o, d := range m.disks {
		device := "nothing"
		if d.device != nil {
			device = d.device.name
		}
		say("disk %s %s %s", o, d.note, device)
	}
	for _, label := range m.loops {
		if l, err := object.ParseLabel(label); err == nil && l.Controller == m.Controller {
			say("loop %s", label)
		}
	}
	for key, p := range m.points {
		say("base %s %s", key, m.loops[p.loop])
	}
	for name, s := range m.pins {
		session, print, ours := parsePin(name)
		if !ours {
			continue
		}
		say("pin %s %s bound=%t", session, print, s != nil)
		if s != nil {
			for _, inside := range s.mounts {
				say("mount %s %s %s", session, inside.spec.Target, object.PrintOf(inside.spec))
			}
		}
	}
	for session := range m.pinRooms {
		if !m.othersIn(session) && len(m.pinsOf(session)) == 0 {
			say("bare folder of pins %s", session)
		}
	}
	for name, v := range m.views {
		_, now := m.live(name)
		say("view %s %s current=%t %q", name, v.print, now != nil && v.root == now.root, v.targets)
	}
	for g := range m.groups {
		if strings.HasPrefix(g, m.Controller+"/") {
			say("cgroup %s", g)
		}
	}
	for mark := range m.marks {
		say("mark %s", mark)
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

// Foreign returns what is there of other people's, likewise.
func (m *Machine) Foreign() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	var lines []string
	for path := range m.snapshots {
		if strings.HasPrefix(path, "/foreign/") {
			lines = append(lines, "snapshot "+path)
		}
	}
	for name, v := range m.volumes {
		if l, err := object.ParseLabel(v.tag); err != nil || l.Controller != m.Controller {
			lines = append(lines, "volume "+name+" "+v.tag)
		}
	}
	for device, label := range m.loops {
		if l, err := object.ParseLabel(label); err != nil || l.Controller != m.Controller {
			lines = append(lines, "loop "+device+" "+label)
		}
	}
	if limit, limited := m.limits[theirs]; limited {
		lines = append(lines, fmt.Sprintf("limit %d", limit))
	}
	for name := range m.pins {
		if _, _, ours := parsePin(name); !ours {
			lines = append(lines, "pin "+name)
		}
	}
	for g := range maps.Keys(m.groups) {
		if !strings.HasPrefix(g, m.Controller+"/") {
			lines = append(lines, "cgroup "+g)
		}
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

// Effects returns how many effects there were since trouble was last set.
func (m *Machine) Effects() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.trouble.effects
}
