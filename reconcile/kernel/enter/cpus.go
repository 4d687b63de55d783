package enter

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// bits is how many CPUs a word of a unix.CPUSet stands for, at most.
const bits = 64

// OnEachCPU calls f on each CPU that the thread may use, in turn, until f has had enough,
// and lets the thread use all of them again. The caller must be locked to its thread.
// The errors are f's, and those of sched_setaffinity(2).
func OnEachCPU(f func() (enough bool, err error)) error {
	var allowed unix.CPUSet
	if err := unix.SchedGetaffinity(0, &allowed); err != nil {
		return fmt.Errorf("ask for the thread's CPUs: %w", err)
	}
	enough := false
	for cpu := 0; cpu < len(allowed)*bits && !enough; cpu++ {
		if !allowed.IsSet(cpu) {
			continue
		}
		var one unix.CPUSet
		one.Set(cpu)
		if err := unix.SchedSetaffinity(0, &one); err != nil {
			return fmt.Errorf("bind thread to CPU %d: %w", cpu, err)
		}
		var err error
		if enough, err = f(); err != nil {
			return err
		}
	}
	if err := unix.SchedSetaffinity(0, &allowed); err != nil {
		return fmt.Errorf("let the thread have all its CPUs again: %w", err)
	}
	return nil
}
