package namespace

import (
	"slices"
	"testing"

	"golang.org/x/sys/unix"

	"coppice.dev/reconcile/kernel/mounttable"
)

// TestAttributesAreTheSameBothWays asks the kernel, and looks into the mount table
// as is done where the kernel cannot be asked.
func TestAttributesAreTheSameBothWays(t *testing.T) {
	table, err := mounttable.Host()
	if err != nil {
		t.Fatal(err)
	}
	compared := 0
	for _, e := range table {
		fd, err := unix.Open(e.Mountpoint, unix.O_PATH|unix.O_CLOEXEC, 0)
		if err != nil {
			continue // somebody's that went, or may not be looked at
		}
		mount, err := mounttable.Unique(fd)
		var asked uint64
		if err == nil {
			asked, err = mounttable.Attributes(mount)
		}
		if mounttable.Unsupported(err) {
			unix.Close(fd)
			t.Skip("this kernel cannot be asked")
		}
		read, readErr := attributesInTable(fd, func() ([]*mounttable.Entry, error) { return table, nil })
		unix.Close(fd)
		if err != nil || readErr != nil {
			continue // it went, or another came over it
		}
		var names []string
		for name, flag := range attributes {
			if asked&flag != 0 {
				names = append(names, name)
			}
		}
		slices.Sort(names)
		slices.Sort(read)
		if compared++; !slices.Equal(names, read) {
			t.Errorf("%s: the kernel says %v, the table %v", e.Mountpoint, names, read)
		}
	}
	if compared == 0 {
		t.Error("nothing was compared")
	}
}
