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
// +kubebuilder:validation:XValidation:rule="!has(self.union) || !has(self.union.type) || self.union.type == 'none' || !has(self.source.plain) && !has(self.source.btrfsSnapshot)",message="plain and btrfsSnapshot take no union; leave it out"
// +kubebuilder:validation:XValidation:rule="!has(self.union) || has(self.union.type) || !has(self.source.plain) && !has(self.source.btrfsSnapshot) && !has(self.source.lvmSnapshot) || !has(self.union.upper) && !has(self.union.volatile) && (!has(self.union.lowers) || size(self.union.lowers) == 0)",message="there is no layer without a union; use type: overlay"
type ChrootSpec struct {
	// Description is one line for people.
	Description Line `json:"description,omitempty"`
	// Aliases are further names that a session's chrootRef may use. Besides what
	// a name may be made of they may have capitals, dots and underscores.
	// +listType=set
	// +kubebuilder:validation:MaxItems=64
	Aliases []Alias `json:"aliases,omitempty"`
	// Source is where the root file system comes from; exactly one kind of it.
	Source Source `json:"source"`
	// Union puts a writable layer above the source, private to each session.
	Union *Union `json:"union,omitempty"`
	// ProfileRef names what every session of this chroot gets on top; the profile
	// minimal if unset.
	// +kubebuilder:validation:XValidation:rule="self.name.matches('^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$')",message="name must be lower-case letters, digits and dashes, with a letter or digit first and last, 63 at most"
	ProfileRef *Reference `json:"profileRef,omitempty"`
	// Access lists who may enter sessions of this chroot. Root may always.
	Access *Access `json:"access,omitempty"`
	// Personality is the execution domain of commands, as in setarch(8).
	// +kubebuilder:validation:Enum=linux;linux32;i386;i686;x86_64;linux64;arm;armv7l;aarch64;undefined
	Personality string `json:"personality,omitempty"`
	// Shell is the login shell to use instead of the user's own.
	Shell Path `json:"shell,omitempty"`
	// CommandPrefix is put before every command.
	// +kubebuilder:validation:XValidation:rule="size(self) == 0 || self[0] != ''",message="begins with a program"
	CommandPrefix []Word `json:"commandPrefix,omitempty"`
	// Environment is what commands find in their environment.
	Environment *Environment `json:"environment,omitempty"`
	// HookEnvironment is what the hooks of its sessions find in theirs.
	HookEnvironment map[string]Word `json:"hookEnvironment,omitempty"`
	// HookVariables lists what those who begin sessions may set of it.
	HookVariables *HookVariables `json:"hookVariables,omitempty"`
	// Isolation gives each command namespaces of its own.
	Isolation *Isolation `json:"isolation,omitempty"`
	// Limits bound what sessions may use.
	Limits *Limits `json:"limits,omitempty"`
}

// Source holds exactly one of its kinds.
// +kubebuilder:validation:ExactlyOneOf=directory;plain;file;loopback;blockDevice;lvmSnapshot;btrfsSnapshot
type Source struct {
	// Directory is a root file system that lies unpacked in a folder.
	Directory *DirectorySource `json:"directory,omitempty"`
	// Plain is a folder that is used as it is.
	Plain *PlainSource `json:"plain,omitempty"`
	// File is a tar archive, unpacked once for all sessions.
	File *FileSource `json:"file,omitempty"`
	// Loopback is an image in a file.
	Loopback *LoopbackSource `json:"loopback,omitempty"`
	// BlockDevice is a device of the host that holds a file system.
	BlockDevice *BlockDeviceSource `json:"blockDevice,omitempty"`
	// LVMSnapshot is a logical volume; each session gets a snapshot of it.
	LVMSnapshot *LVMSnapshotSource `json:"lvmSnapshot,omitempty"`
	// BtrfsSnapshot is a subvolume; each session gets a snapshot of it.
	BtrfsSnapshot *BtrfsSnapshotSource `json:"btrfsSnapshot,omitempty"`
	// Location is the root's path below the source, "/" if it is the source itself.
	Location Path `json:"location,omitempty"`
}

// DirectorySource is a root file system that lies unpacked in a folder.
type DirectorySource struct {
	// Path is the folder's.
	Path Path `json:"path"`
}

// PlainSource is a folder that is used as it is: no union, no profile's
// mounts, files or hooks.
type PlainSource struct {
	// Path is the folder's.
	Path Path `json:"path"`
}

// FileSource is a tar archive, plain or compressed by gzip, xz, zstd, bzip2 or
// lz4; which one is read from the archive itself, not from its name.
type FileSource struct {
	// Path is the archive's.
	Path Path `json:"path"`
}

