package namespace

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"coppice.dev/reconcile/kernel/enter"
	"coppice.dev/reconcile/kernel/mounttable"
)

// leave has the thread leave for a new namespace, made from the seed, that can be
// pinned, and returns it: one that seems younger than the daemon's own.
//
// The kernel orders namespaces by their numbers, and refuses to bind a namespace below a
// mount of one that seems younger. Linux 6.18 hands out numbers to each CPU in batches.
// From a host's own namespace, which has the least number, that makes no difference; from
// inside a nested one (a container, a test that isolates itself) it depends on the CPU
// whether a new one seems younger. So there each CPU may be tried.
func leave(t enter.Thread, seed *os.File, than *mounttable.Space) (namespace *os.File, err error) {
	if err := unix.Setns(int(seed.Fd()), unix.CLONE_NEWNS); err != nil {
		return nil, fmt.Errorf("enter the seed namespace: %w", err)
	}
	try := func() (enough bool, err error) {
		namespace, err = unshare(t, than)
		return namespace != nil, err
	}
	if enough, err := try(); enough || err != nil {
		return namespace, err
	}
	if err := enter.OnEachCPU(try); err != nil {
		if namespace != nil {
			namespace.Close()
		}
		return nil, err
	}
	if namespace == nil {
		return nil, nested(errors.New("on each CPU a new namespace seems older than that of coppiced"))
	}
	return namespace, nil
}

// unshare gives the thread a new namespace, and returns it; nil if it does not seem
// younger than the other. Where there is none, the kernel tells no numbers, and hands them
// out in order.
func unshare(t enter.Thread, than *mounttable.Space) (*os.File, error) {
	if err := unix.Unshare(unix.CLONE_NEWNS); err != nil {
		return nil, fmt.Errorf("unshare mount namespace: %w", err)
	}
	made, err := t.Open("ns/mnt")
	if err != nil || than == nil {
		return made, err
	}
	space, err := mounttable.SpaceOf(made)
	if err == nil && space.Younger(than) {
		return made, nil
	}
	made.Close()
	if err != nil {
		return nil, fmt.Errorf("ask for the number of a mount namespace: %w", err)
	}
	return nil, nil //nolint:nilnil // it is to be tried again
}

// ownSpace returns the daemon's own namespace; nil if the kernel knows no numbers.
func ownSpace() (*mounttable.Space, error) {
	file, err := os.Open("/proc/self/ns/mnt")
	if err != nil {
		return nil, err
	}
	defer file.Close()
	space, err := mounttable.SpaceOf(file)
	switch {
	case errors.Is(err, unix.ENOSYS):
		return nil, nil //nolint:nilnil // that there is none is no error
	case err != nil:
		return nil, fmt.Errorf("ask for the number of the mount namespace of coppiced: %w", err)
	}
	return space, nil
}
