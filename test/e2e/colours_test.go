package e2e

import (
	"regexp"
	"strings"
	"testing"
)

// shown is what a person at a terminal of that many columns sees of a command.
func (h *host) shown(columns uint16, args ...string) (string, int) {
	h.t.Helper()
	p := h.sits(24, columns, nil, args...)
	code := p.leaves()
	must(h.t, p.tty.Close()) // so that there is an end of what can be read
	<-p.over
	return strings.ReplaceAll(p.all(), "\r\n", "\n"), code
}

var escapes = regexp.MustCompile("\x1b\\[[0-9;]*[a-zA-Z]")

// TestColours looks at sessions at a terminal, and elsewhere.
func TestColours(t *testing.T) {
	h := newHost(t)
	t.Setenv("NO_COLOR", "")
	h.start()
	h.write("a.yaml", session("good", directory(h.root("root"))))
	h.write("b.yaml", session("bad", directory(h.base+"/a folder that nobody has ever made whose name is long")))
	h.ready("good")
	h.until("the other has failed", func() bool {
		out, _ := h.try("get", "session", "bad", "-o", "jsonpath={.status.conditions[?(@.type==\"Stalled\")].status}")
		return out == "True"
	})
	const green, red = "\x1b[32mReady\x1b[0m", "\x1b[31mFailed\x1b[0m"
	for _, row := range []struct {
		env  string
		args []string
		want bool
	}{
		{"", []string{"get", "sessions"}, true},
		{"1", []string{"get", "sessions"}, false},
		{"1", []string{"get", "sessions", "--color=always"}, true},
		{"", []string{"get", "sessions", "--color=never"}, false},
	} {
		t.Setenv("NO_COLOR", row.env)
		out, code := h.shown(80, row.args...)
		if got := strings.Contains(out, green) && strings.Contains(out, red); got != row.want || code != 0 || !row.want && strings.Contains(out, "\x1b") {
			t.Errorf("NO_COLOR=%s coppice %v: code %d\n%q", row.env, row.args, code, out)
		}
		for line := range strings.Lines(escapes.ReplaceAllString(out, "")) {
			if n := len([]rune(strings.TrimSuffix(line, "\n"))); n > 80 {
				t.Errorf("%v: a line of %d columns: %s", row.args, n, line)
			}
		}
		if !strings.Contains(out, "…") {
			t.Errorf("%v: nothing is cut\n%s", row.args, out)
		}
	}
	// Who is no person gets all of it, and nothing else.
	if out := h.do("get", "sessions"); strings.ContainsAny(out, "\x1b…") || !strings.Contains(out, "whose name is long") {
		t.Errorf("in a pipe:\n%s", out)
	}
	if out := h.do("get", "sessions", "--color=always"); !strings.Contains(out, green) || strings.Contains(out, "…") {
		t.Errorf("in a pipe, with colours:\n%s", out)
	}
	for _, form := range []string{"json", "yaml", "name", "jsonpath={.items}", "custom-columns=N:.metadata.name"} {
		if out, code := h.shown(80, "get", "sessions", "--color=always", "-o", form); strings.Contains(out, "\x1b") || code != 0 {
			t.Errorf("-o %s: code %d\n%q", form, code, out)
		}
	}
	for args, want := range map[string]string{
		"describe session bad": "\x1b[31mFailed\x1b[0m", "events session/bad": "\x1b[33mWarning\x1b[0m", "doctor": "\x1b[32mok      \x1b[0m",
		"why good": "\x1b[32mit is ready", "tree good": "\x1b[32mReady\x1b[0m",
	} {
		if out, _ := h.shown(80, append(strings.Fields(args), "--color=always")...); !strings.Contains(out, want) {
			t.Errorf("%s: nowhere %q in\n%q", args, want, out)
		}
	}
	h.remove("a.yaml")
	h.remove("b.yaml")
	h.gone("good")
	h.gone("bad")
}