// LoopbackSource is a raw image in a file: of one file system, or of a disk
// with partitions.
// +kubebuilder:validation:AtMostOneOf=offset;partition
type LoopbackSource struct {
	// Path is the image's.
	Path Path `json:"path"`
	// FSType is ext4, xfs, btrfs, squashfs or erofs; read from the image if empty.
	FSType FSType `json:"fsType,omitempty"`
	// Offset is where the file system begins, in bytes.
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:MultipleOf=512
	Offset int64 `json:"offset,omitempty"`
	// Partition is the number of a GPT or MBR partition, from 1; not with Offset.
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=128
	Partition int `json:"partition,omitempty"`
	// MountOptions are the file system's options, one an entry.
	// +kubebuilder:validation:MaxItems=64
	MountOptions []ImageOption `json:"mountOptions,omitempty"`
}

// BlockDeviceSource is a block device that holds a file system.
type BlockDeviceSource struct {
	// Path is the device's, best one that stays the same: /dev/disk/by-uuid/...
	Path Path `json:"path"`
	// FSType is ext4, xfs, btrfs, squashfs or erofs; read from the device if empty.
	FSType FSType `json:"fsType,omitempty"`
	// MountOptions are the file system's options, one an entry.
	// +kubebuilder:validation:MaxItems=64
	MountOptions []ImageOption `json:"mountOptions,omitempty"`
}

// LVMSnapshotSource is a logical volume that each session gets a snapshot of.
// +kubebuilder:validation:XValidation:rule="has(self.size) != (has(self.thin) && self.thin)",message="say how much may be changed in a session with size, such as 2Gi or 20%; or thin: true, if the volume lies in a thin pool"
type LVMSnapshotSource struct {
	// VolumeGroup is the name of the volume group.
	VolumeGroup VolumeName `json:"volumeGroup"`
	// LogicalVolume is the name of the volume in it.
	LogicalVolume VolumeName `json:"logicalVolume"`
	// Size is what a thick snapshot may hold of changes: 2Gi, or 20% of the
	// volume's size.
	// +kubebuilder:validation:XValidation:rule="self.endsWith('%') ? self.matches('^([1-9][0-9]?|100)%$') : isQuantity(self) && quantity(self).compareTo(quantity('64Ki')) >= 0 && quantity(self).compareTo(quantity('1Ei')) <= 0",message="must be a size, such as 2Gi, or a percentage of the volume's, such as 20%"
	// +kubebuilder:validation:MaxLength=64
	Size string `json:"size,omitempty"`
	// Thin takes a thin snapshot, which has no size of its own; the volume lies in a
	// thin pool.
	Thin bool `json:"thin,omitempty"`
	// ReadOnly takes a snapshot that cannot be written to.
	ReadOnly bool `json:"readOnly,omitempty"`
	// FSType is ext4, xfs, squashfs or erofs; read from the volume if empty.
	// +kubebuilder:validation:Enum=ext4;xfs;squashfs;erofs
	FSType string `json:"fsType,omitempty"`
	// MountOptions are the file system's options, one an entry.
	// +kubebuilder:validation:MaxItems=64
	MountOptions []ImageOption `json:"mountOptions,omitempty"`
	// CreateOptions are given to lvcreate(8), one word an entry: --chunksize=64k.
	// +kubebuilder:validation:items:Pattern=`^--(alloc|chunksize|contiguous|noudevsync|readahead|stripes|stripesize|wipesignatures|zero)(=[a-zA-Z0-9.]+)?$`
	CreateOptions []string `json:"createOptions,omitempty"`
	// FillThreshold is how full a thick snapshot, or the thin pool, may be before
	// sessions are Degraded, in percent; 80 if unset.
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=100
	FillThreshold *int `json:"fillThreshold,omitempty"`
}

// BtrfsSnapshotSource is a btrfs subvolume that each session gets a writable
// snapshot of.
type BtrfsSnapshotSource struct {
	// Subvolume is the path of the subvolume to snapshot.
	Subvolume Path `json:"subvolume"`
	// SnapshotDirectory is where the snapshots go, on the same file system;
	// beside the subvolume if empty.
	SnapshotDirectory Path `json:"snapshotDirectory,omitempty"`
}

// UnionType says how a session's own writes are kept apart from the source.
// +kubebuilder:validation:Enum=overlay;none
type UnionType string

