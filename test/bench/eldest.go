package main

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"coppice.dev/reconcile/kernel/enter"
	"coppice.dev/reconcile/kernel/mounttable"
)

// eldest gives the thread a table of mounts of its own that every later one seems younger
// than, as it is with a host's. Numbers are handed out to each CPU in batches, and below
// the mounts of a table no other one can be bound whose number is less: what is measured
// would depend on the CPU.
func eldest() error {
	here, err := os.Getwd() // which is lost there
	if err != nil {
		return err
	}
	var first *os.File
	var least *mounttable.Space
	if err := enter.OnEachCPU(func() (enough bool, err error) {
		made, space, err := mountTable()
		if err == nil && (least == nil || least.Younger(space)) {
			first, least = made, space
		}
		return false, err
	}); err != nil {
		return err
	}
	if err := unix.Setns(int(first.Fd()), unix.CLONE_NEWNS); err != nil {
		return fmt.Errorf("enter a table of mounts: %w", err)
	}
	return os.Chdir(here)
}

// mountTable gives the thread a table of mounts of its own. There is no space where the kernel
// is an older one, which numbers them in order. The file stays open: with it the table is
// kept, and few are made.
func mountTable() (made *os.File, space *mounttable.Space, err error) {
	if err := unix.Unshare(unix.CLONE_NEWNS); err != nil {
		return nil, nil, fmt.Errorf("make a table of mounts: %w", err)
	}
	if made, err = os.Open("/proc/thread-self/ns/mnt"); err != nil {
		return nil, nil, err
	}
	if space, err = mounttable.SpaceOf(made); err != nil && !errors.Is(err, unix.ENOSYS) {
		return nil, nil, fmt.Errorf("ask for the number of a table of mounts: %w", err)
	}
	return made, space, nil
}
