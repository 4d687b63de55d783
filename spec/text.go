package spec

// The forms that text in a manifest may have. They are strings to Go; to the
// schemas that are generated from the types they are what their markers say, which
// is what validation says here.

// Path is an absolute path, written as path.Clean would have it but for a slash at
// the end, which it may have.
// +kubebuilder:validation:MaxLength=4000
// +kubebuilder:validation:Pattern=`^/(([^/.\x00-\x1f\x7f][^/\x00-\x1f\x7f]*|\.[^/.\x00-\x1f\x7f][^/\x00-\x1f\x7f]*|\.\.[^/\x00-\x1f\x7f]+)(/([^/.\x00-\x1f\x7f][^/\x00-\x1f\x7f]*|\.[^/.\x00-\x1f\x7f][^/\x00-\x1f\x7f]*|\.\.[^/\x00-\x1f\x7f]+))*/?)?$`
type Path = string

// FilePath is the Path of a file, with no slash at the end.
// +kubebuilder:validation:MaxLength=4000
// +kubebuilder:validation:Pattern=`^(/([^/.\x00-\x1f\x7f][^/\x00-\x1f\x7f]*|\.[^/.\x00-\x1f\x7f][^/\x00-\x1f\x7f]*|\.\.[^/\x00-\x1f\x7f]+))+$`
type FilePath = string

// Line is text of one line.
// +kubebuilder:validation:Pattern=`^[^\x00-\x1f\x7f]*$`
type Line = string

// Word is what can be an argument of a program.
// +kubebuilder:validation:Pattern=`^[^\x00]*$`
type Word = string

// Name is that of an object: a DNS label (RFC 1123).
// +kubebuilder:validation:MaxLength=63
// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`
type Name = string

// Alias is a name that a chroot may have besides its own.
// +kubebuilder:validation:Pattern=`^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$`
type Alias = string

// Person is the name of a user or group.
// +kubebuilder:validation:Pattern=`^[^-:,/\s\x00-\x1f\x7f][^:,/\s\x00-\x1f\x7f]*$`
type Person = string

// Variable is the name of a variable of the environment.
// +kubebuilder:validation:Pattern=`^[A-Za-z_][A-Za-z0-9_]*$`
type Variable = string

// FSType is a file system that a root may have.
// +kubebuilder:validation:Enum=ext4;xfs;btrfs;squashfs;erofs
type FSType = string

// MountOption is one option of a mount, without commas.
// +kubebuilder:validation:MaxLength=255
// +kubebuilder:validation:Pattern=`^[^, \x00-\x1f\x7f]+$`
type MountOption = string

// ImageOption is one option of a mount of an image. What says where in the image
// the file system lies is for the source's own fields to say.
// +kubebuilder:validation:MaxLength=255
// +kubebuilder:validation:Pattern=`^[^, \x00-\x1f\x7f]+$`
// +kubebuilder:validation:XValidation:rule="!self.matches('^(loop|offset|sizelimit)(=|$)')",message="belongs to mount(8); use offset or partition of the source"
type ImageOption = string

// VolumeName is a name that LVM allows (lvm(8)).
// +kubebuilder:validation:Pattern=`^[.]*[a-zA-Z0-9+_][a-zA-Z0-9+_.-]*$`
// +kubebuilder:validation:MaxLength=101
type VolumeName = string
