package processes

import (
	"cmp"
	"fmt"
	"math"
	"os"
	"slices"
	"strings"

	"coppice.dev/reconcile/kernel/holders"
	"coppice.dev/reconcile/kernel/lease"
	"coppice.dev/reconcile/object"
)

// describe tells of the processes of a session: one entry for each command that
// somebody was let in with, whatever it has started, and one for each process
// that came in otherwise.
func (d Driver) describe(session string, users []int) ([]object.Process, error) {
	leases, err := d.Leases.List(session)
	if err != nil {
		return nil, err
	}
	var list []object.Process
	told := map[int]bool{}
	for _, l := range leases {
		pids := l.PIDs
		if l.Group == "" {
			pids = startedBy(l.Keeper.PID, users)
		}
		first := 0
		oldest := uint64(math.MaxUint64)
		for _, pid := range pids {
			told[pid] = true
			if at, err := lease.StartOf(pid); err == nil && cmp.Or(cmp.Compare(at, oldest), cmp.Compare(pid, first)) < 0 {
				first, oldest = pid, at
			}
		}
		if first > 0 { // or it is just coming or going
			list = append(list, object.Process{PID: first, Command: l.Command, UID: l.UID, Lease: l.ID, Since: l.Since})
		}
	}
	for _, pid := range users {
		if !told[pid] && !d.leased(session, pid) {
			list = append(list, holders.Describe(pid))
		}
	}
	return list, nil
}

// leased reports whether a process is in a lease's cgroup: it came since they
// were looked at. One that has gone since is nobody's to tell of.
func (d Driver) leased(session string, pid int) bool {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", pid))
	if err != nil {
		return true
	}
	_, below, is := strings.Cut(string(text), "/"+session+"/"+lease.Prefix)
	id, _, _ := strings.Cut(strings.SplitN(below, "\n", 2)[0], "/")
	return is && d.Leases.Knows(session, id)
}

// startedBy returns the processes of the command that a keeper runs: its child,
// and those of that one's session (setsid(2)).
func startedBy(keeper int, users []int) []int {
	var found []int
	for _, pid := range users {
		parent, session := lease.FamilyOf(pid)
		if parent == keeper || slices.ContainsFunc(users, func(leader int) bool {
			above, _ := lease.FamilyOf(leader)
			return leader == session && above == keeper
		}) {
			found = append(found, pid)
		}
	}
	return found
}
