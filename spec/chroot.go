package spec

import (
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Chroot is a root file system that sessions are grown from. It is never
// changed by the sessions that use it, unless its union is "none".
type Chroot struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata"`

	Spec ChrootSpec `json:"spec"`
}

// ChrootSpec says where a root file system comes from and who may use it how.
type ChrootSpec struct {
	// Description is one line for people.
	Description string `json:"description,omitempty"`
	// Aliases are further names that a session's chrootRef may use. Besides what
	// a name may be made of they may have capitals, dots and underscores.
	Aliases []string `json:"aliases,omitempty"`
	// Source is where the root file system comes from; exactly one kind of it.
	Source Source `json:"source"`
	// Union puts a writable layer above the source, private to each session.
	Union *Union `json:"union,omitempty"`
	// ProfileRef names what every session of this chroot gets on top.
	ProfileRef *Reference `json:"profileRef,omitempty"`
	// Access lists who may enter sessions of this chroot. Root may always.
	Access *Access `json:"access,omitempty"`
	// Personality is the execution domain of commands, as in setarch(8).
	Personality string `json:"personality,omitempty"`
	// Shell is the login shell to use instead of the user's own.
	Shell string `json:"shell,omitempty"`
	// CommandPrefix is put before every command.
	CommandPrefix []string `json:"commandPrefix,omitempty"`
	// Environment is what commands find in their environment.
	Environment *Environment `json:"environment,omitempty"`
	// HookEnvironment is what the hooks of its sessions find in theirs.
	HookEnvironment map[string]string `json:"hookEnvironment,omitempty"`
	// HookVariables lists what those who begin sessions may set of it.
	HookVariables *HookVariables `json:"hookVariables,omitempty"`
	// Isolation gives each command namespaces of its own.
	Isolation *Isolation `json:"isolation,omitempty"`
	// Limits bound what sessions may use.
	Limits *Limits `json:"limits,omitempty"`
}

// Source holds exactly one of its kinds.
type Source struct {
	Directory     *DirectorySource     `json:"directory,omitempty"`
	Plain         *PlainSource         `json:"plain,omitempty"`
	File          *FileSource          `json:"file,omitempty"`
	Loopback      *LoopbackSource      `json:"loopback,omitempty"`
	BlockDevice   *BlockDeviceSource   `json:"blockDevice,omitempty"`
	LVMSnapshot   *LVMSnapshotSource   `json:"lvmSnapshot,omitempty"`
	BtrfsSnapshot *BtrfsSnapshotSource `json:"btrfsSnapshot,omitempty"`
	// Location is the root's path below the source, "/" if it is the source itself.
	Location string `json:"location,omitempty"`
}

// DirectorySource is a root file system that lies unpacked in a folder.
type DirectorySource struct {
	Path string `json:"path"`
}

// PlainSource is a folder that is used as it is: no union, no profile's
// mounts, files or hooks.
type PlainSource struct {
	Path string `json:"path"`
}

// FileSource is a tar archive, plain or compressed by gzip, xz, zstd, bzip2 or
// lz4; which one is read from the archive itself, not from its name.
type FileSource struct {
	Path string `json:"path"`
}

// LoopbackSource is a raw image in a file: of one file system, or of a disk
// with partitions.
type LoopbackSource struct {
	Path string `json:"path"`
	// FSType is ext4, xfs, btrfs, squashfs or erofs; read from the image if empty.
	FSType string `json:"fsType,omitempty"`
	// Offset is where the file system begins, in bytes.
	Offset int64 `json:"offset,omitempty"`
	// Partition is the number of a GPT or MBR partition, from 1; not with Offset.
	Partition int `json:"partition,omitempty"`
	// MountOptions are the file system's options, one an entry.
	MountOptions []string `json:"mountOptions,omitempty"`
}

// BlockDeviceSource is a block device that holds a file system.
type BlockDeviceSource struct {
	// Path is the device's, best one that stays the same: /dev/disk/by-uuid/...
	Path string `json:"path"`
	// FSType is ext4, xfs, btrfs, squashfs or erofs; read from the device if empty.
	FSType string `json:"fsType,omitempty"`
	// MountOptions are the file system's options, one an entry.
	MountOptions []string `json:"mountOptions,omitempty"`
}

