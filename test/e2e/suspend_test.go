package e2e

import (
	"os"
	"strings"
	"testing"

	"coppice.dev/status"
)

// messageOf returns a condition's message, "" if it is not there or not True.
func messageOf(s status.Status, condition string) string {
	if c := s.Condition(condition); c != nil && c.Status == "True" {
		return c.Message
	}
	return ""
}

// unmounts takes a mount inside a session away, as its own processes might.
func (h *host) unmounts(session, target string) {
	h.t.Helper()
	h.shell("nsenter --mount=" + h.status(session).Namespace + " /bin/umount " + target)
}

// left waits until something of a session is told to be left as it is, and looks with the
// controller's own eyes that it still is.
func (h *host) left(session, condition, what string) {
	h.t.Helper()
	h.is(session, "left as it is", func(s status.Status) bool { return strings.Contains(messageOf(s, condition), what) })
	if f := h.plan()[session]; f.Left == "" || len(f.Steps) == 0 {
		h.t.Errorf("session %s: it is not left: %+v", session, f)
	}
}

const data = "profile: {mounts: [{type: tmpfs, target: /data}]}"

// TestSuspend leaves a session as it is through all that befalls it.
func TestSuspend(t *testing.T) {
	h := newHost(t)
	h.start()
	h.write("a.yaml", session("s", directory(h.root("root")), data, "ttl: 8760h"))
	h.ready("s")
	h.exec("s", "echo mine > /etc/mine; test -d /data")
	if out := h.do("suspend", "s", "--why", "looking at a hang"); out != "session/s suspended\n" {
		t.Errorf("suspend: %s", out)
	}
	if message := messageOf(h.status("s"), status.ConditionSuspended); !strings.Contains(message, "suspended by root at ") || !strings.Contains(message, ": looking at a hang; coppice resume s") {
		t.Errorf("message: %s", message)
	}
	// Commands run as ever, and drift is told and left.
	h.unmounts("s", "/data")
	h.left("s", status.ConditionSuspended, "left undone: 5-mounts/data: it is not there")
	h.exec("s", "test -e /etc/mine; touch /kept")
	// What its manifest says now is not done either, not even that it has had its time.
	h.write("a.yaml", session("s", directory(h.base+"/root"), data, "ttl: 1s", "expose: None"))
	h.left("s", status.ConditionSuspended, "7-view/root")
	// Nor does a daemon that is killed and comes back do it.
	h.kill()
	h.start()
	h.left("s", status.ConditionSuspended, "5-mounts/data")
	h.exec("s", "test -e /kept")
	// What would come to nothing is refused, with a way on.
	for _, args := range [][]string{{"reconcile", "s"}, {"end", "s"}} {
		if out, code := h.try(args...); code != 1 || !strings.Contains(out, "session s is suspended") || !strings.Contains(out, "coppice resume s") {
			t.Errorf("%v: %d\n%s", args, code, out)
		}
	}
	if out, code := h.try("why", "s"); code != 1 || !strings.Contains(out, "it is suspended") || !strings.Contains(out, "coppice resume s") {
		t.Errorf("why: %d\n%s", code, out)
	}
	// After a reboot nothing is made of it.
	h.write("a.yaml", session("s", directory(h.base+"/root"), data))
	h.powerCut()
	if out := h.sweep(); !strings.Contains(out, "suspended  session s  it was suspended by root at ") || !strings.Contains(out, "total: 1 session (1 suspended)") {
		t.Errorf("the sweep at boot:\n%s", out)
	}
	h.start()
	h.left("s", status.ConditionSuspended, "4-root/namespace: it is not there")
	if s := h.status("s"); s.Phase != status.Suspended || s.Namespace != "" {
		t.Errorf("after a reboot: %+v", s)
	}
	if out, code := h.try("exec", "s", "--", "true"); code != 125 || !strings.Contains(out, "not ready") {
		t.Errorf("exec without a root: %d\n%s", code, out)
	}
	if out := h.do("resume", "s"); out != "session/s resumed\n" {
		t.Errorf("resume: %s", out)
	}
	h.ready("s")
	if got := h.exec("s", "cat /etc/mine; test -e /kept && test -d /data"); got != "mine\n" {
		t.Errorf("what was written: %q", got)
	}
	h.unmounts("s", "/data")
	h.until("drift is repaired again", func() bool {
		_, code := h.try("exec", "s", "--", "/bin/busybox", "grep", "-q", " /data ", "/proc/mounts")
		return code == 0
	})
	if out := h.do("events", "session/s"); !strings.Contains(out, "Resumed") || !strings.Contains(out, "Repaired") {
		t.Errorf("events:\n%s", out)
	}
	h.remove("a.yaml")
	h.gone("s")
	h.nothingLeft()
}

