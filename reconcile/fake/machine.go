package fake

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"coppice.dev/reconcile/layout"
	"coppice.dev/reconcile/object"
)

// Nowhere is a folder that no chroot's source has.
const Nowhere = "/nowhere"

// Machine is the world: everything that outlives the daemon.
type Machine struct {
	// Layout and Controller are those of the one controller under test; all else
	// is somebody else's. They must not be changed.
	Layout     layout.Layout
	Controller string

	mu         sync.Mutex
	running    *Kernel
	trouble    trouble
	violations []string
	last       int // the last number given to anything

	sources   map[string]bool        // paths of the host that manifests name
	homes     map[string]*home       // by session
	trees     map[object.Owner]*tree // unpacked archives
	snapshots map[string]*layer      // by path; some are other people's
	volumes   map[string]*volume     // LVM snapshots by group and name; some are other people's
	disks     map[object.Owner]*disk // mounted block devices
	loops     map[string]string      // label by device; some are other people's
	points    map[string]*point      // mount points of images, by the base's key
	pins      map[string]*space      // by SESSION/NAME; nil is a file without a namespace
	pinRooms  map[string]bool        // the folders of pins that are there, by session
	views     map[string]*view       // by session
	groups    map[string]bool        // cgroups, CONTROLLER/SESSION
	limits    map[int]int64          // by project; some are other people's
	processes map[int]*process       // by pid
	marks     map[string]bool        // what hooks did and nobody undid
}

// layer is something that a root can stand on. Roots hold it by its pointer, as
// the kernel holds an inode: what takes its name later is another one.
type layer struct{ name string }

type home struct {
	record  *object.Home // nil: torn, or not yet written
	print   object.Print // the record's
	upper   *layer
	note    *object.Upper // what the upper was made with; nil: lost
	work    bool
	link    string // to the snapshot
	store   *store // nil if there never was one, or it went
	layer   *counted
	journal map[object.Address]*entry
}

// store is what a limited upper lies in.
type store struct {
	image   bool
	note    *object.Store
	point   bool // the mount point is there
	mounted bool
}

type tree struct {
	whole *layer
	begun bool
}

type point struct {
	loop string // mounted on it; "" if nothing is
	over bool   // somebody else mounted over it
}

type volume struct {
	tag    string // its label
	active bool
	layer  *layer
}

type disk struct {
	note   object.Print // what it was made with
	point  bool         // the mount point is there
	device *layer       // what is mounted on it; nil if nothing is
	over   bool         // somebody else mounted over it
}

type entry struct {
	task     object.Object
	state    string // begun, failed, done, torn
	attempts int    // at undoing it, that failed
	instance string
}

type root struct {
	on    []*layer
	loops []string
	upper *layer
}

type space struct {
	session, instance string
	root              *root
	mounts            []*mount // in the order in which they were attached
}

type mount struct {
	ours  bool
	label object.Print // what ours was made with, as its source string says
	spec  object.Mount // what it is now
	made  []string     // targets on it for which a folder was made
}

type view struct {
	point    bool // the folder's mount point is there
	print    object.Print
	instance string
	root     *root    // what is mounted, nil if nothing is
	targets  []string // the mounts that were cloned with it
}

type process struct {
	space *space
	group string
	view  string // the session whose view it is in
}

// New returns a machine that holds nothing but the sources of manifests.
func New(sources ...string) *Machine {
	m := &Machine{
		Layout:     layout.Layout{State: "/var/lib/coppice", Run: "/run/coppice"},
		Controller: "c0ffee00",
		sources:    map[string]bool{},
		homes:      map[string]*home{},
		trees:      map[object.Owner]*tree{},
		snapshots:  map[string]*layer{},
		volumes:    map[string]*volume{},
		marks:      map[string]bool{},
		limits:     map[int]int64{theirs: 12345},
	}
	for _, s := range sources {
		m.sources[s] = true
	}
	m.powerOn()
	return m
}

// powerOn leaves of a machine what is on its disks.
func (m *Machine) powerOn() {
	m.loops, m.points, m.pins, m.pinRooms = map[string]string{}, map[string]*point{}, map[string]*space{}, map[string]bool{}
	m.disks = map[object.Owner]*disk{}
	for _, v := range m.volumes {
		v.active = false
	}
	for _, h := range m.homes {
		if h.store != nil {
			h.store.point, h.store.mounted = false, false
		}
	}
	m.views, m.groups, m.processes = map[string]*view{}, map[string]bool{}, map[int]*process{}
}

