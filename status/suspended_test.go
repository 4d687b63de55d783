package status_test

import (
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"coppice.dev/status"
)

// TestSuspended has an object that is left as it is say so whatever else is told of it,
// until it is resumed.
func TestSuspended(t *testing.T) {
	note := status.Note{Reason: status.ReasonSuspended, Message: "somebody said so"}
	for name, v := range map[string]status.Verdict{
		"it can be used":    {Ready: metav1.ConditionTrue, Note: note, Suspended: &note},
		"it cannot":         {Ready: metav1.ConditionFalse, Note: note, Suspended: &note},
		"it cannot be seen": {Ready: metav1.ConditionUnknown, Note: note, Work: status.WorkRetrying, Suspended: &note},
		"its disk fails":    {Ready: metav1.ConditionTrue, Note: note, Stalled: &note, Suspended: &note},
	} {
		var s status.Status
		status.Judge(&s, 1, noon, v)
		if s.Phase != status.Suspended || !s.Suspended() {
			t.Errorf("%s: phase %s: %+v", name, s.Phase, s.Conditions)
		}
		status.Progress(&s, 2, noon.Add(time.Hour), true, status.Note{Reason: "SpecChanged"})
		if s.Phase != status.Suspended {
			t.Errorf("%s, and its manifest has changed: phase %s", name, s.Phase)
		}
		before := s.Conditions
		if status.Resume(&s); s.Phase == status.Suspended || s.Suspended() {
			t.Errorf("%s, and it was resumed: phase %s", name, s.Phase)
		}
		if len(before) != len(s.Conditions)+1 {
			t.Errorf("%s: the conditions of before were changed under their reader", name)
		}
	}
	var s status.Status
	status.Judge(&s, 1, noon, status.Verdict{Ready: metav1.ConditionTrue, Note: note, Suspended: &note})
	status.Judge(&s, 1, noon, status.Verdict{Ready: metav1.ConditionFalse, Note: note, Work: status.WorkTerminating})
	if s.Phase != status.Terminating || s.Suspended() {
		t.Errorf("it goes all the same: phase %s", s.Phase)
	}
}

// TestEachConditionTellsItsGeneration wants to know of every condition what it is about.
func TestEachConditionTellsItsGeneration(t *testing.T) {
	note := status.Note{Reason: "Because"}
	var s status.Status
	for generation := int64(1); generation <= 3; generation++ {
		status.Judge(&s, generation, noon, status.Verdict{
			Ready: metav1.ConditionTrue, Note: note, Work: status.WorkProgressing, UpToDate: metav1.ConditionFalse, UpToDateNote: note, Suspended: &note,
		})
		for _, c := range s.Conditions {
			if c.ObservedGeneration != generation {
				t.Errorf("generation %d: %+v", generation, c)
			}
		}
	}
	// What is under way is about the new one; what was known before is not.
	status.Progress(&s, 4, noon, true, note)
	if ready, work := s.Condition(status.ConditionReady), s.Condition(status.ConditionReconciling); ready.ObservedGeneration != 3 || work.ObservedGeneration != 4 {
		t.Errorf("%+v\n%+v", ready, work)
	}
}
