// Package holders finds out who is in the way: the processes whose working
// folder, root, open files or mapped files lie on a mount, or who are in a
// namespace. It reads /proc and changes nothing. Processes come and go while
// one looks; what has gone is left out. So are the kernel's own threads, which
// nobody can end, and the process that looks.
package holders

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/sys/unix"

	"coppice.dev/reconcile/kernel/mounttable"
	"coppice.dev/reconcile/object"
)

// OfDevice returns the processes that use something on the file system with
// that device number (st_dev).
func OfDevice(device uint64) []object.Process {
	return find(func(pid int) (string, bool) {
		return uses(pid, func(link, _ string) bool {
			st, ok := look(link)
			return ok && unix.Mkdev(st.Dev_major, st.Dev_minor) == device
		})
	})
}

// Below returns the processes that use something at or below a path of the
// host. The kernel names a file by its path in the namespace that its mount is
// in; what is called the same inside a session is somewhere else, and left out.
func Below(path string) []object.Process {
	prefix := strings.TrimSuffix(filepath.Clean(path), "/") + "/"
	mounts := sync.OnceValue(hostMounts)
	return find(func(pid int) (string, bool) {
		return uses(pid, func(link, target string) bool {
			if !strings.HasPrefix(target+"/", prefix) {
				return false
			}
			st, ok := look(link)
			return ok && mounts()[st.Mnt_id]
		})
	})
}

// hostMounts returns the numbers of the mounts in the host's table.
func hostMounts() map[uint64]bool {
	table, err := mounttable.Host()
	if err != nil {
		return nil // nobody is named then
	}
	ids := make(map[uint64]bool, len(table))
	for _, e := range table {
		ids[uint64(e.ID)] = true
	}
	return ids
}

// look tells where the file behind a link of /proc lies, without asking a file
// system that may not answer.
func look(link string) (unix.Statx_t, bool) {
	var st unix.Statx_t
	err := unix.Statx(unix.AT_FDCWD, link, unix.AT_STATX_DONT_SYNC|unix.AT_NO_AUTOMOUNT, unix.STATX_MNT_ID, &st)
	return st, err == nil
}

// Describe returns what is known of one process.
func Describe(pid int) object.Process {
	p := object.Process{PID: pid, UID: -1}
	var st unix.Stat_t
	if unix.Stat(procPath(pid, ""), &st) == nil {
		p.UID = int(st.Uid)
	}
	p.Command = command(pid)
	return p
}

// Pids returns the numbers of all processes but this one.
func Pids() []int {
	folder, err := os.Open("/proc")
	if err != nil {
		return nil
	}
	defer folder.Close()
	names, _ := folder.Readdirnames(-1) // what could be read counts
	own := os.Getpid()
	var pids []int
	for _, name := range names {
		if name[0] < '1' || name[0] > '9' {
			continue
		}
		if pid, err := strconv.Atoi(name); err == nil && pid != own {
			pids = append(pids, pid)
		}
	}
	return pids
}

func find(match func(pid int) (path string, ok bool)) []object.Process {
	var found []object.Process
	for _, pid := range Pids() {
		if path, ok := match(pid); ok && !kernelThread(pid) {
			p := Describe(pid)
			p.Path = path
			found = append(found, p)
		}
	}
	return found
}

// kernelThread reports whether the kernel runs that process for itself: field 9
// of proc_pid_stat(5) has PF_KTHREAD.
func kernelThread(pid int) bool {
	const threadOfTheKernel = 0x00200000
	text, err := os.ReadFile(procPath(pid, "stat"))
	if err != nil {
		return false // gone; it will not be found
	}
	// The second field is a name in brackets, which may hold anything.
	fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
	if len(fields) < 7 {
		return false
	}
	flags, err := strconv.ParseUint(fields[6], 10, 64)
	return err == nil && flags&threadOfTheKernel != 0
}

// uses tells whether a process uses a file that matches, and which. A match is
// given the link below /proc, which leads to the file wherever it is, and the
// path that the link reads as.
func uses(pid int, match func(link, target string) bool) (string, bool) {
	links := []string{procPath(pid, "cwd"), procPath(pid, "root")}
	for _, folder := range []string{"fd", "map_files"} {
		entries, err := os.ReadDir(procPath(pid, folder))
		if err != nil {
			continue
		}
		for _, e := range entries {
			links = append(links, procPath(pid, folder+"/"+e.Name()))
		}
	}
	for _, link := range links {
		target, err := os.Readlink(link)
		if err == nil && strings.HasPrefix(target, "/") && match(link, target) {
			return target, true
		}
	}
	return "", false
}

// command returns the command line of a process, cut and made printable.
func command(pid int) string {
	const most = 80
	text, err := os.ReadFile(procPath(pid, "cmdline"))
	if err != nil || len(text) == 0 {
		text, _ = os.ReadFile(procPath(pid, "comm")) // a kernel thread, or gone
	}
	line := strings.Map(func(r rune) rune {
		if r == 0 {
			return ' '
		}
		if !strconv.IsPrint(r) {
			return '?'
		}
		return r
	}, strings.TrimRight(string(text), "\x00\n"))
	if runes := []rune(line); len(runes) > most {
		return string(runes[:most-1]) + "…"
	}
	return line
}

func procPath(pid int, name string) string {
	return "/proc/" + strconv.Itoa(pid) + "/" + name
}
