package controller

import (
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/go-logr/logr"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"coppice.dev/controller/budget"
	"coppice.dev/status"
)

// telling is the shortest time between two writes of a status that only say how
// far something is.
const telling = 100 * time.Millisecond

// advancing is the shortest time between two writes of a status that only say how far a
// step has come, and how long a step must take for that to be told.
const advancing = time.Second

// report is what is told of one object: its status file, its events and its
// lines in the log. Its methods may be called from any goroutine.
type report struct {
	writer *status.Writer
	outage *outage
	log    logr.Logger

	mu   sync.Mutex
	file status.File
	// fresh is when it was first seen, if no daemon knew of it before and it was not
	// ready yet; else zero.
	fresh time.Time
	// written is when the file was last written.
	written time.Time
	// later writes what a throttled change left unwritten; nil if nothing is.
	later *time.Timer
	// doing is what is being done, since when, and what tells that it takes long.
	doing doing
	// stumble is the address of the step that failed last; "" if none did since
	// the object was well.
	stumble string
	// removed is set when the object is no more; nothing is written then.
	removed bool
}

type doing struct {
	what  status.Step
	since time.Time
	timer *time.Timer
}

// stumbles remembers the step that failed, or by "" that all is well.
func (r *report) stumbles(address string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.stumble = address
}

// stumbled reports whether the last step that failed was at that address, and its
// failure is what is told.
func (r *report) stumbled(address string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.file.Status
	return r.stumble == address && s.NextRetry != nil && s.ObservedGeneration == r.file.Metadata.Generation
}

// first tells how long ago the object was first seen, if that was not asked before:
// it is ready for the first time.
func (r *report) first() (took time.Duration, is bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	since := r.fresh
	r.fresh = time.Time{}
	return time.Since(since), !since.IsZero()
}

// stalledBy reports whether the object was told to be stalled for that reason.
func (r *report) stalledBy(reason string) bool {
	stalled := r.now().Status.Condition(status.ConditionStalled)
	return stalled != nil && stalled.Status == metav1.ConditionTrue && stalled.Reason == reason
}

// waitsSince returns since when the object waits for room on the host, as was told: over
// restarts, too. It is now if it does not.
func (r *report) waitsSince() time.Time {
	ready := r.now().Status.Condition(status.ConditionReady)
	if ready == nil || ready.Reason != budget.DiskFull && ready.Reason != budget.HostFull {
		return time.Now()
	}
	return ready.LastTransitionTime.Time
}

// usable reports whether the object could be used when it was last told of.
func (r *report) usable() bool {
	ready := r.now().Status.Condition(status.ConditionReady)
	return ready != nil && ready.Status == metav1.ConditionTrue
}

// tell changes the status and writes it.
func (r *report) tell(change func(*status.File)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	change(&r.file)
	r.write()
}

// mention changes the status and writes it now or a little later.
func (r *report) mention(pause time.Duration, change func(*status.File)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	change(&r.file)
	switch wait := pause - time.Since(r.written); {
	case wait <= 0:
		r.write()
	case r.later == nil:
		r.later = time.AfterFunc(wait, func() {
			r.mu.Lock()
			defer r.mu.Unlock()
			if r.later != nil {
				r.write()
			}
		})
	}
}

// advance says how far what is being done has come, in bytes.
func (r *report) advance(done, total int64) {
	step := r.now().Status.Step
	if step == nil || time.Since(step.Since.Time) < advancing {
		return
	}
	r.mention(advancing, func(f *status.File) {
		if f.Status.Step != nil && f.Status.Step.Since.Equal(&step.Since) { // it goes on
			now := *step
			now.Done, now.Total = done, total
			f.Status.Step = &now
		}
	})
}

// write needs the lock.
func (r *report) write() {
	if r.later != nil {
		r.later.Stop()
		r.later = nil
	}
	if r.removed {
		return
	}
	r.written = time.Now()
	r.outage.note(r.log, r.file.Kind+"/"+r.file.Metadata.Name, r.writer.Put(r.file))
}

// event says that something happened; it is in the file with the next write.
func (r *report) event(kind, reason, message string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.happened(kind, reason, message)
}

// remind tells of an event that was not told yet, so that one that lasts is told
// once.
func (r *report) remind(reason, message string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	told := slices.ContainsFunc(r.file.Status.Events, func(e status.Event) bool { return e.Reason == reason && e.Message == message })
	if !told {
		r.happened(status.EventWarning, reason, message)
	}
}

// happened needs the lock.
func (r *report) happened(kind, reason, message string) {
	r.file.Status.Events = status.AddEvent(r.file.Status.Events, time.Now(), kind, reason, message)
	r.log.Info(message, "reason", reason, "type", kind)
}

// begin says what is being done from now on. If it takes long, that is told.
func (r *report) begin(operation, address string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.stopDoing()
	now := time.Now()
	r.doing = doing{
		what:  status.Step{Operation: operation, Address: address, Since: metav1.NewTime(now)},
		since: now,
	}
	r.doing.timer = time.AfterFunc(slow, r.takesLong)
}

