package kernel

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"coppice.dev/reconcile/kernel/loop"
	"coppice.dev/reconcile/kernel/lvm"
	"coppice.dev/reconcile/kernel/mounttable"
)

// Budget is what the host has, and how much of it is used, by Coppice and by all
// others. What could not be found out is less than nothing.
type Budget struct {
	// Disks are the file systems of the state folder and of the run-time folder.
	Disks map[string]Disk
	// Mounts is how many mounts the host's own namespace has, MostMounts how many a
	// namespace may have (fs.mount-max).
	Mounts, MostMounts int
	// MostNamespaces is how many mount namespaces a user may have.
	MostNamespaces int
	// Loops is how many loop devices are bound to something. The kernel makes more when
	// they are asked for: its setting max_loop is how many there are at first.
	Loops int
	// Trash is how many trees wait to be removed.
	Trash int
	// Volumes are the logical volumes as they were last looked at.
	Volumes lvm.Figures
}

// Disk is a file system with what is left of it.
type Disk struct {
	Size, Free, Available int64 // bytes; available to those who are not root
	Files, FreeFiles      int64 // inodes
	// Memory is set for one that lies in memory.
	Memory bool
}

// Budget looks at what the host has. It costs some milliseconds where there are
// thousands of mounts, and may wait for a disk that does not answer: whoever cannot
// wait does not call it. What is found is returned also if there is an error.
func (k *Kernel) Budget() (Budget, error) {
	b := Budget{Mounts: -1, Loops: -1, Trash: -1, Volumes: k.volumes.Figures()}
	var failed error
	note := func(err error) { failed = errors.Join(failed, err) }
	var err error
	if b.Disks, err = k.Disks(); err != nil {
		note(err)
	}
	if b.Mounts, err = countMounts(); err != nil {
		note(err)
	}
	if b.Loops, err = loop.Bound(); err != nil {
		note(err)
	}
	if entries, err := os.ReadDir(k.layout.Trash()); err != nil {
		note(fmt.Errorf("look into the trash: %w", err))
	} else {
		b.Trash = len(entries)
	}
	b.MostMounts = number("/proc/sys/fs/mount-max")
	b.MostNamespaces = number("/proc/sys/user/max_mnt_namespaces")
	return b, failed
}

// Disks looks at the file systems of the state folder and of the run-time folder, "state"
// and "run", and returns what it found also if there is an error.
func (k *Kernel) Disks() (map[string]Disk, error) {
	found := map[string]Disk{}
	var failed error
	for name, path := range map[string]string{"state": k.layout.State, "run": k.layout.Run} {
		disk, err := diskAt(path)
		if err != nil {
			failed = errors.Join(failed, err)
			continue
		}
		found[name] = disk
	}
	return found, failed
}

// Measured is how much of the disk sessions hold by themselves.
type Measured struct {
	// Sessions is how many of them hold anything, All what they hold together, and
	// Largest what one of them does, in bytes.
	Sessions     int
	All, Largest int64
}

// MeasureUppers adds up what the sessions' own layers and trees hold. It walks through
// all of them, when nobody else wants the disk, so it may take hours. pause is called
// after each session, so that the caller may take it slower still.
func (k *Kernel) MeasureUppers(ctx context.Context, pause func()) (m Measured, err error) {
	err = quietly(func() error {
		homes, err := os.ReadDir(k.layout.Homes())
		if err != nil {
			return fmt.Errorf("measure what sessions hold: %w", err)
		}
		for _, home := range homes {
			if err := k.present(); err != nil {
				return err
			}
			session := home.Name()
			size := usage(ctx, k.layout.Upper(session)) + usage(ctx, k.layout.Tree(session)) + k.stores.Usage(session) + k.quotaUsage(ctx, session)
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			if size > 0 {
				m.Sessions++
				m.All += size
				m.Largest = max(m.Largest, size)
			}
			pause()
		}
		return nil
	})
	return m, err
}

// diskAt returns the file system that a path is on.
func diskAt(path string) (Disk, error) {
	var st unix.Statfs_t
	if err := unix.Statfs(path, &st); err != nil {
		return Disk{}, fmt.Errorf("look at the file system of %s: %w", path, err)
	}
	size := func(blocks uint64) int64 { return int64(blocks) * st.Bsize }
	return Disk{
		Size: size(st.Blocks), Free: size(st.Bfree), Available: size(st.Bavail),
		Files: int64(st.Files), FreeFiles: int64(st.Ffree), Memory: st.Type == unix.TMPFS_MAGIC || st.Type == unix.RAMFS_MAGIC,
	}, nil
}

// countMounts counts the host's mounts: their numbers, or, where the kernel does not
// list those, the lines of its table (proc_pid_mountinfo(5)). To read what they are
// would cost ten times as much.
func countMounts() (int, error) {
	if n, err := mounttable.Count(); err == nil {
		return n, nil
	}
	file, err := os.Open("/proc/self/mountinfo")
	if err != nil {
		return -1, fmt.Errorf("count the host's mounts: %w", err)
	}
	defer file.Close()
	lines, piece := 0, make([]byte, 64<<10)
	for {
		n, err := file.Read(piece)
		lines += bytes.Count(piece[:n], []byte{'\n'})
		if errors.Is(err, io.EOF) {
			return lines, nil
		}
		if err != nil {
			return -1, fmt.Errorf("count the host's mounts: %w", err)
		}
	}
}

// number reads one of the kernel's settings; -1 if it has none of that name.
func number(path string) int {
	text, err := os.ReadFile(path)
	if err != nil {
		return -1
	}
	n, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		return -1
	}
	return n
}
