package main

import (
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"coppice.dev/cmd/internal/branches"
	"coppice.dev/cmd/internal/terminal"
	"coppice.dev/spec"
	"coppice.dev/status"
)

var now = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

func ago(d time.Duration) *metav1.Time { return new(metav1.NewTime(now.Add(-d))) }

func conditionOf(kind, value string, generation int64) metav1.Condition {
	return metav1.Condition{Type: kind, Status: metav1.ConditionStatus(value), ObservedGeneration: generation, LastTransitionTime: *ago(time.Minute)}
}

// session is a status with a phase and a reason for it.
func session(name string, phase status.Phase, ready, reason, message string) status.File {
	f := status.File{Metadata: status.Metadata{Name: name, Generation: 1}}
	f.Kind = spec.KindSession
	c := conditionOf(status.ConditionReady, ready, 1)
	c.Reason, c.Message = reason, message
	f.Status = status.Status{
		ObservedGeneration: 1, Phase: phase, Chroot: "bookworm", Admitted: ago(5 * time.Minute),
		Conditions: []metav1.Condition{c},
	}
	return f
}

// lines are the lines of a text without trailing blanks.
func lines(text string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		b.WriteString(strings.TrimRight(line, " \n") + "\n")
	}
	return b.String()
}

func check(t *testing.T, got, want string) {
	t.Helper()
	if got = lines(got); got != strings.TrimPrefix(want, "\n") {
		t.Errorf("got\n%s\nwant%s", got, want)
	}
}

func TestTable(t *testing.T) {
	busy := session("b", status.Provisioning, "False", "Provisioning", "it is being made")
	busy.Status.Step = &status.Step{Operation: "Create", Address: "2-layer/tree", Since: *ago(time.Second), Done: 30, Total: 100}
	failed := session("c", status.Failed, "False", "SourceMissing", strings.Repeat("x", 80)+"\nand more")
	var out strings.Builder
	files := []status.File{session("a", status.Ready, "True", "Converged", "9 objects"), busy, failed}
	if err := printTable(newTable(terminal.Output{Writer: &out}), nounOf(spec.KindSession), files, tableOptions{now: now}); err != nil {
		t.Fatal(err)
	}
	check(t, out.String(), `
NAME   PHASE          READY   CHROOT     AGE   MESSAGE
a      Ready          True    bookworm   5m
b      Provisioning   False   bookworm   5m    unpacking the archive, 30%
c      Failed         False   bookworm   5m    SourceMissing: `+strings.Repeat("x", 80)+" …\n")
}

func TestTree(t *testing.T) {
	f := session("a", status.Ready, "True", "Converged", "")
	f.Status.Objects = []status.Object{
		{Owner: "base/bc1b", Address: "1-device/image", Kind: "Image", Name: "/dev/loop1"},
		{Address: "0-home/home", Kind: "Home", Name: "/s/a"},
		{Address: "4-root/namespace", Kind: "Namespace", Name: "/r/ns/a"},
		{Address: "5-mounts/dev", Kind: "Mount"},
		{Address: "5-mounts/dev/pts", Kind: "Mount"},
		{Address: "5-mounts/device", Kind: "Mount", Note: "left out"},
		{Address: "7-view/root", Kind: "View", Name: "/r/a", Problem: "it is gone"},
		{Address: "8-task/000-file", Kind: "File"},
	}
	other := session("b", status.Ready, "True", "Converged", "")
	other.Status.Objects = f.Status.Objects[:1]
	var out strings.Builder
	printTree(terminal.Output{Writer: &out}, f, branches.Of(f, branches.Sharers([]status.File{f, other}, "a")))
	check(t, out.String(), `
session/a  Ready
├─ base/bc1b  shared with b
│  └─ image  /dev/loop1
├─ home  /s/a
├─ namespace  /r/ns/a
│  ├─ /dev  mount
│  │  └─ /dev/pts  mount
│  └─ /device  mount  (left out)
├─ root  view  /r/a  ! it is gone
└─ tasks
   └─ 000-file  file
`)
}

func TestDescribe(t *testing.T) {
	f := session("a", status.Failed, "False", "HookFailed", "run hook warm: exit status 3\nit is sad")
	f.Metadata.Labels = map[string]string{"team": "x"}
	f.Status.NextRetry = new(metav1.NewTime(now.Add(12 * time.Second)))
	f.Status.Source = &status.Source{Manifest: "/no/such.yaml", Document: 2, Line: 9}
	f.Status.Events = []status.Event{{Time: *ago(time.Minute), Type: "Warning", Reason: "HookFailed", Message: "warm", Count: 3}}
	var out strings.Builder
	describe(terminal.Output{Writer: &out}, f, now)
	for _, part := range []string{
		"Labels:      team=x\n", "/no/such.yaml:9 (document 2) (not there now)\n", "(in 12s)\n",
		"HookFailed  60s    run hook warm: exit status 3\n", "it is sad\n", "60s (3 times)  Warning  HookFailed  warm\n",
	} {
		if !strings.Contains(out.String(), part) {
			t.Errorf("nowhere %q in\n%s", part, out.String())
		}
	}
}

func TestBytes(t *testing.T) {
	for n, want := range map[int64]string{0: "0 B", 1023: "1023 B", 1536: "1.5 KiB", 300 << 20: "300 MiB", 5 << 30: "5.0 GiB"} {
		if got := inUnits(n); got != want {
			t.Errorf("%d: %q, want %q", n, got, want)
		}
	}
}
