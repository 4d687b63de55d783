package holders

import (
	"sync"
	"time"

	"golang.org/x/sys/unix"
	"golang.org/x/time/rate"

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

// PidsSeenIn is PidsIn for who asks about many namespaces in a row. It costs next to
// nothing then, where PidsIn asks all processes each time: what they said a moment ago
// will do, but for those who have left since. Somebody who has just come in may be
// missed: whoever is about to take something away has to ask PidsIn.
func PidsSeenIn(inode uint64) []int { return everybody.lately(time.Now()).in(inode) }

// everybody is the last look at all processes.
var everybody = crowd{rate: rate.NewLimiter(rate.Every(pace), inARow)}

// crowd shares looks at all processes between those that ask at the same time.
type crowd struct {
	mu   sync.Mutex
	last *census
	rate *rate.Limiter
}

// census is which processes were in which mount namespace, and when that was begun to
// be asked: what happened before is in it.
type census struct {
	of    map[uint64][]int
	began time.Time
}

// inARow is how often all processes are asked anew for who need not know what happened
// in the last moment; after that there is one pace between two times, or as long as is
// due for each process: to ask one takes a tenth of that.
const (
	inARow = 8
	pace   = 25 * time.Millisecond
	each   = 20 * time.Microsecond
)

// after returns a census that was begun after that time.
func (c *crowd) after(at time.Time) *census {
	c.mu.Lock() // whoever waits for one that is under way shares the next
	defer c.mu.Unlock()
	if c.last == nil || !c.last.began.After(at) {
		c.count()
	}
	return c.last
}

// lately returns the last census, or a new one if there were few in the last time.
func (c *crowd) lately(at time.Time) *census {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.last == nil || !c.last.began.After(at) && c.rate.Allow() {
		c.count()
	}
	return c.last
}

// count needs the lock.
func (c *crowd) count() {
	c.last = &census{of: map[uint64][]int{}, began: time.Now()}
	pids := Pids()
	for _, pid := range pids {
		if inode, ok := namespaceOf(pid); ok {
			c.last.of[inode] = append(c.last.of[inode], pid)
		}
	}
	c.rate.SetLimit(rate.Every(max(pace, time.Duration(len(pids))*each)))
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
	err := unix.Stat(procPath(pid, "ns/mnt"), &st)
	return st.Ino, err == nil
}
