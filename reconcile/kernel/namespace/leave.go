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
// pinned: one that seems younger than the daemon's own.
//
// The kernel orders namespaces by their numbers, and refuses to bind a namespace below a
// mount of one that seems younger. Linux 6.18 hands out numbers to each CPU in batches.
// From a host's own namespace, which has the least number, that makes no difference; from
// inside a nested one (a container, a test that isolates itself) it depends on the CPU
// whether a new one seems younger. So there each CPU may be tried.
func leave(t enter.Thread, seed *os.File, than *mounttable.Space) error {
	if err := unix.Setns(int(seed.Fd()), unix.CLONE_NEWNS); err != nil {
		return fmt.Errorf("enter the seed namespace: %w", err)
	}
	if younger, err := unshare(t, than); younger || err != nil {
		return err
	}
	var allowed unix.CPUSet
	if err := unix.SchedGetaffinity(0, &allowed); err != nil {
		return fmt.Errorf("ask for the thread's CPUs: %w", err)
	}
	for cpu := range len(allowed) * bits {
		if !allowed.IsSet(cpu) {
			continue
		}
		if err := stayOn(cpu); err != nil {
			return err
		}
		younger, err := unshare(t, than)
		if err != nil {
			return err
		}
		if younger {
			if err := unix.SchedSetaffinity(0, &allowed); err != nil {
				return fmt.Errorf("let the thread have all its CPUs again: %w", err)
			}
			return nil
		}
	}
	return nested(errors.New("on each CPU a new namespace seems older than that of coppiced"))
}

// bits is how many CPUs a word of a unix.CPUSet stands for, at least.
const bits = 64

// stayOn binds the thread to a CPU.
func stayOn(cpu int) error {
	var set unix.CPUSet
	set.Set(cpu)
	if err := unix.SchedSetaffinity(0, &set); err != nil {
		return fmt.Errorf("bind thread to CPU %d: %w", cpu, err)
	}
	return nil
}

// unshare gives the thread a new namespace, and reports whether it seems younger than the
// other. Where there is none, the kernel tells no numbers, and hands them out in order.
func unshare(t enter.Thread, than *mounttable.Space) (younger bool, err error) {
	if err := unix.Unshare(unix.CLONE_NEWNS); err != nil {
		return false, fmt.Errorf("unshare mount namespace: %w", err)
	}
	if than == nil {
		return true, nil
	}
	file, err := t.Open("ns/mnt")
	if err != nil {
		return false, err
	}
	defer file.Close()
	made, err := mounttable.SpaceOf(file)
	if err != nil {
		return false, fmt.Errorf("ask for the number of a mount namespace: %w", err)
	}
	return made.Younger(than), nil
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
