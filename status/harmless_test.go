package status_test

import (
	"os"
	"strings"
	"testing"
	"unicode"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"coppice.dev/status"
)

// TestNothingThatATerminalObeys comes into a status, whoever has said it.
func TestNothingThatATerminalObeys(t *testing.T) {
	const kept = "naïve \"<b>&</b>\" \\u001b 日本 —\n\tmore"
	for _, evil := range []string{
		"\x1b]0;owned\x07", "\x1b[2J", "a\rb", "\x9b31m", "\u009b31m", "\x7f", "\b\b", "\u202egnp.exe", "\u2066x\u2069", "\x00",
	} {
		dir := t.TempDir()
		w := writer(t, dir)
		f := session("a", status.Failed)
		f.Status.Leases = []status.Lease{{PID: 1, User: "u" + evil, Command: evil + kept}}
		f.Status.Conditions = []metav1.Condition{{Type: "Ready", Status: "False", Reason: "HookFailed", Message: kept + evil}}
		f.Status.Events = append(f.Status.Events, status.Event{Type: "Warning", Reason: "HookFailed", Message: evil})
		f.Status.Objects = []status.Object{{Address: "8-task/x", Kind: "Hook", Note: evil}}
		f.Status.Blockers = []status.Blocker{{Command: evil, Free: "kill 5"}}
		f.Status.Step = &status.Step{Operation: evil}
		put(t, w, f)
		got, err := status.Read(dir, "Session", "a")
		if err != nil {
			t.Fatal(err)
		}
		c := got.Status.Conditions[0]
		if !strings.HasPrefix(c.Message, kept) || !strings.Contains(got.Status.Leases[0].Command, kept) {
			t.Errorf("%q: what was harmless has changed: %q, %q", evil, c.Message, got.Status.Leases[0].Command)
		}
		all := []string{
			c.Message, got.Status.Leases[0].User, got.Status.Leases[0].Command, got.Status.Events[1].Message,
			got.Status.Objects[0].Note, got.Status.Blockers[0].Command, got.Status.Step.Operation,
		}
		for _, text := range all {
			if strings.ContainsFunc(text, func(r rune) bool { return r != '\n' && r != '\t' && !unicode.IsPrint(r) }) {
				t.Errorf("%q: it is told as %q", evil, text)
			}
		}
		if f.Status.Events[1].Message != evil {
			t.Errorf("%q: what it was given was changed", evil)
		}
		// What is the same is not written again.
		path := status.Path(dir, "Session", "a")
		before, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		put(t, w, f)
		if after, err := os.Stat(path); err != nil || !os.SameFile(before, after) {
			t.Errorf("%q: it was written twice: %v", evil, err)
		}
	}
}
