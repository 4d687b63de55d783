package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"

	"golang.org/x/sys/unix"
)

// floor is a session by the bare system calls: an overlay, proc, sysfs, a small
// /dev, devpts, shm, two binds, a namespace with these alone, and a pin that keeps
// it. There is no label on anything, no record, no status, nobody who looks after it.
func (p *place) floor() subject {
	pin := func(session string) string { return p.path("floor", session+".pin") }
	return subject{
		name: "bare calls", about: "the system calls of one session, from one process that is there already; true by nsenter(1)",
		begin: func(_ context.Context, session string) error { return p.bare(session, pin(session)) },
		exec: func(ctx context.Context, session string) error {
			return command(ctx, p.base, "nsenter", "--mount="+pin(session), "/bin/true")
		},
		end: func(_ context.Context, session string) error {
			return errors.Join(unix.Unmount(pin(session), unix.MNT_DETACH), os.Remove(pin(session)), os.RemoveAll(p.path("floor", session)))
		},
	}
}

// detached makes a file system that is mounted nowhere yet.
func detached(kind string, options ...[2]string) (int, error) {
	context, err := unix.Fsopen(kind, unix.FSOPEN_CLOEXEC)
	if err != nil {
		return -1, fmt.Errorf("fsopen %s: %w", kind, err)
	}
	defer unix.Close(context)
	for _, o := range options {
		if err := unix.FsconfigSetString(context, o[0], o[1]); err != nil {
			return -1, fmt.Errorf("fsconfig %s %s: %w", kind, o[0], err)
		}
	}
	if err := unix.FsconfigCreate(context); err != nil {
		return -1, fmt.Errorf("make %s: %w", kind, err)
	}
	return unix.Fsmount(context, unix.FSMOUNT_CLOEXEC, 0)
}

// bare begins a session.
func (p *place) bare(session, pin string) error {
	dir := p.path("floor", session)
	for _, folder := range []string{dir, dir + "/upper", dir + "/work"} {
		if err := os.Mkdir(folder, 0o755); err != nil {
			return err
		}
	}
	type mounted struct {
		target string
		fd     int
	}
	var mounts []mounted
	defer func() {
		for _, m := range mounts {
			unix.Close(m.fd)
		}
	}()
	for _, m := range []struct {
		target, kind string
		options      [][2]string
	}{
		{"", "overlay", [][2]string{{"lowerdir", p.path("root")}, {"upperdir", dir + "/upper"}, {"workdir", dir + "/work"}}},
		{"proc", "proc", nil}, {"sys", "sysfs", nil}, {"dev", "tmpfs", [][2]string{{"mode", "755"}}},
		{"dev/pts", "devpts", [][2]string{{"ptmxmode", "666"}}}, {"dev/shm", "tmpfs", [][2]string{{"mode", "1777"}}},
	} {
		fd, err := detached(m.kind, m.options...)
		if err != nil {
			return err
		}
		mounts = append(mounts, mounted{m.target, fd})
		if m.target == "dev" {
			if err := devices(fd); err != nil {
				return err
			}
		}
	}
	for _, target := range []string{"home", "tmp"} {
		fd, err := unix.OpenTree(unix.AT_FDCWD, p.path(target), unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC)
		if err != nil {
			return err
		}
		mounts = append(mounts, mounted{target, fd})
	}
	if err := os.WriteFile(pin, nil, 0o644); err != nil {
		return err
	}
	tid, done, failed := make(chan int), make(chan struct{}), make(chan error, 1)
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread goes with its namespace
		failed <- func() error {
			if err := unix.Unshare(unix.CLONE_NEWNS); err != nil {
				return err
			}
			root := p.path("floor")
			for i, m := range mounts {
				at := unix.AT_FDCWD
				path := root
				if i > 0 {
					path = root + "/" + m.target
				}
				if err := unix.MoveMount(m.fd, "", at, path, unix.MOVE_MOUNT_F_EMPTY_PATH); err != nil {
					return fmt.Errorf("attach %s: %w", path, err)
				}
			}
			if err := unix.Chdir(root); err != nil {
				return err
			}
			if err := unix.PivotRoot(".", "."); err != nil {
				return fmt.Errorf("pivot_root: %w", err)
			}
			return unix.Unmount(".", unix.MNT_DETACH)
		}()
		tid <- unix.Gettid()
		<-done
	}()
	err := <-failed
	thread := <-tid
	if err == nil {
		err = unix.Mount(fmt.Sprintf("/proc/self/task/%d/ns/mnt", thread), pin, "", unix.MS_BIND, "")
	}
	close(done)
	return err
}

// devices makes the usual nodes.
func devices(dir int) error {
	for name, minor := range map[string]uint32{"null": 3, "zero": 5, "full": 7, "random": 8, "urandom": 9} {
		if err := unix.Mknodat(dir, name, unix.S_IFCHR|0o666, int(unix.Mkdev(1, minor))); err != nil {
			return err
		}
	}
	if err := unix.Mknodat(dir, "tty", unix.S_IFCHR|0o666, int(unix.Mkdev(5, 0))); err != nil {
		return err
	}
	for name, target := range map[string]string{"fd": "/proc/self/fd", "stdin": "/proc/self/fd/0", "stdout": "/proc/self/fd/1", "stderr": "/proc/self/fd/2", "ptmx": "pts/ptmx"} {
		if err := unix.Symlinkat(target, dir, name); err != nil {
			return err
		}
	}
	return errors.Join(unix.Mkdirat(dir, "pts", 0o755), unix.Mkdirat(dir, "shm", 0o755))
}
