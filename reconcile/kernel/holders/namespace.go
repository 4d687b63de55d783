package holders

import (
	"strconv"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"coppice.dev/reconcile/object"
)

// InNamespace returns the processes in the mount namespace with that inode.
func InNamespace(inode uint64) []object.Process {
	var found []object.Process
	for _, pid := range PidsIn(inode) {
		found = append(found, Describe(pid))
	}
	return found
}

// PidsIn returns the numbers of these processes.
func PidsIn(inode uint64) []int { return everybody.after(time.Now()).in(inode) }

// PidsSeenIn returns the numbers of those of them who were there a moment ago and still
// are. It costs next to nothing for many namespaces in a row, where PidsIn asks all
// processes for each. Somebody who has just come in may be missed: whoever is about to
// take something away has to ask PidsIn.
func PidsSeenIn(inode uint64) []int { return everybody.lately(time.Now()).in(inode) }

// everybody is the last look at all processes.
var everybody crowd

// crowd shares looks at all processes between those that ask at the same time.
type crowd struct {
	mu   sync.Mutex
	last *census
}

// census is which processes were in which mount namespace.
type census struct {
	of map[uint64][]int
	// began is when it was begun: what happened before that is in it. good is how long
	// it will do for who need not know what happened since.
	began time.Time
	good  time.Duration
}

// each is for how long a census is good for each process that was asked. To ask one
// takes a tenth of that, so that no more than a tenth of the time goes into asking.
const each = 20 * time.Microsecond

// after returns a census that was begun after that time.
func (c *crowd) after(at time.Time) *census { return c.taken(at, 0) }

// lately returns a census that was begun shortly before that time, or after it.
func (c *crowd) lately(at time.Time) *census { return c.taken(at, 1) }

func (c *crowd) taken(at time.Time, trust time.Duration) *census {
	c.mu.Lock() // whoever waits for one that is under way shares the next
	defer c.mu.Unlock()
	if c.last == nil || !c.last.began.Add(trust*c.last.good).After(at) {
		c.last = count()
	}
	return c.last
}

func count() *census {
	c := &census{of: map[uint64][]int{}, began: time.Now()}
	pids := Pids()
	for _, pid := range pids {
		if inode, ok := namespaceOf(pid); ok {
			c.of[inode] = append(c.of[inode], pid)
		}
	}
	c.good = time.Duration(len(pids)) * each
	return c
}

// in returns the processes that were in a namespace and still are, but for the kernel's
// own threads.
func (c *census) in(inode uint64) []int {
	var still []int
	for _, pid := range c.of[inode] {
		if now, ok := namespaceOf(pid); ok && now == inode && !kernelThread(pid) {
			still = append(still, pid)
		}
	}
	return still
}

// namespaceOf returns the number of a process's mount namespace.
func namespaceOf(pid int) (uint64, bool) {
	var st unix.Stat_t
	err := unix.Stat("/proc/"+strconv.Itoa(pid)+"/ns/mnt", &st)
	return st.Ino, err == nil
}
