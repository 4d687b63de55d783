package main

import (
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"coppice.dev/cmd/internal/presence"
	"coppice.dev/status"
)

func TestSelections(t *testing.T) {
	for _, row := range []struct {
		text  string
		given bool
		takes string // of a, b, c and d below
	}{
		{"", false, "abcd"},
		{"  ", false, "abcd"},
		{"suite=bookworm", true, "a"},
		{"suite==bookworm", true, "a"},
		{"suite!=bookworm", true, "bcd"},
		{"suite", true, "ab"},
		{"!suite", true, "cd"},
		{"suite in (sid,bookworm)", true, "ab"},
		{"suite notin (sid)", true, "acd"},
		{"suite=bookworm,example.com/team=x", true, "a"},
		{"suite=sid,example.com/team=x", true, ""},
		{"build>16", true, "c"},
	} {
		s := selection{text: row.text}
		if err := s.parse(); err != nil {
			t.Errorf("-l %q: %v", row.text, err)
			continue
		}
		var took strings.Builder
		for _, o := range []struct {
			name string
			set  map[string]string
		}{
			{"a", map[string]string{"suite": "bookworm", "example.com/team": "x"}}, {"b", map[string]string{"suite": "sid"}},
			{"c", map[string]string{"build": "17"}}, {"d", nil},
		} {
			if s.takes(o.set) {
				took.WriteString(o.name)
			}
		}
		if took.String() != row.takes || s.given() != row.given {
			t.Errorf("-l %q: takes %q, given %t", row.text, took.String(), s.given())
		}
	}
	for _, bad := range []string{"=x", "a=b=c", "a in b", "a in (", "-", "a,,b", "_a=b", "a=b c"} {
		s := selection{text: bad}
		if err := s.parse(); err == nil {
			t.Errorf("-l %q is taken", bad)
		}
	}
}

// TestPicked uses -l with each command that has it and needs no daemon.
func TestPicked(t *testing.T) {
	h := newHouse(t)
	for _, name := range []string{"a", "b"} {
		h.write(h.manifests+"/session-"+name+".yaml", labelled(name, "team: "+name, "c"))
		h.tell("Session", name, h.manifests+"/session-"+name+".yaml", map[string]string{"team": name, "both": "yes"}, func(s *status.Status) {
			s.Events = []status.Event{{Type: "Normal", Reason: "Created", Message: "9 objects", Time: metav1.Now(), Count: 1}}
		})
	}
	for _, row := range []struct {
		args string
		code int
		says string
		not  string
	}{
		{"get sessions -l team=a -o name", 0, "session/a\n", "session/b"},
		{"get sessions -l both=yes -o name", 0, "session/a\nsession/b\n", ""},
		{"get sessions -l team=c", 0, "No sessions found.", "session/"},
		{"get sessions -l team=(", 2, "-l", ""},
		{"get session a -l team=a", 2, "not both", ""},
		{"describe sessions -l team=a", 0, "team=a", "team=b"},
		{"describe sessions -l team=c", 1, "there are no sessions with the labels team=c", ""},
		{"describe session/a -l team=a", 2, "name the kind, and no object", ""},
		{"wait sessions -l team=a", 0, "session/a condition met\n", "session/b"},
		{"wait sessions -l team=c", 1, "there are no sessions with the labels team=c", ""},
		{"wait --for=delete sessions -l team=c", 0, "", "session/"},
		{"wait --for=delete --timeout=0s sessions -l team=a", 1, "session/a is not gone", ""},
		{"events sessions -l team=b", 0, "session/b", "session/a"},
		{"delete sessions -l team=c", 0, "Nothing to delete: there are no sessions with the labels team=c.", ""},
		{"delete sessions -l team=a --wait=false", 0, "session/a deleted\n", "session/b"},
		{"delete -l team=a", 2, "name the kind", ""},
		{"delete sessions -l team=a -f x.yaml", 2, "does not go with -f", ""},
		{"suspend chroots -l team=a", 1, "there are no chroots with the labels", ""},
		{"suspend -l team=c", 1, "there are no sessions with the labels", ""},
	} {
		out, errOut, code := h.call("", strings.Fields(row.args)...)
		if text := out + errOut; code != row.code || !strings.Contains(text, row.says) || row.not != "" && strings.Contains(text, row.not) {
			t.Errorf("coppice %s: code %d, want %d\n%s", row.args, code, row.code, text)
		}
	}
}

// TestPickedBeforeItIsTold picks what is in a watched folder and of which no status tells
// yet, and what a status tells of whose labels have just changed.
func TestPickedBeforeItIsTold(t *testing.T) {
	h := newHouse(t)
	lasting := t.TempDir()
	here, err := presence.Announce(h.run, presence.Facts{EphemeralDir: h.manifests, ManifestDirs: []string{lasting}, Recursive: true})
	if err != nil {
		t.Fatal(err)
	}
	defer here.Close()
	h.tell("Session", "told", h.manifests+"/session-told.yaml", map[string]string{"team": "a"})
	h.write(h.manifests+"/session-told.yaml", labelled("told", "team: b", "c"))
	h.tell("Session", "held", lasting+"/gone.yaml", map[string]string{"team": "a"})
	h.write(h.manifests+"/session-new.yaml", labelled("new", "team: a", "c"))
	h.write(lasting+"/below/deep.yaml", labelled("deep", "team: d", "c"))
	h.write(lasting+"/mine.yaml", labelled("mine", "team: a", "c")+"---\n"+chrootOf("c", "/srv/c"))
	c := &cli{runDir: h.run}
	for team, want := range map[string]string{"a": "session/held session/mine session/new", "b": "session/told", "c": "", "d": "session/deep"} {
		pick := selection{text: "team=" + team}
		if err := pick.parse(); err != nil {
			t.Fatal(err)
		}
		refs, _, err := c.picked([]string{"sessions"}, pick)
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, ref := range refs {
			names = append(names, ref.String())
		}
		if got := strings.Join(names, " "); got != want {
			t.Errorf("team %s: %s, want %s", team, got, want)
		}
	}
	out, errOut, code := h.call(labelled("mine", "team: a", "d"), "diff", "-f", "-")
	wants(t, "diff of what nothing is told of", code, 1, out+errOut, "--- session/mine\t"+lasting+"/mine.yaml\n", "-    name: c\n+    name: d\n")
}
