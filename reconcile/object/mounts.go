package object

import "time"

// Layer is a folder of a root: Location below Path. Location is resolved
// inside Path, as if Path were "/", since what lies there is not to be trusted.
type Layer struct {
	Path     string `json:"path"`
	Location string `json:"location,omitempty"`
}

// RootType says how the root of a namespace is mounted.
type RootType string

// The types of root.
const (
	// RootOverlay is an overlay of Layers with an upper.
	RootOverlay RootType = "overlay"
	// RootBind is the one layer itself.
	RootBind RootType = "bind"
)

// Namespace is a session's mount namespace with its root mount, published by
// one pin. The mounts inside are objects of their own, but they are made with
// it when it is made, and they go with it when it goes.
type Namespace struct {
	Type RootType `json:"type"`
	// Layers of the root, topmost first; one for a bind.
	Layers []Layer `json:"layers"`
	// Upper and Work are the overlay's, on disk; empty with Memory.
	Upper string `json:"upper,omitempty"`
	Work  string `json:"work,omitempty"`
	// Memory puts upper and work on a tmpfs of MemorySize bytes (0: the kernel's default).
	Memory     bool  `json:"memory,omitempty"`
	MemorySize int64 `json:"memorySize,omitempty"`
	Volatile   bool  `json:"volatile,omitempty"`
	ReadOnly   bool  `json:"readOnly,omitempty"`
}

// Kind implements Spec.
func (Namespace) Kind() Kind { return KindNamespace }

// Identity implements Spec.
func (n Namespace) Identity() Spec { return n }

// Mount is one mount inside a session's namespace.
type Mount struct {
	// Type is as in spec.MountType.
	Type string `json:"type"`
	// Source is the path on the host of a bind.
	Source string `json:"source,omitempty"`
	// Recursive binds the source's submounts too.
	Recursive bool `json:"recursive,omitempty"`
	// Target is the path inside, clean and absolute.
	Target string `json:"target"`
	// Flags are the mount's attributes by name: ro, nosuid, nodev, noexec,
	// noatime, nodiratime, relatime.
	Flags []string `json:"flags,omitempty"`
	// Options are the file system's own.
	Options []string `json:"options,omitempty"`
	// Size of a tmpfs in bytes; 0 is the kernel's default.
	Size int64 `json:"size,omitempty"`
	// Optional mounts count as made while their source is missing.
	Optional bool `json:"optional,omitempty"`
	// Untouched mounts are left out where the root has no place for them: it is a
	// chroot's source, in which nothing is made.
	Untouched bool `json:"untouched,omitempty"`
}

// Kind implements Spec.
func (Mount) Kind() Kind { return KindMount }

// Identity implements Spec: attributes and a tmpfs's size can be changed on a
// live mount (mount_setattr(2), fsconfig(2)).
func (m Mount) Identity() Spec {
	m.Flags, m.Size, m.Optional, m.Untouched = nil, 0, false, false
	return m
}

// View is what the host sees of a session: a clone of its root, mounted below
// the run-time folder.
type View struct {
	Path string `json:"path"`
	// Tree shows the session's mounts too.
	Tree bool `json:"tree,omitempty"`
	// Shows is what a tree shows: see Shown. It makes a view of other mounts
	// another view, for it is a copy of them as they were.
	Shows []string `json:"shows,omitempty"`
}

// Shown names the mounts among objects, each with what it is made with.
func Shown(objects []Object) []string {
	var shown []string
	for _, o := range objects {
		if m, is := o.Spec.(Mount); is {
			shown = append(shown, m.Target+" "+PrintOf(m).Whole)
		}
	}
	return shown
}

// Kind implements Spec.
func (View) Kind() Kind { return KindView }

// Identity implements Spec.
func (v View) Identity() Spec { return v }

// Processes is what runs inside a session: its cgroup where the machine has
// cgroup v2, and whoever else has entered its namespace.
type Processes struct {
	// Grace is the time between TERM and KILL.
	Grace time.Duration `json:"grace,omitempty"`
	// Wait leaves the processes alone: whoever destroys must wait for them.
	Wait bool `json:"wait,omitempty"`
	Limits
}

// Limits bound what all of a session's processes may use together; 0 is no limit.
type Limits struct {
	// Memory is in bytes, CPU in thousandths of a processor.
	Memory int64 `json:"memory,omitempty"`
	PIDs   int64 `json:"pids,omitempty"`
	CPU    int64 `json:"cpu,omitempty"`
}

// Kind implements Spec.
func (Processes) Kind() Kind { return KindProcesses }

// Identity implements Spec: how processes are ended and what they may use can
// change while they run.
func (Processes) Identity() Spec { return Processes{} }
