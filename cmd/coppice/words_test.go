package main

import (
	"strings"
	"testing"

	"coppice.dev/status"
)

func TestParseReferences(t *testing.T) {
	for _, row := range []struct {
		args string
		want string // or part of the error
		bad  bool
	}{
		{"", "", false},
		{"sessions", "", false},
		{"session build-1", "session/build-1", false},
		{"se a b", "session/a session/b", false},
		{"SESSIONS a", "session/a", false},
		{"session/a chroot/b", "session/a chroot/b", false},
		{"manifest/etc/x.yaml", "manifest/etc/x.yaml", false},
		{"sesions", "did you mean sessions?", true},
		{"porfile x", "did you mean profiles?", true},
		{"pods", "the kinds are sessions, chroots", true},
		{"session/", "want KIND/NAME", true},
		{"session a/b", "write either", true},
		{"session/a b", "want KIND/NAME, such as session/b", true},
	} {
		refs, err := parseReferences(strings.Fields(row.args))
		if row.bad {
			if err == nil || !strings.Contains(err.Error(), row.want) {
				t.Errorf("%q: error %v, want one with %q", row.args, err, row.want)
			}
			continue
		}
		var got []string
		for _, r := range refs {
			got = append(got, r.String())
		}
		if err != nil || strings.Join(got, " ") != row.want {
			t.Errorf("%q: %q, %v; want %q", row.args, got, err, row.want)
		}
	}
}

func TestDistance(t *testing.T) {
	for _, row := range []struct {
		a, b string
		want int
	}{{"", "", 0}, {"", "abc", 3}, {"abc", "", 3}, {"session", "sesion", 1}, {"chroot", "chorot", 2}, {"kitten", "sitting", 3}} {
		if got := distance(row.a, row.b); got != row.want {
			t.Errorf("%q to %q: %d, want %d", row.a, row.b, got, row.want)
		}
	}
}

func TestGoals(t *testing.T) {
	ready := func(value string) *status.File {
		f := &status.File{}
		f.Metadata.Generation = 2
		f.Status.Conditions = append(f.Status.Conditions, conditionOf(status.ConditionReady, value, 2))
		return f
	}
	old := ready("True")
	old.Status.Conditions[0].ObservedGeneration = 1
	for _, row := range []struct {
		text string
		file *status.File
		want bool
	}{
		{"condition=Ready", ready("True"), true},
		{"condition=ready=true", ready("True"), true},
		{"condition=Ready", ready("False"), false},
		{"condition=Ready=False", ready("False"), true},
		{"condition=Ready", old, false}, // it is about a spec that is not asked for any more
		{"condition=Ready", nil, false},
		{"delete", nil, true},
		{"delete", ready("True"), false},
	} {
		g, err := parseGoal(row.text)
		if err != nil {
			t.Fatal(err)
		}
		if got := g.met(row.file); got != row.want {
			t.Errorf("%s: met %t, want %t", row.text, got, row.want)
		}
	}
	for _, bad := range []string{"", "ready", "condition", "condition=", "condition=Ready=Perhaps", "deleted"} {
		if _, err := parseGoal(bad); err == nil {
			t.Errorf("--for=%s is taken", bad)
		}
	}
}
