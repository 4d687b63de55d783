package processes

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sys/unix"

	"coppice.dev/reconcile/kernel/enter"
	"coppice.dev/reconcile/kernel/holders"
	"coppice.dev/reconcile/kernel/mounttable"
	"coppice.dev/reconcile/object"
)

// Strays knows the processes that live in a session's mounts and are neither in
// its cgroup nor in its pinned namespace: the pin was taken away under them, or
// they made a namespace of their own and left the group. They keep the session's
// mounts where nobody sees them.
//
// To find them every namespace on the machine has to be looked into, so that is
// done when it is asked whose objects there are, and not for each session.
type Strays struct {
	mu sync.Mutex
	// of holds one process of each such namespace, by session.
	of map[string][]int
}

// FindStrays looks for them, before the first session is looked at and then
// whenever it is asked whose objects there are.
func (d Driver) FindStrays() error {
	if d.Strays == nil {
		return nil
	}
	own, err := namespaceOf("self")
	if err != nil {
		return fmt.Errorf("look at this process's namespace: %w", err)
	}
	asked := map[uint64]bool{own: true}
	found := map[string][]int{}
	for _, pid := range holders.Pids() {
		inode, err := namespaceOf(pid)
		if err != nil || asked[inode] || d.grouped(pid) {
			continue // gone, known, or found by its group
		}
		asked[inode] = true
		if session, file := d.lookInto(pid); file != nil {
			file.Close()
			found[session] = append(found[session], pid)
		}
	}
	d.Strays.mu.Lock()
	defer d.Strays.mu.Unlock()
	d.Strays.of = found
	return nil
}

// sessions returns those that have strays.
func (s *Strays) sessions() []object.Owner {
	if s == nil {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var owners []object.Owner
	for session := range s.of {
		owners = append(owners, object.SessionOwner(session))
	}
	return owners
}

// strays opens the namespaces of a session's strays that are still there. While
// they are open their numbers are given to no other.
func (d Driver) strays(session string) []*os.File {
	if d.Strays == nil {
		return nil
	}
	d.Strays.mu.Lock()
	pids := slices.Clone(d.Strays.of[session])
	d.Strays.mu.Unlock()
	var open []*os.File
	for _, pid := range pids {
		now, file := d.lookInto(pid)
		if file != nil && now == session {
			open = append(open, file)
		} else if file != nil {
			file.Close()
		}
	}
	return open
}

// lookInto opens a process's namespace if it is one of this controller's
// sessions, or a copy of one. What runs beside is known by other places for its
// root; a view of a session is not what counts.
func (d Driver) lookInto(pid int) (session string, namespace *os.File) {
	file, err := os.Open(fmt.Sprintf("/proc/%d/ns/mnt", pid))
	if err != nil {
		return "", nil
	}
	err = enter.Do(file, func(t enter.Thread) error {
		table, err := mounttable.Inside(t)
		session = d.sessionOf(table)
		return err
	})
	if err != nil || session == "" {
		file.Close()
		return "", nil
	}
	return session, file
}

// sessionOf returns whose root a mount table is of: by the label of the root, or
// by those of the mounts that a root without a label, a bind, has on it.
func (d Driver) sessionOf(table []*mounttable.Entry) string {
	for _, at := range []string{"/", "/proc", "/dev", "/sys"} {
		for _, e := range slices.Backward(table) { // the uppermost
			if e.Mountpoint != at {
				continue
			}
			l, err := object.ParseLabel(e.Source)
			if err == nil && l.Controller == d.Controller && l.Owner.Class == object.Session {
				return l.Owner.Name
			}
			break
		}
	}
	return ""
}

// grouped reports whether a process is in the cgroup of some session of ours.
func (d Driver) grouped(pid int) bool {
	if d.Groups == "" {
		return false
	}
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", pid))
	return err == nil && strings.Contains(string(text), "/coppice-"+d.Controller+"/")
}

// namespaceOf returns the number of a process's mount namespace.
func namespaceOf[P int | string](pid P) (uint64, error) {
	var st unix.Stat_t
	err := unix.Stat(fmt.Sprintf("/proc/%v/ns/mnt", pid), &st)
	return st.Ino, err
}

// closeAll closes namespaces.
func closeAll(files []*os.File) error {
	var err error
	for _, file := range files {
		err = errors.Join(err, file.Close())
	}
	return err
}
