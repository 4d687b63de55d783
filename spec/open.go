package spec

import (
	"fmt"
	"path"
	"slices"
)

// CannotOpen says why a chroot's source cannot be opened for writing, and what to
// do instead; "" if it can, as far as its manifest tells.
func CannotOpen(c ChrootSpec) string {
	s := c.Source
	switch {
	case s.Directory != nil && hosts(s.Directory.Path, s.Location), s.Plain != nil && hosts(s.Plain.Path, s.Location):
		return "it is the host's own root: change that as you always do, no session is needed"
	case s.Loopback != nil && slices.Contains([]string{"squashfs", "erofs"}, s.Loopback.FSType):
		return ReadOnlyImage(s.Loopback.FSType)
	case s.Loopback != nil && slices.Contains(s.Loopback.MountOptions, "ro"),
		s.BlockDevice != nil && slices.Contains(s.BlockDevice.MountOptions, "ro"),
		s.LVMSnapshot != nil && slices.Contains(s.LVMSnapshot.MountOptions, "ro"):
		return "its mountOptions say ro; take that out to write to it"
	}
	return ""
}

// ReadOnlyImage says why an image of that file system cannot be opened for writing.
func ReadOnlyImage(fsType string) string {
	return fmt.Sprintf("%s cannot be written to: make a new image, and put it in the place of the old one", fsType)
}

func hosts(folder, location string) bool { return path.Join("/", folder, location) == "/" }

// opened is the chroot as a session sees it that opens its source: without the
// union, which is there to keep writes out of it.
func (c ChrootSpec) opened() ChrootSpec {
	c.Union = &Union{Type: UnionNone}
	return c
}

// layered names an option of a union that a session cannot have which opens the
// source; "" if there is none.
func layered(u *Union) string {
	switch {
	case u == nil || u.Type != UnionOverlay:
		return ""
	case len(u.Lowers) > 0:
		return "lowers"
	case u.Upper != nil && (u.Upper.Medium == MediumMemory || u.Upper.Size != nil):
		return "upper"
	case u.Volatile != nil:
		return "volatile"
	}
	return ""
}
