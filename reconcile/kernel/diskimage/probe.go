// Package diskimage reads what a raw image holds: which file system, which
// partitions. It reads a few sectors and changes nothing. Whoever made the image
// is not to be trusted: every number in it is checked before it is used.
package diskimage

import (
	"bytes"
	"io"
)

// FileSystem returns the name of the file system that begins at the offset, as
// mount(8) has it, or "" if it is none that is known.
func FileSystem(image io.ReaderAt, offset int64) string {
	for _, m := range []struct {
		name  string
		at    int64
		magic []byte
	}{
		{"squashfs", 0, []byte("hsqs")},
		{"xfs", 0, []byte("XFSB")},
		{"erofs", 1024, []byte{0xe2, 0xe1, 0xf5, 0xe0}},
		{"ext4", 1024 + 0x38, []byte{0x53, 0xef}}, // ext2 and ext3 too; one driver mounts them all
		{"btrfs", 0x10000 + 0x40, []byte("_BHRfS_M")},
	} {
		found := make([]byte, len(m.magic))
		if _, err := image.ReadAt(found, offset+m.at); err == nil && bytes.Equal(found, m.magic) {
			return m.name
		}
	}
	return ""
}

// ReadOnly reports whether a file system can only ever be read.
func ReadOnly(fsType string) bool { return fsType == "squashfs" || fsType == "erofs" }
