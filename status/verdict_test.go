package status_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"coppice.dev/reconcile/fault"
	"coppice.dev/status"
)

// kstatus is what sigs.k8s.io/cli-utils makes of conditions, in its own order.
func kstatus(f status.File) string {
	if f.Status.ObservedGeneration != f.Metadata.Generation {
		return "InProgress"
	}
	for _, c := range f.Status.Conditions {
		switch {
		case c.Type == status.ConditionReconciling && c.Status == metav1.ConditionTrue:
			return "InProgress"
		case c.Type == status.ConditionStalled && c.Status == metav1.ConditionTrue:
			return "Failed"
		}
	}
	for _, c := range f.Status.Conditions {
		if c.Type == status.ConditionReady && c.Status != metav1.ConditionTrue {
			return "InProgress"
		}
	}
	return "Current"
}

func TestJudge(t *testing.T) {
	note := status.Note{Reason: "Because", Message: "so it is"}
	for _, row := range []struct {
		name    string
		verdict status.Verdict
		phase   status.Phase
		kstatus string
	}{
		{"all is well", status.Verdict{Ready: metav1.ConditionTrue, Note: note}, status.Ready, "Current"},
		{"being made", status.Verdict{Ready: metav1.ConditionFalse, Note: note, Work: status.WorkProgressing}, status.Provisioning, "InProgress"},
		{"changed in place", status.Verdict{Ready: metav1.ConditionTrue, Note: note, Work: status.WorkProgressing}, status.Ready, "InProgress"},
		{"waits for a chroot", status.Verdict{Ready: metav1.ConditionFalse, Note: note, Work: status.WorkWaiting}, status.Pending, "InProgress"},
		{"failed, will be tried again", status.Verdict{Ready: metav1.ConditionFalse, Note: note, Work: status.WorkRetrying}, status.Failed, "InProgress"},
		{"runs, but something fails", status.Verdict{Ready: metav1.ConditionTrue, Note: note, Work: status.WorkRetrying}, status.Degraded, "InProgress"},
		{"broken, and in use", status.Verdict{Ready: metav1.ConditionFalse, Note: note, Work: status.WorkRepairing}, status.Degraded, "InProgress"},
		{"only a person can help", status.Verdict{Ready: metav1.ConditionFalse, Note: note, Work: status.WorkRetrying, Stalled: &note}, status.Failed, "Failed"},
		{"runs, its manifest is broken", status.Verdict{Ready: metav1.ConditionTrue, Note: note, Stalled: &note}, status.Degraded, "Failed"},
		{"goes", status.Verdict{Ready: metav1.ConditionFalse, Note: note, Work: status.WorkTerminating}, status.Terminating, "InProgress"},
		{"its time is over", status.Verdict{Ready: metav1.ConditionFalse, Note: status.Note{Reason: status.ReasonExpired}}, status.Expired, "InProgress"},
		{"not known", status.Verdict{Ready: metav1.ConditionUnknown, Note: note, Work: status.WorkRetrying}, status.Failed, "InProgress"},
	} {
		t.Run(row.name, func(t *testing.T) {
			// From every other state, nothing of it must be left.
			for _, before := range []status.Verdict{
				{},
				{Ready: metav1.ConditionTrue, Note: note, Stalled: &note, UpToDate: metav1.ConditionFalse, UpToDateNote: note},
				{Ready: metav1.ConditionFalse, Note: note, Work: status.WorkTerminating},
			} {
				f := status.File{Metadata: status.Metadata{Generation: 3}}
				if before.Ready != "" {
					status.Judge(&f.Status, 2, noon, before)
				}
				status.Judge(&f.Status, 3, noon, row.verdict)
				if f.Status.Phase != row.phase {
					t.Errorf("phase %s, want %s", f.Status.Phase, row.phase)
				}
				if got := kstatus(f); got != row.kstatus {
					t.Errorf("kstatus says %s, want %s; conditions %+v", got, row.kstatus, f.Status.Conditions)
				}
				if f.Status.Condition(status.ConditionUpToDate) != nil {
					t.Error("UpToDate was not said, and is there")
				}
			}
		})
	}
}

func TestATransitionHasItsTime(t *testing.T) {
	var s status.Status
	ready := status.Verdict{Ready: metav1.ConditionTrue, Note: status.Note{Reason: "Converged", Message: "9 objects"}}
	status.Judge(&s, 1, noon, ready)
	old := s.Conditions
	status.Judge(&s, 2, noon.Add(time.Hour), ready)
	if c := s.Condition(status.ConditionReady); !c.LastTransitionTime.Time.Equal(noon) || c.ObservedGeneration != 2 {
		t.Errorf("the same again: %+v, want the time of the transition and the new generation", c)
	}
	if old[0].ObservedGeneration != 1 {
		t.Error("the conditions of before were changed under their reader")
	}
	status.Judge(&s, 2, noon.Add(time.Hour), status.Verdict{Ready: metav1.ConditionFalse, Note: status.Note{Reason: "Broken"}})
	if c := s.Condition(status.ConditionReady); !c.LastTransitionTime.Time.Equal(noon.Add(time.Hour)) {
		t.Errorf("a transition: %+v, want its time", c)
	}
}

func TestIsTrueIsAboutTheNewestGeneration(t *testing.T) {
	f := status.File{Metadata: status.Metadata{Generation: 1}}
	if f.IsTrue(status.ConditionReady) {
		t.Error("no condition is true")
	}
	status.Judge(&f.Status, 1, noon, status.Verdict{Ready: metav1.ConditionTrue, Note: status.Note{Reason: "Converged"}})
	if !f.IsTrue(status.ConditionReady) {
		t.Error("the condition is not true")
	}
	f.Metadata.Generation = 2
	if f.IsTrue(status.ConditionReady) {
		t.Error("a condition about an older spec is true")
	}
}

func TestExplain(t *testing.T) {
	err := fmt.Errorf("create 8-task/3-hook/000-warm: %w", &fault.Fault{
		Reason: fault.HookFailed, Doing: "run hook warm", Err: errors.New("exit status 1"),
		Hint: "read its output", Output: "no such cache\n" + strings.Repeat("x", 9000),
	})
	note := status.Explain(err)
	if note.Reason != "HookFailed" {
		t.Errorf("reason %s", note.Reason)
	}
	for _, want := range []string{"3-hook/000-warm", "exit status 1", "read its output", "\nno such cache"} {
		if !strings.Contains(note.Message, want) {
			t.Errorf("message %q lacks %q", note.Message[:200], want)
		}
	}
	if len(note.Message) > 5000 {
		t.Errorf("message of %d bytes", len(note.Message))
	}
	if status.NeedsPerson(err) || status.NeedsPerson(errors.New("surprise")) {
		t.Error("what may go by itself needs a person")
	}
	if !status.NeedsPerson(&fault.Fault{Reason: fault.ToolMissing}) {
		t.Error("a missing tool needs nobody")
	}
}
