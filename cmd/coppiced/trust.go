package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// ours refuses a folder that others could put another in the place of: what lies there is
// believed, and shown to sessions. One of root's that others may write to, as a tmpfs is
// that was mounted without a mode, is closed to them. The path must be absolute, and free
// of links.
func ours(path string) error {
	parts := strings.Split(filepath.Clean(path), "/")
	for i := range parts {
		at := "/" + filepath.Join(parts[:i+1]...)
		info, err := os.Lstat(at)
		if err != nil {
			return fmt.Errorf("look at folder: %w", err)
		}
		st, is := info.Sys().(*syscall.Stat_t)
		if !is {
			return fmt.Errorf("look at folder %s: this system tells no owner", at)
		}
		if st.Uid != 0 && int(st.Uid) != os.Geteuid() {
			return fmt.Errorf("%s: %s belongs to user %d, who could put anything there: choose a folder that only root can change, or chown root %s", path, at, st.Uid, at)
		}
		if st.Mode&0o022 == 0 {
			continue
		}
		if i == len(parts)-1 {
			if err := os.Chmod(at, info.Mode()&^0o022); err != nil && !errors.Is(err, syscall.EROFS) {
				return fmt.Errorf("keep others from writing to folder: %w", err)
			}
			continue
		}
		// In a sticky folder nobody moves what is another's (inode(7)).
		if info.Mode()&os.ModeSticky == 0 {
			return fmt.Errorf("%s: others than root may write to %s, and could put anything there: choose another folder, or chmod go-w %s", path, at, at)
		}
	}
	return nil
}
