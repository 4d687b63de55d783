package e2e

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

// labelled is a session with the label team: x.
func labelled(name, root string) string {
	text := session(name, directory(root)+", union: {upper: {medium: Memory}}", "expose: None", "profile: {mounts: []}")
	return strings.Replace(text, "{name: "+name+"}", "{name: "+name+", labels: {team: x}}", 1)
}

// TestApplyPrune takes away most of what was applied, more than a folder may lose at once
// without anybody saying so, and nothing else that bears the label: what people wrote, what
// is in another folder, what is another team's.
func TestApplyPrune(t *testing.T) {
	h := newHost(t)
	h.guarded = true
	root := h.root("root")
	h.start()
	const n = 14
	var all []string
	var names []string
	for i := range n {
		names = append(names, fmt.Sprintf("s%02d", i))
		all = append(all, labelled(names[i], root))
	}
	wanted := h.aside("all.yaml", strings.Join(all, "---\n"))
	h.do("apply", "-f", wanted, "--to", h.manifests)
	h.write("mine.yaml", labelled("mine", root))
	h.write("session-byhand.yaml", labelled("byhand", root))
	h.write("session-others.yaml", strings.ReplaceAll(labelled("others", root), "team: x", "team: z"))
	temp := h.aside("temp.yaml", labelled("temp", root))
	h.do("apply", "-f", temp)
	kept := []string{"s00", "mine", "byhand", "others", "temp"}
	h.ready(append(kept, names...)...)

	left := h.aside("left.yaml", all[0])
	before := h.picture() + h.shell("ls -l --time-style=full-iso m")
	out := h.do("apply", "-f", left, "--to", h.manifests, "--prune", "-l", "team=x", "--dry-run")
	h.same("a dry run", before, h.picture()+h.shell("ls -l --time-style=full-iso m"))
	if strings.Count(out, "pruned (dry run)") != n-1 || !strings.Contains(out, "session/s00 unchanged (dry run)") {
		t.Errorf("a dry run:\n%s", out)
	}
	plan := h.plan("-f", left, "--to", h.manifests, "--prune", "-l", "team=x")
	for _, name := range names[1:] {
		if f := plan[name]; f.Outcome != "Deleted" || f.Left != "" {
			t.Errorf("foreseen of %s: %+v", name, f)
		}
	}
	if len(plan) != n {
		t.Errorf("foreseen of %d sessions", len(plan))
	}
	if out, code := h.try("apply", "-f", left, "--to", h.manifests, "--prune"); code != 2 || !strings.Contains(out, "name it with -l") {
		t.Errorf("without a label: %d\n%s", code, out)
	}

	out = h.do("apply", "-f", left, "--to", h.manifests, "--prune", "-l", "team=x")
	if strings.Count(out, "pruned\n") != n-1 {
		t.Errorf("apply --prune:\n%s", out)
	}
	for name, why := range map[string]string{"mine": "apply did not write it", "byhand": "or somebody changed it since"} {
		if !strings.Contains(out, "Note: session/"+name+" stays in "+h.manifests) || !strings.Contains(out, why) {
			t.Errorf("it does not say that %s stays, since %s:\n%s", name, why, out)
		}
	}
	h.gone(names[1:]...) // that is more than half, and more than --max-prune
	if out, code := h.try("prune"); code != 0 {
		t.Errorf("something is held although it was said to go: %d\n%s", code, out)
	}
	h.ready(kept...)
	for _, path := range []string{h.manifests + "/mine.yaml", h.manifests + "/session-byhand.yaml", h.manifests + "/session-others.yaml", h.run + "/manifests/session-temp.yaml"} {
		if _, err := os.Stat(path); err != nil {
			t.Errorf("it is gone: %v", err)
		}
	}
	// Again, and there is nothing to prune.
	if out := h.do("apply", "-f", left, "--to", h.manifests, "--prune", "-l", "team=x"); strings.Contains(out, "pruned") || !strings.Contains(out, "session/s00 unchanged") {
		t.Errorf("apply --prune, again:\n%s", out)
	}
	// What is suspended is pruned all the same, since it is said in so many words.
	h.do("suspend", "s00")
	h.do("apply", "-f", h.aside("other.yaml", labelled("other", root)), "--to", h.manifests, "--prune", "-l", "team=x")
	h.gone("s00")
	h.do("delete", "session", "other")
	h.do("delete", "session", "temp")
	h.shell("rm m/*")
	h.gone("mine", "byhand", "others")
	h.nothingLeft()
}

// TestPruneWithoutADaemon takes a manifest away while nobody is there: the session goes
// when a daemon comes.
func TestPruneWithoutADaemon(t *testing.T) {
	h := newHost(t)
	root := h.root("root")
	h.start()
	h.do("apply", "-f", h.aside("a.yaml", labelled("a", root)+"---\n"+labelled("b", root)))
	h.ready("a", "b")
	h.kill()
	out := h.do("apply", "-f", h.aside("b.yaml", labelled("b", root)), "--prune", "-l", "team=x")
	if !strings.Contains(out, "session/a pruned") || !strings.Contains(out, "coppiced is not running") {
		t.Errorf("apply --prune:\n%s", out)
	}
	h.start()
	h.gone("a")
	h.ready("b")
	h.do("delete", "session", "b")
	h.nothingLeft()
}
