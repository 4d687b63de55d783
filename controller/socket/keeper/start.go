package keeper

import (
	"encoding/json"
	"fmt"
	"os"
	"path"
	"syscall"

	"golang.org/x/sys/unix"
)

// Name is what a keeper calls itself, and how the program knows that it is to be one.
const Name = "coppiced: keeper"

// GroupName is the cgroup beside those of the sessions that keepers are in, so
// that neither the end of a session nor that of the daemon's service ends them.
const GroupName = ".keepers"

// The files that a keeper is started with.
const (
	fdConn = 3 + iota
	fdNamespace
	fdOrder
)

// frugal is the environment of a keeper, which is to begin at once, then does
// little and lives long. The command gets none of it.
var frugal = []string{"GOGC=50", "GOMEMLIMIT=24MiB", "GOMAXPROCS=1"}

// Start starts a keeper for a client's connection, of which nothing may have
// been read ahead, and a session's mount namespace. Both stay open here; the
// caller closes them, and waits for the process whenever it likes.
func Start(conn, namespace *os.File, order Order) (*os.Process, error) {
	orders, err := written(order)
	if err != nil {
		return nil, fmt.Errorf("write the keeper's order: %w", err)
	}
	defer orders.Close()
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	defer null.Close()
	// Who looks at the list of processes sees whose it is.
	return launch(keepersOf(order), []string{order.Session, order.Lease}, []*os.File{null, null, null, fdConn: conn, fdNamespace: namespace, fdOrder: orders})
}

// launch starts this program as a keeper, in the cgroup for keepers, if there is one.
func launch(folder string, args []string, files []*os.File) (*os.Process, error) {
	attr := &os.ProcAttr{Dir: "/", Env: frugal, Files: files, Sys: &syscall.SysProcAttr{Setsid: true}}
	if folder != "" {
		group, err := keepers(folder)
		if err != nil {
			return nil, err
		}
		defer group.Close()
		attr.Sys.UseCgroupFD, attr.Sys.CgroupFD = true, int(group.Fd())
	}
	// The running program itself, even if its file has been replaced since.
	process, err := os.StartProcess("/proc/self/exe", append([]string{Name}, args...), attr)
	if err != nil {
		return nil, fmt.Errorf("start keeper: %w", err)
	}
	return process, nil
}

// keepersOf returns the cgroup for keepers, beside the session's of a lease; "" if
// the machine has none.
func keepersOf(o Order) string {
	if o.Group == "" {
		return ""
	}
	return path.Join(path.Dir(path.Dir(o.Group)), GroupName)
}

// keepers opens the cgroup for keepers.
func keepers(folder string) (*os.File, error) {
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return nil, fmt.Errorf("make cgroup of keepers: %w", err)
	}
	group, err := os.Open(folder)
	if err != nil {
		return nil, fmt.Errorf("open cgroup of keepers: %w", err)
	}
	return group, nil
}

// written returns an open file that holds the order. A pipe would be too small
// for an environment, and a path could be read by others.
func written(order Order) (*os.File, error) {
	text, err := json.Marshal(order)
	if err != nil {
		return nil, err
	}
	fd, err := unix.MemfdCreate("order", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, err
	}
	file := os.NewFile(uintptr(fd), "order")
	if _, err := file.WriteAt(text, 0); err != nil {
		file.Close()
		return nil, err
	}
	return file, nil
}
