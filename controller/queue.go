package controller

import (
	"maps"
	"math/rand/v2"
	"sync"
	"time"

	"k8s.io/client-go/util/workqueue"

	"coppice.dev/reconcile/fault"
)

// The pauses after a failure: twice as long each time, up to the longest, less up
// to a third.
const (
	firstPause   = 200 * time.Millisecond
	longestPause = 2 * time.Minute
)

// gathering is how long a key waits for more reasons to look at it.
const gathering = 300 * time.Millisecond

// settling is how long a session is let be after something was heard of it that is
// mostly over, or followed by more, by the time that it could be looked at.
const settling = 40 * time.Millisecond

// queue holds the keys that are to be looked at. A key is in it once however
// often it is added, and given out to one worker at a time.
type queue struct {
	work   workqueue.TypedDelayingInterface[key]
	store  *store
	pauses workqueue.TypedRateLimiter[key]
	// once leaves out everything that is to come later: what fails has failed.
	once bool
	// observer is told of failures.
	observer Observer

	mu sync.Mutex
	// failed are the keys whose last pass failed.
	failed map[key]error
	// settle are those that are added when they have settled.
	settle map[key]bool
}

func newQueue(once bool) *queue {
	s := &store{idle: make(chan struct{}), waited: map[key]time.Duration{}}
	return &queue{
		work: workqueue.NewTypedDelayingQueueWithConfig(workqueue.TypedDelayingQueueConfig[key]{
			Queue: workqueue.NewTypedWithConfig(workqueue.TypedQueueConfig[key]{Queue: s}),
		}),
		store:  s,
		pauses: workqueue.NewTypedItemExponentialFailureRateLimiter[key](firstPause, longestPause),
		once:   once,
		failed: map[key]error{},
		settle: map[key]bool{},

		observer: unobserved{},
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

// eachMore is how much longer a key waits for each object that a look at it tells of.
const eachMore = 500 * time.Microsecond

// soon adds a key after a short time, so that several reasons cost one pass. A look at
// it tells of so many objects: the more there are the later it is, so that what comes
// and goes all the time does not cost more time then.
func (q *queue) soon(many int, k key) {
	if q.once {
		q.add(k)
	} else {
		q.work.AddAfter(k, gathering+time.Duration(many)*eachMore)
	}
}

// settled adds a key after a moment, once however often that is asked for. It is no
// AddAfter: that would take the place of a later time at which the key is to be added.
func (q *queue) settled(k key) {
	if q.once {
		q.add(k)
		return
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.settle[k] {
		return
	}
	q.settle[k] = true
	time.AfterFunc(settling, func() {
		q.mu.Lock()
		delete(q.settle, k)
		q.mu.Unlock()
		q.add(k)
	})
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
	q.observer.Happened(Incident{What: Failed, Of: string(k.class), Reason: string(fault.ReasonOf(err))})
	pause := q.pauses.When(k)
	// Those that failed together, since too much was asked at once, must not all
	// come back together.
	pause -= rand.N(pause / 3) //nolint:gosec // nobody gains by guessing it
	q.after(k, pause)
	return pause
}

// failures returns the keys whose last pass failed, with the errors.
func (q *queue) failures() map[key]error {
	q.mu.Lock()
	defer q.mu.Unlock()
	return maps.Clone(q.failed)
}

// next waits for a key, and tells how long that has waited; the caller must give it
// back by done. It returns false when the queue is closed.
func (q *queue) next() (k key, waited time.Duration, ok bool) {
	k, closed := q.work.Get()
	if closed {
		return k, 0, false
	}
	return k, q.store.taken(k), true
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
	keys []waiting
	// waited is how long a key did that a worker has just taken, which it was last.
	waited map[key]time.Duration
	last   time.Time
	// out counts the keys that workers have.
	out int
	// idle is closed, and replaced, each time there is nothing to do.
	idle chan struct{}
}

// waiting is a key that waits for a worker, and since when.
type waiting struct {
	key   key
	since time.Time
}

// Touch implements workqueue.Queue.
func (s *store) Touch(key) {}

// Push implements workqueue.Queue.
func (s *store) Push(k key) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.keys = append(s.keys, waiting{k, time.Now()})
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
	next, now := s.keys[0], time.Now()
	s.keys = s.keys[1:]
	s.out++
	s.waited[next.key], s.last = now.Sub(next.since), now
	return next.key
}

// taken returns how long a key has waited that a worker has just taken.
func (s *store) taken(k key) time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	waited := s.waited[k]
	delete(s.waited, k)
	return waited
}

// pace returns how many keys wait, for how long the first of them has, and how long
// ago a worker took one; the time since anything was in the queue, if none ever did.
func (s *store) pace() (depth int, oldest, last time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.keys) == 0 {
		return 0, 0, 0
	}
	oldest = time.Since(s.keys[0].since)
	if s.last.IsZero() {
		return len(s.keys), oldest, oldest
	}
	return len(s.keys), oldest, time.Since(s.last)
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
