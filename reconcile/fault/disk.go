package fault

import (
	"errors"
	"fmt"
	"syscall"
)

// Disk wraps an error of writing below the state or run-time folder, and says
// what to do about those that are the disk's.
func Disk(doing string, err error) error {
	f := &Fault{Doing: doing, Err: err}
	switch {
	case err == nil:
		return nil
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		f.Reason, f.Hint = NoSpace, "free some space on that file system"
	case errors.Is(err, syscall.EROFS):
		f.Reason, f.Hint = NoSpace, "its file system is read-only; mount it read-write"
	default:
		return fmt.Errorf("%s: %w", doing, err)
	}
	return f
}