// LVMSnapshotSource is a logical volume that each session gets a snapshot of.
type LVMSnapshotSource struct {
	VolumeGroup   string `json:"volumeGroup"`
	LogicalVolume string `json:"logicalVolume"`
	// Size is what a thick snapshot may hold of changes: 2Gi, or 20% of the
	// volume's size.
	Size string `json:"size,omitempty"`
	// Thin takes a thin snapshot, which has no size of its own; the volume lies in a
	// thin pool.
	Thin bool `json:"thin,omitempty"`
	// ReadOnly takes a snapshot that cannot be written to.
	ReadOnly bool `json:"readOnly,omitempty"`
	// FSType is ext4, xfs, squashfs or erofs; read from the volume if empty.
	FSType string `json:"fsType,omitempty"`
	// MountOptions are the file system's options, one an entry.
	MountOptions []string `json:"mountOptions,omitempty"`
	// CreateOptions are given to lvcreate(8), one word an entry: --chunksize=64k.
	CreateOptions []string `json:"createOptions,omitempty"`
	// FillThreshold is how full a thick snapshot, or the thin pool, may be before
	// sessions are Degraded, in percent.
	FillThreshold *int `json:"fillThreshold,omitempty"`
}

// BtrfsSnapshotSource is a btrfs subvolume that each session gets a writable
// snapshot of.
type BtrfsSnapshotSource struct {
	// Subvolume is the path of the subvolume to snapshot.
	Subvolume string `json:"subvolume"`
	// SnapshotDirectory is where the snapshots go, on the same file system;
	// beside the subvolume if empty.
	SnapshotDirectory string `json:"snapshotDirectory,omitempty"`
}

// UnionType says how a session's own writes are kept apart from the source.
type UnionType string

// The types of union.
const (
	// UnionOverlay stacks the session's own layer above the source by overlayfs.
	UnionOverlay UnionType = "overlay"
	// UnionNone gives the session the source itself, writes and all.
	UnionNone UnionType = "none"
)

// Union is the writable layer of a session.
type Union struct {
	// Type is overlay or none. The default is overlay, and none for the
	// sources plain and btrfsSnapshot.
	Type UnionType `json:"type,omitempty"`
	// Lowers are folders stacked above the source and below the session's own
	// layer; the first is topmost.
	Lowers []string `json:"lowers,omitempty"`
	// Upper says where the session's writes go.
	Upper *Upper `json:"upper,omitempty"`
	// Volatile leaves out every sync to disk: faster, and the session's writes
	// do not survive a power cut. If unset, a session is volatile when its
	// manifest would not survive one either.
	Volatile *bool `json:"volatile,omitempty"`
}

// Medium says what an upper layer is kept on.
type Medium string

// The media of an upper layer.
const (
	// MediumDisk keeps the upper layer below the state folder.
	MediumDisk Medium = "Disk"
	// MediumMemory keeps it on a tmpfs of the session's own.
	MediumMemory Medium = "Memory"
)

// Upper is where a session's writes go.
type Upper struct {
	// Medium is Disk (the default) or Memory.
	Medium Medium `json:"medium,omitempty"`
	// Size limits an upper in memory; half of the machine's memory if unset.
	Size *resource.Quantity `json:"size,omitempty"`
}

// Access lists the people who may enter sessions, by name of user or group.
type Access struct {
	Users      []string `json:"users,omitempty"`
	Groups     []string `json:"groups,omitempty"`
	RootUsers  []string `json:"rootUsers,omitempty"`
	RootGroups []string `json:"rootGroups,omitempty"`
	// Source lists who may open the source itself for writing.
	Source *SourceAccess `json:"source,omitempty"`
}

// SourceAccess lists the people who may open a chroot's source for writing.
type SourceAccess struct {
	Users      []string `json:"users,omitempty"`
	Groups     []string `json:"groups,omitempty"`
	RootUsers  []string `json:"rootUsers,omitempty"`
	RootGroups []string `json:"rootGroups,omitempty"`
}

// HookVariables lists, by name, the variables for hooks that whoever begins a
// session may set for it. Root may set any.
type HookVariables struct {
	// Users are those that everybody may set who may use the chroot.
	Users []string `json:"users,omitempty"`
	// RootUsers are those that besides may be set by whom the chroot's lists let be
	// root in it.
	RootUsers []string `json:"rootUsers,omitempty"`
}

// Environment is what commands in a session find in their environment.
type Environment struct {
	// Set adds variables.
	Set map[string]string `json:"set,omitempty"`
	// Filter is a regular expression; variables whose whole name matches it
	// are not handed on from the caller.
	Filter string `json:"filter,omitempty"`
}
