// Package holders finds out who is in the way: the processes whose working
// folder, root, open files or mapped files lie on a mount, or who are in a
// namespace. It reads /proc and changes nothing. Processes come and go while
// one looks; what has gone is left out.
package holders

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"coppice.dev/reconcile/object"
)

// OfDevice returns the processes that use something on the file system with
// that device number (st_dev).
func OfDevice(device uint64) []object.Process {
	return find(func(pid int) (string, bool) {
		return uses(pid, func(link, _ string) bool {
			var st unix.Stat_t
			return unix.Stat(link, &st) == nil && st.Dev == device
		})
	})
}

// Below returns the processes that use something at or below a path of the
// host, by the name that the kernel gives it.
func Below(path string) []object.Process {
	path = filepath.Clean(path)
	return find(func(pid int) (string, bool) {
		return uses(pid, func(_, target string) bool {
			return target == path || strings.HasPrefix(target, path+"/")
		})
	})
}

// InNamespace returns the processes in the mount namespace with that inode.
func InNamespace(inode uint64) []object.Process {
	return find(func(pid int) (string, bool) {
		var st unix.Stat_t
		return "", unix.Stat(procPath(pid, "ns/mnt"), &st) == nil && st.Ino == inode
	})
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
	var pids []int
	for _, name := range names {
		if pid, err := strconv.Atoi(name); err == nil && pid != os.Getpid() {
			pids = append(pids, pid)
		}
	}
	return pids
}

func find(match func(pid int) (path string, ok bool)) []object.Process {
	var found []object.Process
	for _, pid := range Pids() {
		if path, ok := match(pid); ok {
			p := Describe(pid)
			p.Path = path
			found = append(found, p)
		}
	}
	return found
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
	return filepath.Join("/proc", strconv.Itoa(pid), name)
}
