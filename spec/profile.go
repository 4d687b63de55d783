package spec

import (
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Profile is what sessions get on top of their root file system.
type Profile struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata"`

	Spec ProfileSpec `json:"spec"`
}

// ProfileSpec lists mounts, files and hooks.
type ProfileSpec struct {
	// Mounts are made inside the session, parents before children.
	Mounts []Mount `json:"mounts,omitempty"`
	// CopyFiles are paths of the host's files, copied to the same path inside.
	CopyFiles []string `json:"copyFiles,omitempty"`
	// NSSDatabases are written from the host's getent(1) to /etc inside.
	NSSDatabases []string `json:"nssDatabases,omitempty"`
	// Hooks are run at points of a session's life.
	Hooks []Hook `json:"hooks,omitempty"`
}

// MountType says what is mounted.
type MountType string

// The types of mount.
const (
	// MountProc is a proc file system.
	MountProc MountType = "proc"
	// MountSysfs is a sysfs file system.
	MountSysfs MountType = "sysfs"
	// MountDev is a small tmpfs with the usual device nodes and links.
	MountDev MountType = "dev"
	// MountDevpts is a devpts instance of the session's own.
	MountDevpts MountType = "devpts"
	// MountShm is a tmpfs for POSIX shared memory, mode 1777.
	MountShm MountType = "shm"
	// MountTmpfs is an empty tmpfs.
	MountTmpfs MountType = "tmpfs"
	// MountBind shows a file or folder of the host; with option rbind its submounts too.
	MountBind MountType = "bind"
)

// Mount is one mount inside a session.
type Mount struct {
	// Type is proc, sysfs, dev, devpts, shm, tmpfs or bind.
	Type MountType `json:"type"`
	// Source is the path on the host of a bind mount.
	Source string `json:"source,omitempty"`
	// Target is the path inside the session; made if it is missing.
	Target string `json:"target,omitempty"`
	// Options are ro, rw, nosuid, nodev, noexec, noatime, nodiratime, relatime,
	// suid, dev, exec, rbind, and those of the file system itself (mode=1777).
	Options []string `json:"options,omitempty"`
	// Size limits a tmpfs, shm or dev.
	Size *resource.Quantity `json:"size,omitempty"`
	// Optional mounts are left out while their source is missing.
	Optional bool `json:"optional,omitempty"`
}

// HookPhase says when a hook runs.
type HookPhase string

// The phases of a hook.
const (
	// HookSetup runs once, before the session is first Ready.
	HookSetup HookPhase = "setup"
	// HookRecover runs when a session is built again over its old writes.
	HookRecover HookPhase = "recover"
	// HookStop runs before a session that was set up is taken down.
	HookStop HookPhase = "stop"
)

// HookPlace says where a hook's process runs.
type HookPlace string

// The places of a hook.
const (
	// HookOnHost runs on the host, as root, with the session's facts in its environment.
	HookOnHost HookPlace = "Host"
	// HookInSession runs inside the session, as root.
	HookInSession HookPlace = "Session"
)

// HookInterface says what a hook's file is told.
type HookInterface string

// The interfaces of a hook's file.
const (
	// InterfaceCoppice gives it the phase as its argument, and variables whose
	// names begin with COPPICE_.
	InterfaceCoppice HookInterface = "Coppice"
	// InterfaceSchroot gives it also what schroot-setup(5) gives to a script of
	// setup.d: the arguments "setup-start ok", "setup-recover ok" or "setup-stop
	// ok", and variables such as CHROOT_PATH.
	InterfaceSchroot HookInterface = "Schroot"
)

// Hook is a program that is run at a point of a session's life.
type Hook struct {
	// Name tells hooks of a profile apart; a DNS label.
	Name string `json:"name"`
	// Phase is setup (the default), recover or stop.
	Phase HookPhase `json:"phase,omitempty"`
	// Command is the program and its arguments; or File.
	Command []string `json:"command,omitempty"`
	// File is an executable file of the host, run with the phase as its only
	// argument ("setup", "recover", "stop"); undone by running it with "stop".
	File string `json:"file,omitempty"`
	// Interface is what the file is told: Coppice (the default) or Schroot.
	Interface HookInterface `json:"interface,omitempty"`
	// Undo is run when a session goes whose setup hook was begun.
	Undo []string `json:"undo,omitempty"`
	// Place is Host (the default) or Session.
	Place HookPlace `json:"place,omitempty"`
	// Timeout ends the hook's processes; 60s if unset.
	Timeout *metav1.Duration `json:"timeout,omitempty"`
	// Order sorts the hooks of a phase, smallest first; then the order written.
	Order int `json:"order,omitempty"`
}
