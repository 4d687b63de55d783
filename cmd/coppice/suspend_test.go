package main

import (
	"encoding/json"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"coppice.dev/controller/socket/wire"
	"coppice.dev/status"
)

// suspended makes a status say that a session is suspended.
func suspended(message string) func(*status.Status) {
	return func(s *status.Status) {
		s.Phase = status.Suspended
		s.Conditions = append(s.Conditions, metav1.Condition{Type: status.ConditionSuspended, Status: "True", Reason: "Suspended", Message: message, ObservedGeneration: 1})
	}
}

// governor stands in for a daemon that suspends and resumes sessions; it says what it was
// asked for.
func (h *house) governor() (asked *[]string) {
	h.t.Helper()
	asked = new([]string)
	l, err := net.Listen("unix", filepath.Join(h.run, wire.SocketName))
	if err != nil {
		h.t.Fatal(err)
	}
	server := &http.Server{ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		path := strings.TrimPrefix(r.URL.Path, wire.Version+"/sessions/")
		*asked = append(*asked, strings.TrimSpace(path+" "+string(body)))
		name, what, _ := strings.Cut(path, "/")
		switch {
		case name == "none":
			w.WriteHeader(http.StatusNotFound)
			_ = json.NewEncoder(w).Encode(wire.Error{Reason: "NotFound", Message: `there is no session "none"`})
			return
		case what == "suspend":
			h.tell("Session", name, h.manifests+"/session-"+name+".yaml", map[string]string{"team": "x"}, suspended("it was suspended"))
		case what == "resume":
			h.tell("Session", name, h.manifests+"/session-"+name+".yaml", map[string]string{"team": "x"})
		}
		_, _ = io.WriteString(w, "{}")
	})}
	go func() { _ = server.Serve(l) }() // it ends with Close
	h.t.Cleanup(func() { server.Close() })
	return asked
}

func TestSuspendAndResume(t *testing.T) {
	h := newHouse(t)
	out, errOut, code := h.call("", "suspend", "a")
	wants(t, "no daemon", code, 1, out+errOut, "coppiced is not running")
	asked := h.governor()
	for _, name := range []string{"a", "b"} {
		h.write(h.manifests+"/session-"+name+".yaml", labelled(name, "team: x", "c"))
		h.tell("Session", name, h.manifests+"/session-"+name+".yaml", map[string]string{"team": "x"})
	}
	h.tell("Session", "other", "", nil)
	h.write(h.manifests+"/session-spec.yaml", strings.ReplaceAll(labelled("spec", "", "c"), "spec: {", "spec: {suspend: true, "))
	h.tell("Session", "spec", h.manifests+"/session-spec.yaml", nil, suspended("its manifest says suspend: true"))
	for _, row := range []struct {
		args  string
		code  int
		says  []string
		asked string
	}{
		{"suspend a --why hangs", 0, []string{"session/a suspended\n"}, `a/suspend {"why":"hangs"}`},
		{"suspend session/a b", 0, []string{"session/a suspended\nsession/b suspended\n"}, "a/suspend {} b/suspend {}"},
		{"resume sessions -l team=x", 0, []string{"session/a resumed\nsession/b resumed\n"}, "a/resume b/resume"},
		{"suspend -l team=x", 0, []string{"session/a suspended\nsession/b suspended\n"}, "a/suspend {} b/suspend {}"},
		{"suspend none a", 1, []string{`there is no session "none"`, "session/a suspended\n"}, "none/suspend {} a/suspend {}"},
		{"resume a", 0, []string{"session/a resumed\n"}, "a/resume"},
		{"resume a", 0, []string{"session/a was not suspended\n"}, "a/resume"},
		{"resume spec", 1, []string{"session/spec is suspended by its manifest " + h.manifests + "/session-spec.yaml; take suspend: true out there"}, "spec/resume"},
		{"reconcile a b", 0, []string{"session/a is looked at\nsession/b is looked at\n"}, "a/reconcile b/reconcile"},
		{"suspend", 2, []string{"which session?"}, ""},
		{"suspend session/", 2, []string{"names no session"}, ""},
		{"suspend a -l team=x", 2, []string{"there is no kind"}, ""},
		{"resume -l team=(", 2, []string{"-l"}, ""},
	} {
		*asked = nil
		out, errOut, code := h.call("", strings.Fields(row.args)...)
		wants(t, row.args, code, row.code, out+errOut, row.says...)
		if got := strings.Join(*asked, " "); got != row.asked {
			t.Errorf("%s: it asks for %q, want %q", row.args, got, row.asked)
		}
	}
}

// TestSuspendedIsExplained has why, get and describe tell of sessions that are left as
// they are.
func TestSuspendedIsExplained(t *testing.T) {
	h := newHouse(t)
	drifted := func(s *status.Status) {
		s.Phase = status.Degraded
		s.Conditions = append(s.Conditions, metav1.Condition{Type: status.ConditionStalled, Status: "True", Reason: "Drifted", Message: "5-mounts/proc: it is not there", ObservedGeneration: 1})
	}
	broken := func(s *status.Status) { s.Conditions[0].Status = "False" }
	h.tell("Session", "said", h.manifests+"/a.yaml", nil, suspended("it was suspended by root; coppice resume said takes that back"))
	h.tell("Session", "broken", h.manifests+"/b.yaml", nil, broken, suspended("it was suspended by root; coppice resume broken takes that back; left undone: 4-root/namespace: it is not there"))
	h.tell("Session", "written", h.manifests+"/c.yaml", nil, suspended("its manifest says suspend: true"))
	h.tell("Session", "drifted", h.manifests+"/d.yaml", nil, drifted)
	for name, says := range map[string][]string{
		"said":    {"said: it is suspended: it is left as it is, and can be used\n", "Suspended", "what to do:\n  coppice resume said\n"},
		"broken":  {"broken: it is suspended: it is left as it is, and cannot be used\n", "left undone", "  coppice resume broken\n"},
		"written": {"written: it is suspended", "  take suspend: true out of " + h.manifests + "/c.yaml\n"},
		"drifted": {"drifted: it can be used, but something is wrong with it", "Drifted", "  put it right: coppice reconcile drifted\n"},
	} {
		out, errOut, code := h.call("", "why", name)
		wants(t, name, code, 1, out+errOut, says...)
	}
	out, _, _ := h.call("", "get", "sessions")
	for _, line := range []string{"said      Suspended   True    -        -     it was suspended by root; coppice resume said", "drifted   Degraded    True    -        -     5-mounts/proc: it is not there"} {
		if !strings.Contains(out, line) {
			t.Errorf("nowhere %q in\n%s", line, out)
		}
	}
	out, errOut, code := h.call("", "wait", "--for=condition=suspended", "session/said")
	wants(t, "wait", code, 0, out+errOut, "session/said condition met")
}
