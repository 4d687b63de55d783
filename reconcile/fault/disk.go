package fault

import "fmt"

// Disk wraps an error of writing below the state or run-time folder, and says
// what to do about those that are the disk's.
func Disk(doing string, err error) error {
	if err == nil {
		return nil
	}
	if f := remedy(err); f != nil {
		f.Doing = doing
		return f
	}
	return fmt.Errorf("%s: %w", doing, err)
}