// The types of union.
const (
	// UnionOverlay stacks the session's own layer above the source by overlayfs.
	UnionOverlay UnionType = "overlay"
	// UnionNone gives the session the source itself, writes and all.
	UnionNone UnionType = "none"
)

// Union is the writable layer of a session.
// +kubebuilder:validation:XValidation:rule="!has(self.type) || self.type == 'overlay' || !has(self.upper) && !has(self.volatile) && (!has(self.lowers) || size(self.lowers) == 0)",message="there is no layer without a union; use type: overlay"
type Union struct {
	// Type is overlay or none. The default is overlay, and none for the
	// sources plain, btrfsSnapshot and lvmSnapshot.
	Type UnionType `json:"type,omitempty"`
	// Lowers are folders stacked above the source and below the session's own
	// layer; the first is topmost.
	// +listType=set
	Lowers []Path `json:"lowers,omitempty"`
	// Upper says where the session's writes go.
	Upper *Upper `json:"upper,omitempty"`
	// Volatile leaves out every sync to disk: faster, and the session's writes
	// do not survive a power cut. If unset, a session is volatile when its
	// manifest would not survive one either.
	Volatile *bool `json:"volatile,omitempty"`
}

// Medium says what an upper layer is kept on.
// +kubebuilder:validation:Enum=Disk;Memory
type Medium string

// The media of an upper layer.
const (
	// MediumDisk keeps the upper layer below the state folder.
	MediumDisk Medium = "Disk"
	// MediumMemory keeps it on a tmpfs of the session's own.
	MediumMemory Medium = "Memory"
)

// Upper is where a session's writes go.
// +kubebuilder:validation:XValidation:rule="!has(self.size) || has(self.medium) && self.medium == 'Memory' || quantity(string(self.size)).compareTo(quantity('16Mi')) >= 0",message="is too small for an upper on disk, which takes 16Mi at least"
type Upper struct {
	// Medium is Disk (the default) or Memory.
	Medium Medium `json:"medium,omitempty"`
	// Size limits what a session may write. If unset, that is half of the machine's
	// memory for an upper in memory, and all there is on disk.
	// +kubebuilder:validation:XIntOrString
	// +kubebuilder:validation:MaxLength=40
	// +kubebuilder:validation:Pattern=`^\+?[0-9]{1,18}(\.[0-9]{1,9})?([KMGTPE]i|[mkMGTPE]|[eE]\+?[0-9]{1,2})?$`
	// +kubebuilder:validation:XValidation:rule="quantity(string(self)).compareTo(quantity('64Ki')) >= 0 && quantity(string(self)).compareTo(quantity('1Ei')) <= 0",message="is too small; write for example 2Gi"
	Size *resource.Quantity `json:"size,omitempty"`
}

// Access lists the people who may enter sessions, by name of user or group.
type Access struct {
	// Users may enter as themselves.
	Users []Person `json:"users,omitempty"`
	// Groups are those whose members may.
	Groups []Person `json:"groups,omitempty"`
	// RootUsers may also be root there, without a password.
	RootUsers []Person `json:"rootUsers,omitempty"`
	// RootGroups are those whose members may.
	RootGroups []Person `json:"rootGroups,omitempty"`
	// Source lists who may open the source itself for writing.
	Source *SourceAccess `json:"source,omitempty"`
}

// SourceAccess lists the people who may open a chroot's source for writing.
type SourceAccess struct {
	// Users may enter as themselves.
	Users []Person `json:"users,omitempty"`
	// Groups are those whose members may.
	Groups []Person `json:"groups,omitempty"`
	// RootUsers may also be root there, without a password.
	RootUsers []Person `json:"rootUsers,omitempty"`
	// RootGroups are those whose members may.
	RootGroups []Person `json:"rootGroups,omitempty"`
}

// HookVariables lists, by name, the variables for hooks that whoever begins a
// session may set for it. Root may set any.
type HookVariables struct {
	// Users are those that everybody may set who may use the chroot.
	// +listType=set
	Users []Variable `json:"users,omitempty"`
	// RootUsers are those that besides may be set by whom the chroot's lists let be
	// root in it.
	// +listType=set
	RootUsers []Variable `json:"rootUsers,omitempty"`
}

// Environment is what commands in a session find in their environment.
type Environment struct {
	// Set adds variables.
	Set map[string]Word `json:"set,omitempty"`
	// Filter is a regular expression; variables whose whole name matches it
	// are not handed on from the caller. If unset it is that of schroot(1): what
	// changes which programs are loaded, or who is trusted.
	// +kubebuilder:validation:MaxLength=4096
	Filter string `json:"filter,omitempty"`
}
