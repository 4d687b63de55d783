package manifests

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"
)

// identityOf tells a folder from another one that is at its path at another time,
// after a reboot too: numbers of devices and mounts are not the same then, but the
// file system's own number is, and the folder's in it (statfs(2), stat(2)). It also
// tells whether the folder's file system is one where others make changes that this
// kernel does not hear of.
func identityOf(fd int, inode uint64) (identity string, silent bool, err error) {
	var st unix.Statfs_t
	if err := unix.Fstatfs(fd, &st); err != nil {
		return "", false, err
	}
	identity = fmt.Sprintf("%08x%08x-%d", uint32(st.Fsid.Val[0]), uint32(st.Fsid.Val[1]), inode)
	return identity, isSilent(st.Type), nil
}

// making ends the name of a memory that is not whole. It is always the same, so
// that a crash leaves one at most, which the next start removes.
const making = ".new"

// recall reads which folders held manifests when they were last looked at. Of a
// memory that is lost nothing is known, as on the first day.
func recall(path string) (map[string]string, error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("recall which folders held manifests: %w", err)
	}
	var known map[string]string
	if json.Unmarshal(text, &known) != nil {
		known = nil // what a power cut left of it
	}
	return known, nil
}

// tidy removes what a crash has left of a memory.
func tidy(path string) error {
	if _, err := os.Lstat(path + making); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err := os.Remove(path + making); err != nil {
		return fmt.Errorf("remove what a crash has left: %w", err)
	}
	return nil
}

// remember writes it; nothing to be remembered is no file.
func remember(path string, known map[string]string) error {
	text, err := json.Marshal(known)
	switch {
	case err != nil:
	case len(known) > 0:
		if err = os.WriteFile(path+making, append(text, '\n'), 0o600); err == nil {
			err = os.Rename(path+making, path)
		}
	default:
		if err = os.Remove(path); errors.Is(err, fs.ErrNotExist) {
			err = nil
		}
	}
	if err != nil {
		return fmt.Errorf("remember which folders held manifests: %w", err)
	}
	return nil
}

// identities are what is to be remembered of a set.
func (s Set) identities() map[string]string {
	known := map[string]string{}
	for path, state := range s.folders {
		if state.identity != "" && !state.of.Ephemeral {
			known[path] = state.identity
		}
	}
	return known
}