// TestSuspendedSessionsGo has suspended sessions lose their manifests, which keeps them,
// and be deleted, which does not.
func TestSuspendedSessionsGo(t *testing.T) {
	h := newHost(t)
	root := h.root("root")
	h.start()
	h.write("kept.yaml", session("kept", directory(root)))
	h.write("deleted.yaml", session("deleted", directory(root)))
	h.ephemeral("temp.yaml", session("temp", directory(root)))
	applied := h.aside("applied.yaml", session("applied", directory(root)))
	h.do("apply", "-f", applied)
	all := []string{"kept", "deleted", "temp", "applied"}
	h.ready(all...)
	h.do(append([]string{"suspend"}, all...)...)
	// One that apply put there goes when it is deleted.
	if out := h.do("delete", "session", "applied"); out != "session/applied deleted\n" {
		t.Errorf("delete: %s", out)
	}
	// Those whose manifests go stay.
	h.shell("rm m/kept.yaml m/deleted.yaml")
	for _, name := range []string{"kept", "deleted"} {
		h.is(name, "kept without its manifest", func(s status.Status) bool {
			return strings.Contains(messageOf(s, status.ConditionSuspended), "its manifest is gone, but")
		})
	}
	h.exec("kept", "echo mine > /etc/mine")
	if f := h.plan()["kept"]; f.Outcome != "Deleted" || !strings.Contains(f.Left, "it was suspended by root") {
		t.Errorf("foreseen: %+v", f)
	}
	// After a reboot too, which takes the manifest of the third.
	h.powerCut()
	h.start()
	for _, name := range []string{"kept", "deleted", "temp"} {
		h.is(name, "kept after a reboot", func(s status.Status) bool {
			return s.Phase == status.Suspended && strings.Contains(messageOf(s, status.ConditionSuspended), "its manifest is gone, but")
		})
	}
	if _, err := os.Stat(h.state + "/sessions/kept/upper/etc/mine"); err != nil {
		t.Errorf("what was written is gone: %v", err)
	}
	if out := h.do("delete", "session", "deleted"); out != "session/deleted deleted\n" {
		t.Errorf("delete without a manifest: %s", out)
	}
	h.do("resume", "kept", "temp")
	h.gone("kept", "temp")
	// The next one of that name is not suspended.
	h.write("kept.yaml", session("kept", directory(root)))
	h.ready("kept")
	h.remove("kept.yaml")
	h.gone("kept")
	h.nothingLeft()
}

// TestSuspendIsForRoot has the owner of a session try, which the session's limits are
// held against.
func TestSuspendIsForRoot(t *testing.T) {
	h := newHost(t)
	h.open()
	path := h.furnished("root")
	h.start()
	h.write("open.yaml", chroot("open", path, "{users: [games]}"))
	h.until("there is the chroot", func() bool { _, code := h.try("get", "chroot", "open"); return code == 0 })
	if out, code := h.as(games, "begin", "--name", "mine", "open"); code != 0 {
		t.Fatalf("begin: %d\n%s", code, out)
	}
	for _, command := range []string{"suspend", "resume", "reconcile"} {
		if out, code := h.as(games, command, "mine"); code != 1 || !strings.Contains(out, "only root may say what becomes of sessions") {
			t.Errorf("%s: %d\n%s", command, code, out)
		}
	}
	h.do("suspend", "mine")
	if out, code := h.as(games, "exec", "mine", "--", "id", "-u"); code != 0 || out != "5\n" {
		t.Errorf("exec: %d\n%s", code, out)
	}
	if out, code := h.as(games, "end", "mine"); code != 1 || !strings.Contains(out, "session mine is suspended, so nothing is done about it") {
		t.Errorf("end: %d\n%s", code, out)
	}
	h.do("resume", "mine")
	if out, code := h.as(games, "end", "mine"); code != 0 || out != "session/mine ended\n" {
		t.Errorf("end: %d\n%s", code, out)
	}
	h.remove("open.yaml")
	h.nothingLeft()
}

