package inspect

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"coppice.dev/reconcile/compile"
	"coppice.dev/reconcile/fault"
	"coppice.dev/reconcile/kernel/lvm"
	"coppice.dev/spec"
)

// patience is how long a source may take to answer. A disk that spins up or a
// server that is woken takes seconds; a mount whose server is gone, for ever.
const patience = 8 * time.Second

// Inspector looks at sources and does not wait for those that never answer. A
// call that hangs in the kernel cannot be called back, so it is left hanging,
// and no other is made into the same source before it returns.
type Inspector struct {
	// Volumes tells of logical volumes.
	Volumes *lvm.Reports

	mu      sync.Mutex
	hanging map[string]int // calls that are out of time, by source
}

// Source is the function Source with a limit.
func (i *Inspector) Source(ctx context.Context, s spec.Source) (compile.Facts, error) {
	text, err := json.Marshal(s)
	if err != nil {
		return compile.Facts{}, fmt.Errorf("encode source: %w", err)
	}
	key := string(text)
	if i.count(key, 0) > 0 {
		return compile.Facts{}, hangs(s)
	}
	type answer struct {
		facts compile.Facts
		err   error
	}
	answered := make(chan answer, 1)
	go func() {
		facts, err := Source(ctx, s, i.Volumes)
		answered <- answer{facts, err}
	}()
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case a := <-answered:
		return a.facts, a.err
	case <-timer.C:
		err = hangs(s)
	case <-ctx.Done():
		err = context.Cause(ctx)
	}
	i.count(key, 1)
	go func() {
		<-answered
		i.count(key, -1)
	}()
	return compile.Facts{}, err
}

// count changes how many calls hang in a source, and returns how many do.
func (i *Inspector) count(key string, by int) int {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.hanging == nil {
		i.hanging = map[string]int{}
	}
	i.hanging[key] += by
	now := i.hanging[key]
	if now == 0 {
		delete(i.hanging, key)
	}
	return now
}

func hangs(s spec.Source) error {
	path := pathOf(s)
	if s.LVMSnapshot != nil {
		return &fault.Fault{
			Reason: fault.TimedOut, Doing: "look at volume " + path, Err: errors.New("lvm does not answer"),
			Hint: "look for a disk that does not answer (dmesg, dmsetup info), or another lvm command that holds the lock (ps -C lvm)",
		}
	}
	return &fault.Fault{
		Reason: fault.TimedOut, Doing: "look at " + path, Err: errors.New("its file system does not answer"),
		Hint: "look for a server or a disk that is gone (findmnt lists what is mounted); umount -f or umount -l ends the wait",
	}
}

// pathOf returns the path that a source leads to.
func pathOf(s spec.Source) string {
	switch {
	case s.Directory != nil:
		return s.Directory.Path
	case s.Plain != nil:
		return s.Plain.Path
	case s.File != nil:
		return s.File.Path
	case s.Loopback != nil:
		return s.Loopback.Path
	case s.BlockDevice != nil:
		return s.BlockDevice.Path
	case s.LVMSnapshot != nil:
		return s.LVMSnapshot.VolumeGroup + "/" + s.LVMSnapshot.LogicalVolume
	case s.BtrfsSnapshot != nil:
		return s.BtrfsSnapshot.Subvolume
	default:
		return "the chroot's source"
	}
}