// end says that nothing is being done.
func (r *report) end() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.doing.timer != nil {
		r.stopDoing()
		r.file.Status.Step = nil
	}
}

func (r *report) stopDoing() {
	if r.doing.timer != nil {
		r.doing.timer.Stop()
	}
	r.doing = doing{}
}

// takesLong tells of what takes long, again and again.
func (r *report) takesLong() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.doing.timer == nil {
		return // it ended meanwhile
	}
	step := r.doing.what
	if current := r.file.Status.Step; current != nil && current.Address == step.Address {
		step = *current // with its progress
	}
	message := takes(step, r.doing.since)
	if r.file.Status.Condition(status.ConditionReconciling) == nil {
		status.Progress(&r.file.Status, r.file.Metadata.Generation, time.Now(), true, status.Note{Reason: reasonSlow, Message: message})
	}
	status.Remark(&r.file.Status, message)
	r.file.Status.Step = &step
	if time.Since(r.doing.since) < 2*slow {
		r.happened(status.EventWarning, reasonSlow, fmt.Sprintf("step %s takes long", describe(step)))
	}
	r.write()
	r.doing.timer = time.AfterFunc(slow, r.takesLong)
}

// takes says that a step takes long.
func takes(step status.Step, since time.Time) string {
	return fmt.Sprintf("step %s has been running for %s", describe(step), time.Since(since).Round(time.Second))
}

func describe(step status.Step) string {
	if step.Address == "" {
		return step.Operation
	}
	return step.Operation + " " + step.Address
}

// remove removes the status of an object that is no more. It reports whether that
// worked.
func (r *report) remove() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.stopDoing()
	if r.later != nil {
		r.later.Stop()
		r.later = nil
	}
	err := r.writer.Remove(r.file.Kind, r.file.Metadata.Name)
	r.removed = err == nil
	r.outage.note(r.log, r.file.Kind+"/"+r.file.Metadata.Name, err)
	return r.removed
}

// now returns the status as it is.
func (r *report) now() status.File {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.file
}

// reports holds the report of each object that there is.
type reports struct {
	writer *status.Writer
	outage *outage
	news   *news
	log    *logr.Logger // may be set until the first report is asked for

	mu  sync.Mutex
	all map[key]*report
}

func newReports(w *status.Writer, log *logr.Logger) *reports {
	r := &reports{writer: w, outage: newOutage(), news: &news{}, log: log, all: map[key]*report{}}
	w.Told = r.news.tell
	return r
}

// of returns the report of a key, which goes on where the last one ended.
func (r *reports) of(k key) *report {
	r.mu.Lock()
	defer r.mu.Unlock()
	if known := r.all[k]; known != nil {
		return known
	}
	file, there := r.writer.Get(kinds[k.class], k.name)
	if !there {
		file = status.File{
			TypeMeta: metav1.TypeMeta{Kind: kinds[k.class]},
			Metadata: status.Metadata{Name: k.name},
		}
	}
	file.Metadata.Generation = max(1, file.Metadata.Generation)
	file.Status.Step, file.Status.NextRetry = nil, nil // of a daemon that is no more
	made := &report{writer: r.writer, outage: r.outage, log: r.log.WithValues(string(k.class), k.name), file: file}
	if !there {
		made.fresh = time.Now()
	}
	r.all[k] = made
	return made
}

// renew gives an object its next generation, unless nothing was told of it yet.
func renew(f *status.File) {
	if len(f.Status.Conditions) > 0 {
		f.Metadata.Generation++
	}
}

// find returns the report of a key if there is one.
func (r *reports) find(k key) *report {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.all[k]
}

// known reports whether something was told of a key, be it by a former daemon.
func (r *reports) known(k key) bool {
	if r.find(k) != nil {
		return true
	}
	_, there := r.writer.Get(kinds[k.class], k.name)
	return there
}

// drop removes the report of a key, and its file. Where the file stays, so does the
// report: the next resync looks at its key, and drops it again.
func (r *reports) drop(k key) {
	if !r.of(k).remove() {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.all, k)
}

// keys returns every key that has a report or a status file of a former daemon.
func (r *reports) keys() []key {
	r.mu.Lock()
	defer r.mu.Unlock()
	var keys []key
	for k := range r.all {
		keys = append(keys, k)
	}
	for class, kind := range kinds {
		for _, name := range r.writer.Names(kind) {
			if k := (key{class, name}); r.all[k] == nil {
				keys = append(keys, k)
			}
		}
	}
	return keys
}

// files returns every status as it is.
func (r *reports) files() []status.File {
	r.mu.Lock()
	defer r.mu.Unlock()
	var files []status.File
	for _, one := range r.all {
		files = append(files, one.now())
	}
	return files
}

// rest stops all timers: nothing more will be told.
func (r *reports) rest() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, one := range r.all {
		one.mu.Lock()
		if one.later != nil {
			one.write()
		}
		one.stopDoing()
		one.mu.Unlock()
	}
}