// TestSuspendedByItsManifest writes it down.
func TestSuspendedByItsManifest(t *testing.T) {
	h := newHost(t)
	root := h.root("root")
	h.start()
	h.write("a.yaml", session("s", directory(root), "suspend: true"))
	s := h.is("s", "suspended", func(s status.Status) bool { return s.Phase == status.Suspended })
	if len(s.Objects) > 0 {
		t.Errorf("there is %+v", s.Objects)
	}
	if out, code := h.try("resume", "s"); code != 1 || !strings.Contains(out, "take suspend: true out there") || !strings.Contains(out, h.manifests+"/a.yaml") {
		t.Errorf("resume: %d\n%s", code, out)
	}
	h.write("a.yaml", session("s", directory(root)))
	h.ready("s")
	h.write("a.yaml", session("s", directory(root), "suspend: true", "expose: None"))
	h.left("s", status.ConditionSuspended, "7-view/root")
	h.write("a.yaml", session("s", directory(root), "expose: None"))
	h.is("s", "changed", func(s status.Status) bool { return s.Phase == status.Ready && s.Root == "" })
	h.remove("a.yaml")
	h.gone("s")
	h.nothingLeft()
}

// TestDriftThatIsReported has a session whose drift is only told of, until somebody asks
// for it to be put right, by the command or by an annotation.
func TestDriftThatIsReported(t *testing.T) {
	h := newHost(t)
	root := h.root("root")
	h.start()
	annotated := func(at string, more ...string) string {
		text := session("s", directory(root), append([]string{data, "driftPolicy: Report"}, more...)...)
		return strings.Replace(text, "{name: s}", "{name: s, annotations: {coppice.dev/reconcile-at: \""+at+"\"}}", 1)
	}
	h.write("a.yaml", annotated("first"))
	h.ready("s")
	if at := h.status("s").LastHandledReconcileAt; at != "first" {
		t.Errorf("heeded %q", at)
	}
	drifts := func() {
		t.Helper()
		h.unmounts("s", "/data")
		h.left("s", status.ConditionStalled, "5-mounts/data: it is not there; it is left so by driftPolicy: Report")
		if s := h.status("s"); s.Phase != status.Degraded || s.Condition(status.ConditionReady).Status != "True" || s.Condition(status.ConditionUpToDate).Reason != "Drifted" {
			t.Errorf("%+v", s.Conditions)
		}
		h.exec("s", "true")
	}
	repaired := func(what string) {
		t.Helper()
		h.is("s", "repaired", func(s status.Status) bool { return s.Phase == status.Ready })
		if f := h.plan()["s"]; len(f.Steps) > 0 {
			t.Errorf("%s: still to do: %+v", what, f)
		}
	}
	drifts()
	h.kill()
	h.start()
	h.left("s", status.ConditionStalled, "5-mounts/data")
	if out := h.do("reconcile", "s"); out != "session/s is looked at\n" {
		t.Errorf("reconcile: %s", out)
	}
	repaired("reconcile")
	drifts()
	h.write("a.yaml", annotated("second"))
	h.is("s", "asked about", func(s status.Status) bool { return s.LastHandledReconcileAt == "second" })
	repaired("the annotation")
	// A change of the manifest is one that is wanted.
	drifts()
	h.write("a.yaml", annotated("second", "expose: None"))
	h.is("s", "changed", func(s status.Status) bool { return s.Root == "" })
	repaired("a change")
	// What a reboot takes is no drift.
	h.powerCut()
	h.start()
	repaired("a reboot")
	h.exec("s", "test -d /data")
	h.remove("a.yaml")
	h.gone("s")
	h.nothingLeft()
}

// TestReconcileAtRepeats has the annotation of a session whose drift is repaired anyway:
// it only tells that it was heeded.
func TestReconcileAtRepeats(t *testing.T) {
	h := newHost(t)
	root := h.root("root")
	h.start()
	for _, at := range []string{"2026-11-24T10:00:00Z", "2026-11-24T11:00:00Z", ""} {
		h.write("a.yaml", strings.Replace(session("s", directory(root)), "{name: s}", "{name: s, annotations: {coppice.dev/reconcile-at: \""+at+"\"}}", 1))
		h.is("s", "ready, having heeded it", func(s status.Status) bool { return s.Phase == status.Ready && s.LastHandledReconcileAt == at })
	}
	if out, code := h.try("reconcile", "none"); code != 1 || !strings.Contains(out, `there is no session "none"`) {
		t.Errorf("reconcile: %d\n%s", code, out)
	}
	h.remove("a.yaml")
	h.gone("s")
	h.nothingLeft()
}
