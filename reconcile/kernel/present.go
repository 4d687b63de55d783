package kernel

import (
	"errors"
	"os"

	"coppice.dev/reconcile/fault"
)

// present makes sure that the state folder is the one that was locked. One that
// was unmounted, deleted or replaced shows nothing of what there is: whoever
// took that for emptiness would make every session anew beside the hidden ones.
func (k *Kernel) present() error {
	doing := "look at the state folder " + k.layout.State
	locked, err := k.lock.Stat()
	if err != nil {
		return fault.Disk(doing, err)
	}
	now, err := os.Lstat(k.layout.Lock())
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return fault.Disk(doing, err)
	}
	if err == nil && os.SameFile(locked, now) {
		return nil
	}
	return &fault.Fault{
		Reason: fault.StateLost, Doing: doing,
		Err:  errors.New("it is not the one that coppiced was started with: it was unmounted, deleted or replaced"),
		Hint: "mount or move it back; or restart coppiced, which goes on with what is there now and makes the sessions anew",
	}
}
