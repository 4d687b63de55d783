package main

import (
	"errors"
	"fmt"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// limits lists the limits that projects have on a folder's file system, in KiB and in
// files. Whose they are is drawn anew each time.
func limits(folder string) ([]string, error) {
	const next, ofProjects = 0x800009, 2 // Q_GETNEXTQUOTA, PRJQUOTA (linux/quota.h)
	at, err := os.Open(folder)
	if err != nil {
		return nil, err
	}
	defer at.Close()
	var found []string
	for project := uint32(1); ; project++ {
		// struct if_nextdqblk
		var q struct {
			HardBytes, SoftBytes, Used, HardFiles, SoftFiles, Files, ByteTime, FileTime uint64

			Valid, Project uint32
		}
		_, _, errno := unix.Syscall6(unix.SYS_QUOTACTL_FD, at.Fd(), next<<8|ofProjects, uintptr(project), uintptr(unsafe.Pointer(&q)), 0, 0)
		if errors.Is(errno, unix.ENOENT) || errors.Is(errno, unix.ESRCH) {
			return found, nil
		}
		if errno != 0 {
			return nil, fmt.Errorf("list limits of projects: %w", errno)
		}
		if q.HardBytes > 0 || q.HardFiles > 0 {
			found = append(found, fmt.Sprintf("%d %d", q.HardBytes, q.HardFiles))
		}
		project = q.Project
	}
}