// Start begins a daemon that knows nothing. The one before it is dead from now on.
func (m *Machine) Start() *Kernel {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.running != nil {
		m.running.dead = true
	}
	m.running = &Kernel{m: m}
	m.settle()
	return m.running
}

// Violations returns what happened that must never happen.
func (m *Machine) Violations() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.violations)
}

func (m *Machine) violation(format string, args ...any) {
	m.violations = append(m.violations, fmt.Sprintf(format, args...))
}

func (m *Machine) number() string {
	m.last++
	return fmt.Sprintf("%04d", m.last)
}

// liveRoots are the roots that something still has mounted.
func (m *Machine) liveRoots() []*root {
	live := map[*root]bool{}
	for _, s := range m.pins {
		if s != nil {
			live[s.root] = true
		}
	}
	for _, p := range m.processes {
		if p.space != nil {
			live[p.space.root] = true
		}
	}
	for _, v := range m.views {
		if v.root != nil {
			live[v.root] = true
		}
	}
	return slices.Collect(maps.Keys(live))
}

// used reports whether a volume is mounted, or a live root stands on it.
func (m *Machine) used(v *volume) bool {
	for _, d := range m.disks {
		if d.device == v.layer {
			return true
		}
	}
	return slices.ContainsFunc(m.liveRoots(), func(r *root) bool { return slices.Contains(r.on, v.layer) })
}

// remove notes a violation if a live root stands on what is about to go.
func (m *Machine) remove(l *layer) {
	for _, r := range m.liveRoots() {
		if l != nil && (r.upper == l || slices.Contains(r.on, l)) {
			m.violation("%s was removed under a live root", l.name)
		}
	}
}

// settle lets go of the loop devices that nobody holds any more (autoclear).
func (m *Machine) settle() {
	held := map[string]bool{}
	for _, r := range m.liveRoots() {
		for _, l := range r.loops {
			held[l] = true
		}
	}
	for _, p := range m.points {
		held[p.loop] = true
	}
	if m.running != nil && !m.running.dead {
		held[m.running.attached] = true
	}
	for device, label := range m.loops {
		if l, err := object.ParseLabel(label); err == nil && l.Controller == m.Controller && !held[device] {
			delete(m.loops, device)
		}
	}
}

// live returns the namespace that a pin of the session's holds, or nil.
func (m *Machine) live(session string) (string, *space) {
	for _, name := range slices.Sorted(maps.Keys(m.pins)) {
		if who, _, ok := parsePin(name); ok && who == session && m.pins[name] != nil {
			return name, m.pins[name]
		}
	}
	return "", nil
}

// pinsOf returns the names of a session's pins, bound or not.
func (m *Machine) pinsOf(session string) []string {
	var names []string
	for _, name := range slices.Sorted(maps.Keys(m.pins)) {
		if who, _, ok := parsePin(name); ok && who == session {
			names = append(names, name)
		}
	}
	return names
}

// othersIn reports whether something that is no pin lies in the folder of a
// session's pins.
func (m *Machine) othersIn(session string) bool {
	for name := range m.pins {
		if _, _, ours := parsePin(name); !ours && strings.HasPrefix(name, session+"/") {
			return true
		}
	}
	return false
}

// pinPath is where a pin is below the folder of pins.
func (m *Machine) pinPath(session string, print object.Print, instance string) string {
	return strings.TrimPrefix(m.Layout.Pin(session, print, instance), m.Layout.Pins()+"/")
}

func parsePin(path string) (session string, print object.Print, ours bool) {
	session, name, _ := strings.Cut(path, "/")
	print, _, ours = layout.ParsePin(name)
	return session, print, ours
}

// carrier returns the mount that a path lies on, nil for the root itself.
func (s *space) carrier(path string) *mount {
	for _, m := range slices.Backward(s.mounts) {
		if strings.HasPrefix(path, m.spec.Target+"/") {
			return m
		}
	}
	return nil
}

// visible returns the mount to be seen at the target, or nil: the last one
// there, if no later one hides it from above.
func (s *space) visible(target string) *mount {
	for _, m := range slices.Backward(s.mounts) {
		if m.spec.Target == target {
			return m
		}
		if strings.HasPrefix(target, m.spec.Target+"/") {
			return nil
		}
	}
	return nil
}
