package main

import (
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"coppice.dev/cmd/internal/terminal"
	"coppice.dev/status"
)

func TestExplain(t *testing.T) {
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	ago := func(d time.Duration) metav1.Time { return metav1.NewTime(now.Add(-d)) }
	say := func(kind string, value metav1.ConditionStatus, reason, message string) metav1.Condition {
		return metav1.Condition{Type: kind, Status: value, Reason: reason, Message: message, LastTransitionTime: ago(90 * time.Second)}
	}
	ready := say(status.ConditionReady, metav1.ConditionTrue, "Converged", "9 objects")
	later := metav1.NewTime(now.Add(8 * time.Second))
	for _, row := range []struct {
		name   string
		status status.Status
		want   string
	}{
		{"all is well", status.Status{Phase: status.Ready, Conditions: []metav1.Condition{ready}}, `
s: it is ready; nothing is in its way
`},
		{"somebody is inside", status.Status{Phase: status.Ready, Conditions: []metav1.Condition{ready}, Leases: []status.Lease{{PID: 7}}}, `
s: it is ready; nothing is in its way, and 1 process is inside
`},
		{"busy", status.Status{
			Phase: status.Terminating, NextRetry: &later, Advice: "end these processes, or leave the folder with them",
			Conditions: []metav1.Condition{
				say(status.ConditionReady, metav1.ConditionFalse, "Busy", "unmount /run/coppice/sessions/s/root: device or resource busy"),
				say(status.ConditionReconciling, metav1.ConditionTrue, "Terminating", "unmount /run/coppice/sessions/s/root: device or resource busy"),
			},
			Blockers: []status.Blocker{
				{PID: 1234, User: "alice", Command: "bash", Path: "/run/coppice/sessions/s/root", Free: "kill 1234"},
				{Command: "/dev/loop3", Path: "/run/coppice/sessions/s/root/a.img", Free: "losetup -d /dev/loop3"},
			},
		}, `
s: it is being taken down
  Busy for 90s: unmount /run/coppice/sessions/s/root: device or resource busy
in the way:
  PID   USER   COMMAND     HOLDS                               FREED BY
  1234  alice  bash        /run/coppice/sessions/s/root        kill 1234
  -     -      /dev/loop3  /run/coppice/sessions/s/root/a.img  losetup -d /dev/loop3
what to do:
  kill 1234
  losetup -d /dev/loop3
  end these processes, or leave the folder with them
tried again: 2026-11-23 12:00:08 (in 8s)
`},
		{"a chroot that is missing", status.Status{Phase: status.Pending, Conditions: []metav1.Condition{
			say(status.ConditionReady, metav1.ConditionFalse, "ChrootNotFound", `there is no chroot "debain"`),
		}}, `
s: it cannot be begun yet
  ChrootNotFound for 90s: there is no chroot "debain"
what to do:
  apply the chroot, or name another; there are those of: coppice get chroots
`},
		{"kept without a manifest", status.Status{Phase: status.Ready, Conditions: []metav1.Condition{
			ready, say(status.ConditionUpToDate, metav1.ConditionFalse, status.ReasonDeletionHeld, "its manifest is gone"),
		}}, `
s: it can be used, but something is wrong with it
  DeletionHeld for 90s: its manifest is gone
what to do:
  put its manifest back, or let it go: coppice prune --confirm
`},
		{"a manifest that is wrong", status.Status{
			Phase: status.Degraded, Source: &status.Source{Manifest: "/m/a.yaml"}, Problems: []string{"a.yaml:3:1: no"},
			Conditions: []metav1.Condition{ready, say(status.ConditionStalled, metav1.ConditionTrue, "InvalidManifest", "a.yaml:3:1: no")},
		}, `
s: it can be used, but something is wrong with it
  InvalidManifest for 90s: a.yaml:3:1: no
what to do:
  mend its manifest, and check it: coppice validate /m/a.yaml
`},
		{"what goes by itself", status.Status{Phase: status.Failed, NextRetry: &later, Conditions: []metav1.Condition{
			say(status.ConditionReady, metav1.ConditionFalse, "Error", "something odd"),
		}}, `
s: it could not be made
  Error for 90s: something odd
what to do:
  nothing: it is tried again by itself
tried again: 2026-11-23 12:00:08 (in 8s)
`},
	} {
		var out strings.Builder
		file := status.File{Metadata: status.Metadata{Name: "s"}, Status: row.status}
		explain(file, now).print(terminal.Output{Writer: &out}, now)
		got := out.String()
		if i := strings.Index(got, "tried again: "); i >= 0 { // in the local time of whoever runs this
			got = got[:i] + "tried again: 2026-11-23 12:00:08" + got[i+len("tried again: 2026-11-23 12:00:08"):]
		}
		if want := strings.TrimPrefix(row.want, "\n"); got != want {
			t.Errorf("%s:\n%s\nwant:\n%s", row.name, got, want)
		}
	}
}

func TestParagraph(t *testing.T) {
	var out strings.Builder
	paragraph(&out, 20, "  why: ", "one two three four five\nand a line of its own")
	const want = "  why: one two three\n    four five\n    and a line of\n    its own\n"
	if out.String() != want {
		t.Errorf("%q, want %q", out.String(), want)
	}
}
