package e2e

import (
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"

	"coppice.dev/status"
)

func TestRun(t *testing.T) {
	h := newHost(t)
	root := h.root("root")
	h.start()
	for _, row := range []struct {
		script string
		code   int
		said   string
	}{
		{"cat /etc/motd", 0, "small"},
		{"exit 7", 7, ""},
		{"kill -9 $$", 137, ""},
		{"nosuchprogram", 127, ""},
	} {
		out, code := h.try("run", root, "--", "sh", "-c", row.script)
		if code != row.code || !strings.Contains(out, row.said) {
			t.Errorf("%s: exit code %d, said %q", row.script, code, out)
		}
	}
	if out, code := h.try("run", root, "--", "/no/such"); code != 127 {
		t.Errorf("no such program: %d, %s", code, out)
	}
	if out, code := h.try("run", "debain", "--timeout", "1s", "--", "true"); code != 125 || !strings.Contains(out, "debain") {
		t.Errorf("no such chroot: %d, %s", code, out)
	}
	h.nothingLeft()
}

func TestApplyAndDelete(t *testing.T) {
	h := newHost(t)
	root := h.root("root")
	h.start()
	file := h.base + "/a.yaml"
	must(t, os.WriteFile(file, []byte(session("s", directory(root))), 0o644))
	for _, want := range []string{"created", "unchanged"} {
		if out := h.do("apply", "-f", file); out != "session/s "+want+"\n" {
			t.Errorf("apply said %q, want %s", out, want)
		}
	}
	h.do("wait", "session/s")
	must(t, os.WriteFile(file, []byte(session("s", directory(root), "expose: None")), 0o644))
	if out := h.do("apply", "-f", file); out != "session/s configured\n" {
		t.Errorf("apply said %q", out)
	}
	h.is("s", "seen no more", func(s status.Status) bool { return s.Root == "" && s.Phase == status.Ready })
	if out := h.do("get", "sessions", "-o", "name"); out != "session/s\n" {
		t.Errorf("get said %q", out)
	}
	h.do("delete", "session", "s")
	if out, code := h.try("delete", "session", "s"); code != 1 || !strings.Contains(out, "there is no session") {
		t.Errorf("delete of what is not there: %d, %s", code, out)
	}
	h.do("apply", "-f", file)
	if out, code := h.try("delete", "session", "nothing", "s"); code != 1 || !strings.Contains(out, "session/s deleted") || !strings.Contains(out, `no session "nothing"`) {
		t.Errorf("delete of one that is there and one that is not: %d, %s", code, out)
	}
	h.write("mine.yaml", session("mine", directory(root)))
	h.ready("mine")
	if out, code := h.try("delete", "session", "mine"); code != 1 || !strings.Contains(out, h.manifests+"/mine.yaml") {
		t.Errorf("delete of what people wrote: %d, %s", code, out)
	}
	h.remove("mine.yaml")
	h.gone("mine")
	h.nothingLeft()
}

func TestValidate(t *testing.T) {
	h := newHost(t)
	h.write("good.yaml", session("a", directory("/")))
	h.write("bad.yaml", session("b", directory("/"), "epxose: Root"))
	if out, code := h.try("validate", h.manifests+"/good.yaml"); code != 0 {
		t.Errorf("a good one: %d, %s", code, out)
	}
	if out, code := h.try("validate", h.manifests); code != 1 || !strings.Contains(out, `bad.yaml:6:3: spec.epxose: unknown field "epxose", did you mean "expose"?`) {
		t.Errorf("a bad one: %d, %s", code, out)
	}
	if out, code := h.try("validate", h.base+"/none"); code != 2 {
		t.Errorf("none: %d, %s", code, out)
	}
}

func TestOnce(t *testing.T) {
	h := newHost(t)
	root := h.root("root")
	code := func() int {
		err := h.command("--once").Run()
		if failed, is := errors.AsType[*exec.ExitError](err); is {
			return failed.ExitCode()
		}
		must(t, err)
		return 0
	}
	h.write("a.yaml", session("a", directory(root)))
	if got := code(); got != 0 {
		t.Errorf("all is well: exit code %d", got)
	}
	h.write("b.yaml", session("b", directory(h.base+"/none")))
	if got := code(); got != 1 {
		t.Errorf("a source is missing: exit code %d", got)
	}
	h.start()
	if got := code(); got != 2 {
		t.Errorf("a daemon is at work: exit code %d", got)
	}
	h.shell("rm m/*")
	h.gone("a", "b")
	h.nothingLeft()
}

func TestChangesOfARunningSession(t *testing.T) {
	h := newHost(t)
	h.start()
	chroot := func(path string) string {
		return "apiVersion: coppice.dev/v1alpha1\nkind: Chroot\nmetadata: {name: c}\nspec: {source: {directory: {path: " + path + "}}}\n"
	}
	grown := func(name, more string) string {
		return "apiVersion: coppice.dev/v1alpha1\nkind: Session\nmetadata: {name: " + name + "}\nspec: {chrootRef: {name: c}" + more + "}\n"
	}
	first, second := h.root("first"), h.root("second")
	must(t, os.WriteFile(second+"/etc/motd", []byte("other\n"), 0o644))
	h.write("c.yaml", chroot(first))
	h.write("s.yaml", grown("stays", "")+"---\n"+grown("changes", ", updateStrategy: Recreate"))
	h.ready("stays", "changes")
	h.write("c.yaml", chroot(second))
	h.until("the one is made anew", func() bool {
		out, code := h.try("exec", "changes", "--", "cat", "/etc/motd")
		return code == 0 && out == "other\n"
	})
	s := h.is("stays", "not up to date", func(s status.Status) bool {
		c := s.Condition(status.ConditionUpToDate)
		return c != nil && c.Status == "False"
	})
	if c := s.Condition(status.ConditionUpToDate); !strings.Contains(c.Message, "source") {
		t.Errorf("message: %s", c.Message)
	}
	if got := h.exec("stays", "cat /etc/motd"); got != "small\n" {
		t.Errorf("it was changed: %q", got)
	}
	// The chroot goes altogether: nobody inside notices.
	h.remove("c.yaml")
	h.exec("stays", "true")
	// A mount more, in place; then the time is over.
	pin := h.status("stays").Namespace
	h.write("s.yaml", grown("stays", ", profile: {mounts: [{type: tmpfs, target: /more}]}"))
	h.gone("changes")
	h.until("the mount is there", func() bool {
		_, code := h.try("exec", "stays", "--", "sh", "-c", "mount | cat | test -d /more")
		return code == 0
	})
	if now := h.status("stays").Namespace; now != pin {
		t.Errorf("it was made anew for a mount: %s, then %s", pin, now)
	}
	h.write("s.yaml", grown("stays", ", ttl: 1s"))
	h.is("stays", "expired", func(s status.Status) bool { return s.Phase == status.Expired })
	h.remove("s.yaml")
	h.gone("stays")
	h.nothingLeft()
}
