package object

import "encoding/json"

// FileIdentity tells one state of a file from another, as stat(2) gives it. A
// replaced or rewritten image has another identity, and so another base.
type FileIdentity struct {
	Device  uint64 `json:"device"`
	Inode   uint64 `json:"inode"`
	Size    int64  `json:"size"`  // bytes
	ModTime int64  `json:"mtime"` // nanoseconds since the epoch
}

// Home is a session's folder below the state folder. It is made first and goes
// last, and it remembers what the session was admitted with.
type Home struct {
	// Admitted is the session's record, opaque to the driver.
	Admitted json.RawMessage `json:"admitted"`
	// Objects is what the session was last wanted to be made of, the home left
	// out; it is how objects that carry no label of their own are found again.
	Objects []Object `json:"objects,omitempty"`
	// Ephemeral is set when nobody will ask for the session after a power cut:
	// what it remembers need not be on disk then, only its name.
	Ephemeral bool `json:"ephemeral,omitempty"`
}

// Kind implements Spec.
func (Home) Kind() Kind { return KindHome }

// Identity implements Spec: a home's record can be rewritten at any time.
func (Home) Identity() Spec { return Home{} }

// Image is a raw image attached to a loop device, and the mount on it. The
// device clears itself with the last mount (LO_FLAGS_AUTOCLEAR, loop(4)).
type Image struct {
	File      string       `json:"file"`
	Contents  FileIdentity `json:"contents"`
	FSType    string       `json:"fsType"`
	Offset    int64        `json:"offset,omitempty"`    // bytes
	SizeLimit int64        `json:"sizeLimit,omitempty"` // bytes; 0 is to the end
	ReadOnly  bool         `json:"readOnly,omitempty"`
	Options   []string     `json:"options,omitempty"`
	Path      string       `json:"path"` // where it is mounted
}

// Kind implements Spec.
func (Image) Kind() Kind { return KindImage }

// Identity implements Spec.
func (i Image) Identity() Spec { return i }

// Snapshot is a btrfs subvolume, snapshotted for one session.
type Snapshot struct {
	Subvolume string `json:"subvolume"`
	Path      string `json:"path"` // where the snapshot goes
	Link      string `json:"link"` // symbolic link in the session's home that leads there
}

// Kind implements Spec.
func (Snapshot) Kind() Kind { return KindSnapshot }

// Identity implements Spec.
func (s Snapshot) Identity() Spec { return s }

// Volume is an LVM snapshot of a logical volume, taken for one session.
type Volume struct {
	Group  string `json:"group"`  // of volumes
	Origin string `json:"origin"` // the logical volume that the snapshot is of
	Name   string `json:"name"`   // the snapshot's
	// Size is what a thick snapshot may hold of changes: bytes, or a share of the
	// origin's size in percent, as 20%; "" is a thin one, which takes what it needs
	// from its pool.
	Size     string   `json:"size,omitempty"`
	ReadOnly bool     `json:"readOnly,omitempty"`
	Options  []string `json:"options,omitempty"` // of lvcreate(8)
	// Threshold is how full a snapshot, or the pool that it lies in, may be before
	// that is told of, in percent.
	Threshold int `json:"threshold,omitempty"`
}

// Kind implements Spec.
func (Volume) Kind() Kind { return KindVolume }

// Identity implements Spec.
func (v Volume) Identity() Spec {
	v.Threshold = 0
	return v
}

// Disk is the file system on a block device, mounted.
type Disk struct {
	Device   string   `json:"device"`
	FSType   string   `json:"fsType"`
	ReadOnly bool     `json:"readOnly,omitempty"`
	Options  []string `json:"options,omitempty"`
	Path     string   `json:"path"` // where it is mounted
}

// Kind implements Spec.
func (Disk) Kind() Kind { return KindDisk }

// Identity implements Spec.
func (d Disk) Identity() Spec { return d }

// Tree is an archive, unpacked.
type Tree struct {
	Archive  string       `json:"archive"`
	Contents FileIdentity `json:"contents"`
	Path     string       `json:"path"` // the folder that is the root of the tree
	// Save counts how often the tree was to be packed into the archive's place.
	Save int `json:"save,omitempty"`
}

// Kind implements Spec.
func (Tree) Kind() Kind { return KindTree }

// Identity implements Spec.
func (t Tree) Identity() Spec {
	t.Save = 0
	return t
}

// Store is what holds a session's own layer when that is limited: an image of a file
// system, as large as the layer may become, that takes no more of the disk than is
// written in it; and the loop device and the mount that it is used by.
type Store struct {
	File string `json:"file"`
	Path string `json:"path"` // where it is mounted
	Size int64  `json:"size"` // bytes
	// Volatile is set when what is in it is lost by a power cut.
	Volatile bool `json:"volatile,omitempty"`
}

// Kind implements Spec.
func (Store) Kind() Kind { return KindStore }

// Identity implements Spec: it can grow while it is in use.
func (s Store) Identity() Spec {
	s.Size = 0
	return s
}

// Quota is what holds a session's own layer when that is limited and the file system
// counts it: a folder that is a project by itself, with a limit.
type Quota struct {
	Path string `json:"path"`
	Size int64  `json:"size"` // bytes, in whole units of QuotaUnit
}

// QuotaUnit is what limits are whole multiples of, in bytes: xfs cuts them down to whole
// blocks, which have 64 KiB at most.
const QuotaUnit = 64 << 10

// Kind implements Spec.
func (Quota) Kind() Kind { return KindQuota }

// Identity implements Spec: it can grow and shrink while it is in use.
func (q Quota) Identity() Spec {
	q.Size = 0
	return q
}

// Upper is a session's own layer on disk: the upper and work folders of its
// overlay.
type Upper struct {
	Dir      string `json:"dir"`
	Work     string `json:"work"`
	Model    Layer  `json:"model"`              // the folder whose mode, owner and xattrs the upper takes
	Volatile bool   `json:"volatile,omitempty"` // its contents are lost by a power cut
}

// Kind implements Spec.
func (Upper) Kind() Kind { return KindUpper }

// Identity implements Spec.
func (u Upper) Identity() Spec { return u }
