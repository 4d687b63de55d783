package e2e

import (
	"fmt"
	"strings"
	"testing"

	"coppice.dev/status"
)

// TestLabels picks sessions by their labels with each command that can.
func TestLabels(t *testing.T) {
	h := newHost(t)
	root := h.root("root")
	h.start()
	with := func(name, labels string) string {
		return strings.Replace(session(name, directory(root)), "{name: "+name+"}", "{name: "+name+", labels: {"+labels+"}}", 1)
	}
	h.do("apply", "-f", h.aside("all.yaml", with("a1", "team: a, n: one")+"---\n"+with("a2", "team: a, n: two")+"---\n"+with("b1", "team: b, n: one")))
	if out := h.do("wait", "sessions", "-l", "team=a"); out != "session/a1 condition met\nsession/a2 condition met\n" {
		t.Errorf("wait: %s", out)
	}
	h.ready("b1")
	for selector, want := range map[string]string{
		"team=a": "a1 a2", "team!=a": "b1", "team in (a,b),n=one": "a1 b1", "n notin (one)": "a2", "!team": "", "team,n=two": "a2",
	} {
		out := h.do("get", "sessions", "-l", selector, "-o", "custom-columns=NAME:.metadata.name", "--no-headers")
		if got := strings.Join(strings.Fields(out), " "); got != want {
			t.Errorf("-l %s: %q, want %q", selector, got, want)
		}
	}
	if out := h.do("get", "sessions", "-l", "n=one", "-o", `jsonpath={range .items[*]}{.metadata.name}={.status.root};{end}`); out != "a1="+h.run+"/sessions/a1/root;b1="+h.run+"/sessions/b1/root;" {
		t.Errorf("jsonpath: %s", out)
	}
	if out := h.do("get", "session", "a1", "-o", "jsonpath={.status.conditions[?(@.type=='Ready')].status}{.status.nothing}"); out != "True" {
		t.Errorf("jsonpath of one: %s", out)
	}
	if out, code := h.try("get", "sessions", "-o", "jsonpath={.items["); code != 2 || !strings.Contains(out, "-o jsonpath") {
		t.Errorf("a bad template: %d %s", code, out)
	}
	if out, code := h.try("get", "sessions", "-l", "team=("); code != 2 {
		t.Errorf("a bad selector: %d %s", code, out)
	}
	if out := h.do("describe", "sessions", "-l", "n=two"); !strings.Contains(out, "Name:        a2") || strings.Contains(out, "Name:        a1") {
		t.Errorf("describe:\n%s", out)
	}
	h.do("suspend", "-l", "n=one")
	for name, want := range map[string]bool{"a1": true, "a2": false, "b1": true} {
		if got := h.status(name).Suspended(); got != want {
			t.Errorf("%s is suspended: %t", name, got)
		}
	}
	h.do("resume", "-l", "n=one")
	// Another label is no other session.
	pin := h.status("a2").Namespace
	h.do("apply", "-f", h.aside("a2.yaml", with("a2", "team: c")))
	h.until("the label is another", func() bool {
		return h.do("get", "sessions", "-l", "team=c", "-o", "name") == "session/a2\n"
	})
	if s := h.status("a2"); s.Namespace != pin || s.Phase != status.Ready {
		t.Errorf("it was made anew: %+v", s)
	}
	if out := h.do("delete", "sessions", "-l", "team in (a,b)"); out != "session/a1 deleted\nsession/b1 deleted\n" {
		t.Errorf("delete: %s", out)
	}
	if out := h.do("delete", "sessions", "-l", "team=a"); !strings.Contains(out, "Nothing to delete") {
		t.Errorf("delete of none: %s", out)
	}
	h.do("delete", "session", "a2")
	h.nothingLeft()
}

// TestEveryConditionTellsItsGeneration looks at all there is.
func TestEveryConditionTellsItsGeneration(t *testing.T) {
	h := newHost(t)
	root := h.root("root")
	h.start()
	h.write("all.yaml", chroot("c", root, "{}")+"---\napiVersion: coppice.dev/v1alpha1\nkind: Session\nmetadata: {name: s}\nspec: {chrootRef: {name: c}}\n")
	h.write("bad.yaml", "kind: Nothing\n")
	h.ready("s")
	h.write("all.yaml", chroot("c", root, "{users: [games]}")+"---\napiVersion: coppice.dev/v1alpha1\nkind: Session\nmetadata: {name: s}\nspec: {chrootRef: {name: c}, expose: None}\n")
	h.is("s", "changed", func(s status.Status) bool { return s.Root == "" && s.Phase == status.Ready })
	var wrong []string
	defer func() { t.Log(strings.Join(wrong, "\n")) }()
	h.until("all conditions are about the newest generation", func() bool {
		wrong = h.outdated()
		return len(wrong) == 0
	})
	h.shell("rm m/*")
	h.gone("s")
	h.nothingLeft()
}

// outdated says what is told of older generations than the newest, or of none.
func (h *host) outdated() (wrong []string) {
	h.t.Helper()
	for _, kind := range []string{"Session", "Chroot", "Profile", "Manifest"} {
		files, err := status.List(h.run+"/status", kind)
		must(h.t, err)
		if len(files) == 0 {
			wrong = append(wrong, "there is no "+kind)
		}
		for _, f := range files {
			if f.Metadata.Generation == 0 || f.Status.ObservedGeneration != f.Metadata.Generation {
				wrong = append(wrong, fmt.Sprintf("%s %s: generation %d, observed %d", kind, f.Metadata.Name, f.Metadata.Generation, f.Status.ObservedGeneration))
			}
			for _, c := range f.Status.Conditions {
				if c.ObservedGeneration != f.Metadata.Generation {
					wrong = append(wrong, fmt.Sprintf("%s %s: %s is about generation %d of %d", kind, f.Metadata.Name, c.Type, c.ObservedGeneration, f.Metadata.Generation))
				}
			}
		}
	}
	return wrong
}
