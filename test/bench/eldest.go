package main

import (
	"errors"
	"fmt"
	"os"
	"runtime"

	"golang.org/x/sys/unix"

	"coppice.dev/reconcile/kernel/mounttable"
)

// eldest gives the thread a table of mounts of its own that every later one seems younger
// than, as it is with a host's. Numbers are handed out to each CPU in batches, and below
// the mounts of a table no other one can be bound whose number is less: what is measured
// would depend on the CPU.
func eldest() error {
	var all unix.CPUSet
	if err := unix.SchedGetaffinity(0, &all); err != nil {
		return fmt.Errorf("ask for the CPUs: %w", err)
	}
	var first *os.File
	var least *mounttable.Space
	for cpu := range runtime.NumCPU() {
		var one unix.CPUSet
		if one.Set(cpu); !all.IsSet(cpu) {
			continue
		}
		if err := unix.SchedSetaffinity(0, &one); err != nil {
			return fmt.Errorf("stay on CPU %d: %w", cpu, err)
		}
		if err := unix.Unshare(unix.CLONE_NEWNS); err != nil {
			return fmt.Errorf("make a table of mounts: %w", err)
		}
		made, err := os.Open("/proc/thread-self/ns/mnt")
		if err != nil {
			return err
		}
		defer made.Close()
		space, err := mounttable.SpaceOf(made)
		if err != nil && !errors.Is(err, unix.ENOSYS) { // an older kernel, which numbers them in order
			return fmt.Errorf("ask for the number of a table of mounts: %w", err)
		}
		if least == nil || least.Younger(space) {
			first, least = made, space
		}
	}
	if err := unix.SchedSetaffinity(0, &all); err != nil {
		return fmt.Errorf("have all CPUs again: %w", err)
	}
	if first == nil {
		return errors.New("none of the first CPUs may be used")
	}
	here, err := os.Getwd() // which is lost there
	if err != nil {
		return err
	}
	if err := unix.Setns(int(first.Fd()), unix.CLONE_NEWNS); err != nil {
		return fmt.Errorf("enter a table of mounts: %w", err)
	}
	return os.Chdir(here)
}
