package controller

import (
	"maps"
	"math/rand/v2"
	"sync"
	"time"

	"k8s.io/client-go/util/workqueue"
)

// The pauses after a failure: twice as long each time, up to the longest, less up
// to a third.
const (
	firstPause   = 200 * time.Millisecond
	longestPause = 2 * time.Minute
)

// gathering is how long a key waits for more reasons to look at it.
const gathering = 300 * time.Millisecond

// queue holds the keys that are to be looked at. A key is in it once however
// often it is added, and given out to one worker at a time.
type queue struct {
	work   workqueue.TypedDelayingInterface[key]
	store  *store
	pauses workqueue.TypedRateLimiter[key]
	// once leaves out everything that is to come later: what fails has failed.
	once bool

	mu sync.Mutex
	// failed are the keys whose last pass failed.
	failed map[key]error
}

func newQueue(once bool) *queue {
	s := &store{idle: make(chan struct{})}
	return &queue{
		work: workqueue.NewTypedDelayingQueueWithConfig(workqueue.TypedDelayingQueueConfig[key]{
			Queue: workqueue.NewTypedWithConfig(workqueue.TypedQueueConfig[key]{Queue: s}),
		}),
		store:  s,
		pauses: workqueue.NewTypedItemExponentialFailureRateLimiter[key](firstPause, longestPause),
		once:   once,
		failed: map[key]error{},
	}
}

// add puts keys into the queue.
func (q *queue) add(keys ...key) {
	for _, k := range keys {
		q.work.Add(k)
	}
}

// renew adds keys whose failures count no more, since something changed.
func (q *queue) renew(keys ...key) {
	for _, k := range keys {
		q.pauses.Forget(k)
	}
	q.add(keys...)
}

// after adds a key after some time.
func (q *queue) after(k key, pause time.Duration) {
	if !q.once {
		q.work.AddAfter(k, pause)
	}
}

// soon adds a key after a short time, so that several reasons cost one pass.
func (q *queue) soon(keys ...key) {
	for _, k := range keys {
		if q.once {
			q.add(k)
		} else {
			q.work.AddAfter(k, gathering)
		}
	}
}

// succeeded says that the key's pass went well.
func (q *queue) succeeded(k key) {
	q.pauses.Forget(k)
	q.mu.Lock()
	defer q.mu.Unlock()
	delete(q.failed, k)
}

// failedWith says that the key's pass failed, and returns the pause after which
// it is tried again.
func (q *queue) failedWith(k key, err error) time.Duration {
	q.mu.Lock()
	q.failed[k] = err
	q.mu.Unlock()
	pause := q.pauses.When(k)
	// Those that failed together, since too much was asked at once, must not all
	// come back together.
	pause -= rand.N(pause / 3)
	q.after(k, pause)
	return pause
}

// failures returns the keys whose last pass failed, with the errors.
func (q *queue) failures() map[key]error {
	q.mu.Lock()
	defer q.mu.Unlock()
	return maps.Clone(q.failed)
}

// next waits for a key; the caller must give it back by done. It returns false
// when the queue is closed.
func (q *queue) next() (key, bool) {
	k, closed := q.work.Get()
	return k, !closed
}

// done gives a key back.
func (q *queue) done(k key) {
	q.work.Done(k) // adds it again if it was added meanwhile
	q.store.back()
}

// rest returns a channel that is closed when there is nothing to do, and
// whether that is so already.
func (q *queue) rest() (<-chan struct{}, bool) { return q.store.rest() }

// close ends the queue. What is still in it is given out, what comes later not.
func (q *queue) close() { q.work.ShutDown() }

// store is where the work queue keeps its keys. It knows when there is nothing
// to do: no key waits and no worker has one. The work queue calls Touch, Push,
// Len and Pop under its own lock, so nothing here may call the work queue.
type store struct {
	mu   sync.Mutex
	keys []key
	// out counts the keys that workers have.
	out int
	// idle is closed, and replaced, each time there is nothing to do.
	idle chan struct{}
}

// Touch implements workqueue.Queue.
func (s *store) Touch(key) {}

// Push implements workqueue.Queue.
func (s *store) Push(k key) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.keys = append(s.keys, k)
}

// Len implements workqueue.Queue.
func (s *store) Len() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.keys)
}

// Pop implements workqueue.Queue.
func (s *store) Pop() key {
	s.mu.Lock()
	defer s.mu.Unlock()
	k := s.keys[0]
	s.keys = s.keys[1:]
	s.out++
	return k
}

func (s *store) back() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.out--
	if s.out == 0 && len(s.keys) == 0 {
		close(s.idle)
		s.idle = make(chan struct{})
	}
}

func (s *store) rest() (<-chan struct{}, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.idle, s.out == 0 && len(s.keys) == 0
}
