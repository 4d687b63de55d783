package kernel

import (
	"fmt"
	"os"
	"syscall"

	"coppice.dev/reconcile/layout"
)

// private are the folders that nobody but root may pass through. In them lie roots
// that may hold anything: set-uid programs of any age, devices that anybody may write
// to. Sessions show them by mounts of their own.
func private(l layout.Layout) []string {
	return []string{l.Homes(), l.BaseTrees(), l.Trash(), l.BaseMounts(), l.Disks(), l.Stores(), l.Leases()}
}

// keepPrivate makes such a folder. One that others may enter, as an earlier version or
// somebody's hand left it, is closed; one of theirs is refused.
func keepPrivate(path string) error {
	if err := os.MkdirAll(path, 0o700); err != nil {
		return err
	}
	info, err := os.Lstat(path)
	if err != nil {
		return err
	}
	if st, is := info.Sys().(*syscall.Stat_t); !info.IsDir() || is && int(st.Uid) != os.Geteuid() {
		return fmt.Errorf("%s is no folder of root's; look at what it is, and move it away", path)
	}
	if info.Mode().Perm()&0o077 == 0 {
		return nil
	}
	return os.Chmod(path, 0o700)
}
