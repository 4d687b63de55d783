package e2e

import (
	"os"
	"strings"
	"testing"
)

// TestProgress begins sessions of which a hook takes its time: people at a terminal are
// told, and nobody else.
func TestProgress(t *testing.T) {
	h := newHost(t)
	h.start()
	gate := h.base + "/gate"
	hook := h.base + "/slow"
	must(t, os.WriteFile(hook, []byte("#!/bin/sh\nuntil [ -e "+gate+" ]; do sleep 0.05; done\n"), 0o755))
	h.write("c.yaml", "apiVersion: coppice.dev/v1alpha1\nkind: Chroot\nmetadata: {name: c}\nspec: {"+directory(h.root("root"))+", profileRef: {name: p}}\n"+
		"---\napiVersion: coppice.dev/v1alpha1\nkind: Profile\nmetadata: {name: p}\nspec: {hooks: [{name: slow, command: ["+hook+"]}]}\n")
	h.until("the chroot is ready", func() bool {
		out, _ := h.try("get", "chroot", "c", "-o", "jsonpath={.status.phase}")
		return out == "Ready"
	})
	p := h.sits(24, 80, nil, "begin", "c", "--name", "shown")
	p.sees("\rshown: running the hook slow (")
	p.sees("s)\x1b[K")
	p.sees("\rshown: running the hook slow (") // again and again
	must(t, os.WriteFile(gate, nil, 0o644))
	if code := p.leaves(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	p.sees("\r\x1b[Kshown\r\n") // it is gone before anything else is said
	must(t, os.Remove(gate))
	quiet := h.sits(24, 80, nil, "begin", "c", "--name", "quiet", "--quiet")
	waits := h.sits(24, 80, nil, "wait", "session/quiet")
	waits.sees("quiet: running the hook slow")
	must(t, os.WriteFile(gate, nil, 0o644))
	if code := quiet.leaves() + waits.leaves(); code != 0 {
		t.Errorf("exit codes %d", code)
	}
	if out := quiet.all(); strings.Contains(out, "hook") || strings.Contains(out, "\x1b") {
		t.Errorf("said although nothing was to be: %q", out)
	}
	if out, code := h.try("begin", "c", "--name", "piped"); out != "piped\n" || code != 0 {
		t.Errorf("in a pipe: exit code %d, %q", code, out)
	}
	// What is asked for anew is not ready because it was before.
	must(t, os.Remove(gate))
	h.write("../s.yaml", "apiVersion: coppice.dev/v1alpha1\nkind: Session\nmetadata: {name: asked}\nspec: {chrootRef: {name: c}}\n")
	p = h.sits(24, 80, nil, "apply", "-f", h.base+"/s.yaml", "--wait")
	p.sees("session/asked created")
	p.sees("asked: running the hook slow")
	must(t, os.WriteFile(gate, nil, 0o644))
	p.sees("session/asked ready")
	if code := p.leaves(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	h.do("delete", "session", "asked")
	h.do("end", "shown", "quiet", "piped")
	h.nothingLeft()
}
