package status

import (
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Note is a reason for machines and a message for people.
type Note struct {
	Reason  string
	Message string
}

// Work is why an object is Reconciling: the condition's reason.
type Work string

// The kinds of work.
const (
	// WorkNone: there is nothing to do.
	WorkNone Work = ""
	// WorkProgressing: steps are being taken.
	WorkProgressing Work = "Progressing"
	// WorkWaiting: something that it needs is not there yet.
	WorkWaiting Work = "Waiting"
	// WorkRetrying: a step failed and will be tried again.
	WorkRetrying Work = "Retrying"
	// WorkRepairing: something is broken and cannot be repaired yet.
	WorkRepairing Work = "Repairing"
	// WorkTerminating: it is being taken down.
	WorkTerminating Work = "Terminating"
)

// ReasonSourceInUse is the reason of a session that waits to open its chroot's
// source, and ReasonSourceOpen of one that waits since a source is open.
const (
	ReasonSourceInUse = "SourceInUse"
	ReasonSourceOpen  = "SourceOpen"
)

// ReasonDeletionHeld is the reason of UpToDate for a session that is kept
// although its manifest is gone, since too many went at the same time.
const ReasonDeletionHeld = "DeletionHeld"

// ReasonSuspended is the reason of what is said of a session that is left as it is,
// and ReasonDrifted of one that differs from what is wanted, which only is told.
const (
	ReasonSuspended = "Suspended"
	ReasonDrifted   = "Drifted"
)

// ReasonNew is the reason of Ready for an object of which nothing else is known.
const ReasonNew = "New"

// ReasonExpired is the reason of Ready for a session whose time is over.
const ReasonExpired = "Expired"

// Verdict is what a pass found out about an object. Conditions and phase follow
// from it.
type Verdict struct {
	// Ready and why.
	Ready metav1.ConditionStatus
	Note  Note
	// Work says what is still to be done, and WorkMessage more about it; the
	// message of Note if it is empty.
	Work        Work
	WorkMessage string
	// Stalled is set when only a person can help. There is no work then.
	Stalled *Note
	// UpToDate and why; not said if the status is empty.
	UpToDate     metav1.ConditionStatus
	UpToDateNote Note
	// Suspended is set when all is left as it is, and says since whose word.
	Suspended *Note
}

// Judge writes a verdict into a status: conditions, phase and the generation
// that they are about. A condition's transition time changes with its status
// only.
func Judge(s *Status, generation int64, now time.Time, v Verdict) {
	s.Conditions = slices.Clone(s.Conditions) // whoever has the old ones keeps them
	s.ObservedGeneration = generation
	set := func(kind string, status metav1.ConditionStatus, note Note) {
		meta.SetStatusCondition(&s.Conditions, metav1.Condition{
			Type: kind, Status: status, Reason: note.Reason, Message: note.Message,
			ObservedGeneration: generation, LastTransitionTime: metav1.NewTime(now),
		})
	}
	set(ConditionReady, v.Ready, v.Note)
	work := Note{string(v.Work), v.WorkMessage}
	if work.Message == "" {
		work.Message = v.Note.Message
	}
	switch {
	case v.Stalled != nil:
		meta.RemoveStatusCondition(&s.Conditions, ConditionReconciling)
		set(ConditionStalled, metav1.ConditionTrue, *v.Stalled)
	case v.Work != WorkNone:
		meta.RemoveStatusCondition(&s.Conditions, ConditionStalled)
		set(ConditionReconciling, metav1.ConditionTrue, work)
	default:
		meta.RemoveStatusCondition(&s.Conditions, ConditionReconciling)
		meta.RemoveStatusCondition(&s.Conditions, ConditionStalled)
	}
	if v.UpToDate == "" {
		meta.RemoveStatusCondition(&s.Conditions, ConditionUpToDate)
	} else {
		set(ConditionUpToDate, v.UpToDate, v.UpToDateNote)
	}
	if v.Suspended == nil {
		meta.RemoveStatusCondition(&s.Conditions, ConditionSuspended)
	} else {
		set(ConditionSuspended, metav1.ConditionTrue, *v.Suspended)
	}
	s.Phase = PhaseOf(s.Conditions)
}

// Progress writes into a status that work is under way. What is known of Ready
// stays, unless usable says that the object cannot be used meanwhile; and no
// newer generation counts as observed before the work is done.
func Progress(s *Status, generation int64, now time.Time, usable bool, note Note) {
	s.Conditions = slices.Clone(s.Conditions)
	set := func(kind string, status metav1.ConditionStatus, reason string) {
		meta.SetStatusCondition(&s.Conditions, metav1.Condition{
			Type: kind, Status: status, Reason: reason, Message: note.Message,
			ObservedGeneration: generation, LastTransitionTime: metav1.NewTime(now),
		})
	}
	if !usable || s.Condition(ConditionReady) == nil {
		set(ConditionReady, metav1.ConditionFalse, note.Reason)
	}
	meta.RemoveStatusCondition(&s.Conditions, ConditionStalled)
	set(ConditionReconciling, metav1.ConditionTrue, string(WorkProgressing))
	s.Phase = PhaseOf(s.Conditions)
}

// Remark puts a message into the condition Reconciling, if that is there.
func Remark(s *Status, message string) {
	s.Conditions = slices.Clone(s.Conditions)
	if c := s.Condition(ConditionReconciling); c != nil {
		c.Message = message
	}
}

// PhaseOf sums conditions up for people.
func PhaseOf(conditions []metav1.Condition) Phase {
	ready := meta.FindStatusCondition(conditions, ConditionReady)
	stalled := meta.IsStatusConditionTrue(conditions, ConditionStalled)
	var work Work
	if c := meta.FindStatusCondition(conditions, ConditionReconciling); c != nil && c.Status == metav1.ConditionTrue {
		work = Work(c.Reason)
	}
	switch {
	case work == WorkTerminating:
		return Terminating
	case meta.IsStatusConditionTrue(conditions, ConditionSuspended):
		return Suspended
	case ready == nil:
		return Pending
	case ready.Status == metav1.ConditionTrue && (stalled || work == WorkRetrying):
		return Degraded
	case ready.Status == metav1.ConditionTrue:
		return Ready
	case ready.Reason == ReasonExpired && work == WorkNone:
		return Expired
	case work == WorkRepairing:
		return Degraded
	case work == WorkProgressing:
		return Provisioning
	case work == WorkWaiting:
		return Pending
	default:
		return Failed
	}
}

// IsTrue reports whether a condition is True and about the newest generation.
func (f File) IsTrue(condition string) bool {
	c := meta.FindStatusCondition(f.Status.Conditions, condition)
	return c != nil && c.Status == metav1.ConditionTrue && c.ObservedGeneration >= f.Metadata.Generation
}

// Condition returns the condition of a type, or nil.
func (s Status) Condition(kind string) *metav1.Condition {
	return meta.FindStatusCondition(s.Conditions, kind)
}
