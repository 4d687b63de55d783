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
	// +kubebuilder:validation:MaxItems=256
	Mounts []Mount `json:"mounts,omitempty"`
	// CopyFiles are paths of the host's files, copied to the same path inside.
	// +listType=set
	CopyFiles []FilePath `json:"copyFiles,omitempty"`
	// NSSDatabases are written from the host's getent(1) to /etc inside.
	// +listType=set
	// +kubebuilder:validation:items:Enum=aliases;group;gshadow;hosts;networks;passwd;protocols;rpc;services;shadow
	NSSDatabases []string `json:"nssDatabases,omitempty"`
	// Hooks are run at points of a session's life.
	// +kubebuilder:validation:MaxItems=64
	// +listType=map
	// +listMapKey=name
	Hooks []Hook `json:"hooks,omitempty"`
}

// MountType says what is mounted.
// +kubebuilder:validation:Enum=proc;sysfs;dev;devpts;shm;tmpfs;bind
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
// +kubebuilder:validation:XValidation:rule="has(self.source) == (self.type == 'bind')",message="a bind has a source, the path on the host; no other type has one"
// +kubebuilder:validation:XValidation:rule="has(self.target) || self.type != 'tmpfs'",message="a tmpfs has a target"
// +kubebuilder:validation:XValidation:rule="has(self.target) || !has(self.source) || self.source != '/'",message="target must not be the root itself"
// +kubebuilder:validation:XValidation:rule="!has(self.size) || self.type in ['tmpfs', 'shm', 'dev']",message="only tmpfs, shm and dev have a size"
// +kubebuilder:validation:XValidation:rule="!has(self.optional) || !self.optional || self.type == 'bind'",message="only a bind can be left out"
type Mount struct {
	// Type is proc, sysfs, dev, devpts, shm, tmpfs or bind.
	Type MountType `json:"type"`
	// Source is the path on the host of a bind mount.
	Source Path `json:"source,omitempty"`
	// Target is the path inside the session; made if it is missing. If unset it is the
	// usual place of the type, and the source of a bind.
	// +kubebuilder:validation:XValidation:rule="self != '/'",message="must not be the root itself"
	Target Path `json:"target,omitempty"`
	// Options are ro, rw, nosuid, nodev, noexec, noatime, nodiratime, relatime,
	// suid, dev, exec, rbind, and those of the file system itself (mode=1777).
	Options []MountOption `json:"options,omitempty"`
	// Size limits a tmpfs, shm or dev; half of the machine's memory if unset.
	// +kubebuilder:validation:XIntOrString
	// +kubebuilder:validation:MaxLength=40
	// +kubebuilder:validation:Pattern=`^\+?[0-9]{1,18}(\.[0-9]{1,9})?([KMGTPE]i|[mkMGTPE]|[eE]\+?[0-9]{1,2})?$`
	// +kubebuilder:validation:XValidation:rule="quantity(string(self)).compareTo(quantity('4Ki')) >= 0 && quantity(string(self)).compareTo(quantity('1Ei')) <= 0",message="is less than a page; write for example 64Mi"
	Size *resource.Quantity `json:"size,omitempty"`
	// Optional mounts are left out while their source is missing.
	Optional bool `json:"optional,omitempty"`
}

// HookPhase says when a hook runs.
// +kubebuilder:validation:Enum=setup;recover;stop
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
// +kubebuilder:validation:Enum=Host;Session
type HookPlace string

// The places of a hook.
const (
	// HookOnHost runs on the host, as root, with the session's facts in its environment.
	HookOnHost HookPlace = "Host"
	// HookInSession runs inside the session, as root.
	HookInSession HookPlace = "Session"
)

// HookInterface says what a hook's file is told.
// +kubebuilder:validation:Enum=Coppice;Schroot
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
// +kubebuilder:validation:XValidation:rule="(has(self.command) && size(self.command) > 0) != has(self.file)",message="has a command, a program and its arguments, or a file; one of them"
// +kubebuilder:validation:XValidation:rule="!has(self.file) || !has(self.place) || self.place != 'Session'",message="a file of the host cannot run inside; use command"
// +kubebuilder:validation:XValidation:rule="!has(self.interface) || self.interface != 'Schroot' || has(self.file)",message="only a file is run as schroot runs its scripts; use file"
// +kubebuilder:validation:XValidation:rule="!has(self.undo) || size(self.undo) == 0 || !has(self.file) && (!has(self.phase) || self.phase == 'setup')",message="only the command of a setup hook is undone; a file is undone by itself, with the argument stop"
type Hook struct {
	// Name tells hooks of a profile apart; a DNS label.
	Name Name `json:"name"`
	// Phase is setup (the default), recover or stop.
	Phase HookPhase `json:"phase,omitempty"`
	// Command is the program, by its path, and its arguments; or file.
	// +kubebuilder:validation:XValidation:rule="size(self) == 0 || self[0].startsWith('/')",message="the program is an absolute path"
	Command []Word `json:"command,omitempty"`
	// File is an executable file of the host, run with the phase as its only
	// argument ("setup", "recover", "stop"); undone by running it with "stop".
	File Path `json:"file,omitempty"`
	// Interface is what the file is told: Coppice (the default) or Schroot.
	Interface HookInterface `json:"interface,omitempty"`
	// Undo is run when a session goes whose setup hook was begun.
	// +kubebuilder:validation:XValidation:rule="size(self) == 0 || self[0].startsWith('/')",message="the program is an absolute path"
	Undo []Word `json:"undo,omitempty"`
	// Place is Host (the default) or Session.
	Place HookPlace `json:"place,omitempty"`
	// Timeout ends the hook's processes; 60s if unset.
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:Pattern=`^\+?(([0-9]+(\.[0-9]*)?|\.[0-9]+)(ns|us|µs|μs|ms|s|m|h))+$`
	// +kubebuilder:validation:XValidation:rule="duration(self) > duration('0s')",message="must be longer than nothing"
	// +kubebuilder:validation:MaxLength=64
	Timeout *metav1.Duration `json:"timeout,omitempty"`
	// Order sorts the hooks of a phase, smallest first; then the order written.
	Order int `json:"order,omitempty"`
}
