package socket

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The kernel says who connected, whatever they say and whoever they are later.
func TestLookAt(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs root")
	}
	dir := t.TempDir()
	for _, folder := range []string{dir, filepath.Dir(dir)} {
		if err := os.Chmod(folder, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	path := dir + "/s"
	l, err := net.ListenUnix("unix", &net.UnixAddr{Net: "unix", Name: path})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if err := os.Chmod(path, 0o666); err != nil {
		t.Fatal(err)
	}
	var groups []uint32
	for n := range uint32(100) { // more than there is room for at first
		groups = append(groups, 5000+n)
	}
	connected := make(chan error, 1)
	go connectAs(54321, 54322, groups, path, connected)
	defer func() {
		if err := <-connected; err != nil {
			t.Error(err)
		}
	}()
	conn, err := l.AcceptUnix()
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	p, err := lookAt(conn)
	if err != nil || p.uid != 54321 || p.gid != 54322 || len(p.groups) != len(groups) || !slices.Contains(p.groups, 5099) {
		t.Errorf("the kernel says %+v, %v", p, err)
	}
}

// connectAs connects as somebody else, on a thread that ends with it.
func connectAs(uid, gid int, groups []uint32, path string, connected chan<- error) {
	runtime.LockOSThread() // and never unlocked
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		connected <- err
		return
	}
	// The system calls themselves: the library's change all threads.
	for _, call := range [][4]uintptr{
		{unix.SYS_SETGROUPS, uintptr(len(groups)), uintptr(unsafe.Pointer(&groups[0])), 0},
		{unix.SYS_SETRESGID, uintptr(gid), uintptr(gid), uintptr(gid)},
		{unix.SYS_SETRESUID, uintptr(uid), uintptr(uid), uintptr(uid)},
	} {
		if _, _, errno := unix.RawSyscall(call[0], call[1], call[2], call[3]); errno != 0 {
			connected <- errno
			return
		}
	}
	connected <- errors.Join(unix.Connect(fd, &unix.SockaddrUnix{Name: path}), unix.Close(fd))
}
