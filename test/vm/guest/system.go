package main

import (
	"fmt"
	"os"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"coppice.dev/test/vm/wire"
)

// system says whether the guest is to start a system of its own.
func system() (bool, error) {
	line, err := os.ReadFile("/proc/cmdline")
	return slices.Contains(strings.Fields(string(line)), wire.SystemMark), err
}

// startSystem goes over to the system's root and becomes its init, which finds
// mounted what it finds after an initramfs; it mounts the rest.
func startSystem() error {
	disk, err := disks(wire.DiskSystem, wire.DiskJob)
	if err != nil {
		return err
	}
	if err := mountAll([]mount{
		{source: disk[wire.DiskSystem], target: "/root", kind: "ext4"},
		{source: disk[wire.DiskJob], target: "/root" + wire.JobRoot, kind: "squashfs", flags: unix.MS_RDONLY},
		{source: "tmpfs", target: "/root/run", kind: "tmpfs", flags: unix.MS_NOSUID | unix.MS_NODEV, data: "mode=0755"},
	}); err != nil {
		return err
	}
	if err := mountKernels("/root"); err != nil {
		return err
	}
	if err := copyFile("/init", "/root"+self); err != nil {
		return err
	}
	if err := changeRoot("/root"); err != nil {
		return err
	}
	return fmt.Errorf("start the system's init: %w", unix.Exec("/sbin/init", []string{"/sbin/init"}, []string{"PATH=/usr/sbin:/usr/bin", "TERM=linux"}))
}
