package socket

import "sync"

// crowd counts what users have at a time, so that nobody can take all that the
// daemon has to give. Root is not counted out.
type crowd struct {
	mu sync.Mutex
	in map[int]int // by user
}

// enter counts one more, unless the user has as many as one may have.
func (c *crowd) enter(uid, most int) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if uid != 0 && c.in[uid] >= most {
		return false
	}
	if c.in == nil {
		c.in = map[int]int{}
	}
	c.in[uid]++
	return true
}

// left counts one less.
func (c *crowd) left(uid int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.in[uid]--; c.in[uid] == 0 {
		delete(c.in, uid)
	}
}
