package loop

import (
	"fmt"
	"io/fs"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"coppice.dev/reconcile/fault"
)

// A machine without free loop devices cannot be had for a test: the host's are
// not ours to take.
func TestNoLoop(t *testing.T) {
	control := func(err error) error { return &fs.PathError{Op: "open", Path: "/dev/loop-control", Err: err} }
	for _, row := range []struct {
		err    error
		reason fault.Reason
		words  string
	}{
		{control(unix.ENOENT), fault.KernelTooOld, "modprobe loop"},
		{control(unix.ENODEV), fault.KernelTooOld, "modprobe loop"},
		{unix.ENOTTY, fault.KernelTooOld, "/dev/loop-control"}, // something else is bound there
		{control(unix.EPERM), fault.KernelTooOld, "allow them"},
		{unix.EBUSY, fault.Busy, "losetup --list"},
		{unix.ENOSPC, fault.NoResources, "max_loop"},
		{control(unix.EMFILE), fault.NoResources, "LimitNOFILE="},
		{fmt.Errorf("else"), fault.Surprise, "free loop device"},
	} {
		err := noLoop(row.err)
		if fault.ReasonOf(err) != row.reason || !strings.Contains(err.Error(), row.words) || !strings.Contains(err.Error(), row.err.Error()) {
			t.Errorf("%v: reason %s, error %v", row.err, fault.ReasonOf(err), err)
		}
	}
}
