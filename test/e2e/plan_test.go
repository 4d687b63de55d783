package e2e

import (
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"coppice.dev/controller/socket/wire"
	"coppice.dev/status"
)

// plan asks what would be done, by session.
func (h *host) plan(args ...string) map[string]wire.Forecast {
	h.t.Helper()
	cmd := exec.Command(bin+"/coppice", append([]string{"--run-dir", h.run, "plan", "-o", "json"}, args...)...)
	out, err := cmd.Output()
	if failed, is := errors.AsType[*exec.ExitError](err); is && failed.ExitCode() == 2 || err != nil && !is {
		h.t.Fatalf("plan %v: %v\n%s", args, err, out)
	}
	var list wire.Forecasts
	if err := json.Unmarshal(out, &list); err != nil {
		h.t.Fatalf("plan %v: %v\n%s", args, err, out)
	}
	all := map[string]wire.Forecast{}
	for _, f := range list.Items {
		all[f.Session] = f
	}
	return all
}

// steps are those of a forecast that do that to the session's own objects, or to those
// that are shared, sorted.
func steps(f wire.Forecast, operation string, shared bool) []string {
	var list []string
	for _, s := range f.Steps {
		if s.Operation == operation && (s.Owner != "") == shared {
			list = append(list, s.Address)
		}
	}
	slices.Sort(list)
	return list
}

// addresses are those of the objects that there are, sorted.
func addresses(s status.Status, shared bool) []string {
	var list []string
	for _, o := range s.Objects {
		if (o.Owner != "") == shared {
			list = append(list, o.Address)
		}
	}
	slices.Sort(list)
	return list
}

// less returns what is in a list and not in another.
func less(list, other []string) []string {
	return slices.DeleteFunc(slices.Clone(list), func(s string) bool { return slices.Contains(other, s) })
}

// outside are the objects that do not go with a namespace.
func outside(list []string) []string {
	return slices.DeleteFunc(slices.Clone(list), func(s string) bool { return strings.HasPrefix(s, "5-mounts/") })
}

func equal(t *testing.T, what string, got, want []string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s:\n%q\nwant\n%q", what, got, want)
	}
}

// aside writes a manifest that no folder watches, and returns its path.
func (h *host) aside(name, text string) string {
	h.t.Helper()
	path := h.base + "/" + name
	must(h.t, os.WriteFile(path, []byte(text), 0o644))
	return path
}

// TestPlanIsWhatIsDone compares what is said before with what there is after: of two
// sessions of an image, one of which changes and then goes, and then the other with the
// image.
func TestPlanIsWhatIsDone(t *testing.T) {
	h := newHost(t)
	h.root("root")
	h.shell("mksquashfs root root.sqfs -quiet -no-progress")
	h.start()
	image := "apiVersion: coppice.dev/v1alpha1\nkind: Chroot\nmetadata: {name: c}\nspec: {source: {loopback: {path: " + h.base + "/root.sqfs}}}\n"
	grown := func(name, more string) string {
		return "---\napiVersion: coppice.dev/v1alpha1\nkind: Session\nmetadata: {name: " + name + ", labels: {team: x}}\nspec: {chrootRef: {name: c}" + more + "}\n"
	}
	both := h.aside("all.yaml", image+grown("a", ", profile: {mounts: [{type: tmpfs, target: /data}]}")+grown("b", ""))
	before := h.picture()
	plan := h.plan("-f", both)
	h.do("apply", "--dry-run", "-f", both)
	h.same("a plan and a dry run", before, h.picture())
	if len(plan) != 2 || plan["a"].Outcome != "Created" || plan["b"].Outcome != "Created" {
		t.Errorf("foreseen: %+v", plan)
	}
	h.do("apply", "-f", both)
	h.ready("a", "b")
	for _, name := range []string{"a", "b"} {
		equal(t, "made of "+name, addresses(h.status(name), false), steps(plan[name], "Create", false))
	}
	equal(t, "made for both", addresses(h.status("a"), true), slices.Concat(steps(plan["a"], "Create", true), steps(plan["b"], "Create", true)))
	if out := h.do("tree", "a"); strings.Count(out, "─ ") < len(addresses(h.status("a"), false)) {
		t.Errorf("tree:\n%s", out)
	}
	if out := h.do("plan"); out != "Nothing is to be done.\n" {
		t.Errorf("then: %s", out)
	}

	// One of them changes: a mount and the view go, another mount comes.
	h.exec("a", "echo mine > /etc/mine")
	one := h.aside("one.yaml", grown("a", ", expose: None, profile: {mounts: [{type: tmpfs, target: /more}]}"))
	was := addresses(h.status("a"), false)
	if plan = h.plan("-f", one); len(plan) != 1 || plan["a"].Outcome != "Changed" {
		t.Errorf("foreseen: %+v", plan)
	}
	h.do("apply", "-f", one)
	is := addresses(h.is("a", "changed", func(s status.Status) bool {
		return s.Phase == status.Ready && s.Root == "" && slices.Contains(addresses(s, false), "5-mounts/more")
	}), false)
	equal(t, "made", less(is, was), steps(plan["a"], "Create", false))
	equal(t, "taken down", less(was, is), steps(plan["a"], "Destroy", false))
	h.exec("a", "test -e /etc/mine && test -d /more")

	// One goes, and the image stays for the other.
	plan = h.plan("--without", "session/b")
	equal(t, "b goes", steps(plan["b"], "Destroy", false), outside(addresses(h.status("b"), false)))
	equal(t, "of what is shared", steps(plan["b"], "Destroy", true), nil)
	h.do("delete", "session", "b")
	if n := h.loops(); n != 1 {
		t.Errorf("%d loop devices for the one that is left", n)
	}
	// Then the other, as apply --prune would: by what is not asked for any more.
	onlyChroot := h.aside("chroot.yaml", strings.Replace(image, "{name: c}", "{name: c, labels: {team: x}}", 1))
	plan = h.plan("-f", onlyChroot, "--prune", "-l", "team=x")
	equal(t, "a goes", steps(plan["a"], "Destroy", false), outside(addresses(h.status("a"), false)))
	equal(t, "and the image", steps(plan["a"], "Destroy", true), []string{"1-device/image"})
	if out := h.do("apply", "-f", onlyChroot, "--prune", "-l", "team=x"); !strings.Contains(out, "session/a pruned") {
		t.Errorf("apply --prune:\n%s", out)
	}
	h.gone("a")
	h.until("the image is gone", func() bool { return h.loops() == 0 })
	h.do("delete", "chroot", "c")
	h.nothingLeft()
}

// TestPlanOfWhatIsMadeAnew changes a chroot of two sessions, one of which is made anew by
// that.
func TestPlanOfWhatIsMadeAnew(t *testing.T) {
	h := newHost(t)
	h.start()
	first, second := h.root("first"), h.root("second")
	grown := func(name, more string) string {
		return "apiVersion: coppice.dev/v1alpha1\nkind: Session\nmetadata: {name: " + name + "}\nspec: {chrootRef: {name: c}" + more + "}\n"
	}
	h.write("c.yaml", chroot("c", first, "{}"))
	h.write("s.yaml", grown("stays", "")+"---\n"+grown("changes", ", updateStrategy: Recreate"))
	h.ready("stays", "changes")
	stays, changes := h.status("stays"), h.status("changes")
	other := h.aside("c.yaml", chroot("c", second, "{}"))
	plan := h.plan("-f", other)
	if f := plan["stays"]; f.Outcome != "Unchanged" || !slices.Equal(f.Fields, []string{"chroot c: spec.source.directory.path"}) || len(f.Steps) > 0 {
		t.Errorf("what stays: %+v", f)
	}
	if f := plan["changes"]; f.Outcome != "Recreated" {
		t.Errorf("what changes: %+v", f)
	}
	equal(t, "taken down", steps(plan["changes"], "Destroy", false), outside(addresses(changes, false)))
	equal(t, "made", steps(plan["changes"], "Create", false), addresses(changes, false))
	h.write("c.yaml", chroot("c", second, "{}"))
	h.is("changes", "made anew", func(s status.Status) bool { return s.Phase == status.Ready && s.Namespace != changes.Namespace })
	h.is("stays", "not up to date", func(s status.Status) bool { return s.Condition(status.ConditionUpToDate).Status == "False" })
	if now := h.status("stays").Namespace; now != stays.Namespace {
		t.Errorf("what stays was made anew: %s, then %s", stays.Namespace, now)
	}
	// What will not work is said before.
	missing := h.aside("c.yaml", chroot("c", h.base+"/none", "{}"))
	if out, code := h.try("plan", "-f", missing); code != 1 || !strings.Contains(out, "and then cannot be made: ") || !strings.Contains(out, h.base+"/none") {
		t.Errorf("a source that is missing: %d\n%s", code, out)
	}
	lost := h.aside("lost.yaml", strings.Replace(grown("lost", ""), "name: c}", "name: d}", 1))
	if out, code := h.try("plan", "-f", lost); code != 1 || !strings.Contains(out, `session/lost cannot be made: chroot "d": there is none of that name`) {
		t.Errorf("a chroot that is missing: %d\n%s", code, out)
	}
	h.shell("rm m/*")
	h.gone("stays", "changes")
	h.nothingLeft()
}

// TestWhoMayPlan has others than root ask, and nobody there to answer.
func TestWhoMayPlan(t *testing.T) {
	h := newHost(t)
	h.open()
	root := h.root("root")
	h.start()
	file := h.aside("a.yaml", session("a", directory(root)))
	if out, code := h.as(games, "plan", "-f", file); code != 2 || !strings.Contains(out, "only root may say what becomes of sessions, and see what would") {
		t.Errorf("plan of games: %d\n%s", code, out)
	}
	// What takes no rights is not refused.
	if out, code := h.as(games, "diff", "-f", file); code != 1 || !strings.Contains(out, "session/a\tnot there") {
		t.Errorf("diff of games: %d\n%s", code, out)
	}
	if out, code := h.as(games, "validate", "--strict", "-f", file); code != 0 {
		t.Errorf("validate of games: %d\n%s", code, out)
	}
	if out, code := h.as(games, "apply", "-f", file); code != 1 || !strings.Contains(out, "permission denied") {
		t.Errorf("apply of games: %d\n%s", code, out)
	}
	h.kill()
	if out, code := h.try("plan", "-f", file); code != 2 || !strings.Contains(out, "coppiced is not running") {
		t.Errorf("plan without a daemon: %d\n%s", code, out)
	}
	if out, code := h.try("plan", "-f", h.base+"/none.yaml"); code != 2 || !strings.Contains(out, "there is no file") {
		t.Errorf("plan of nothing: %d\n%s", code, out)
	}
	// Its statuses are still there, and so are manifests.
	if out, code := h.try("diff", "-f", file); code != 1 {
		t.Errorf("diff without a daemon: %d\n%s", code, out)
	}
	h.nothingLeft()
}

// TestDiff uses its exit codes, as scripts do.
func TestDiff(t *testing.T) {
	h := newHost(t)
	root := h.root("root")
	h.start()
	file := h.aside("a.yaml", session("a", directory(root)))
	h.do("apply", "-f", file)
	h.ready("a")
	before := h.picture()
	if out, code := h.try("diff", "-f", file); code != 0 || out != "" {
		t.Errorf("no difference: %d\n%s", code, out)
	}
	h.aside("a.yaml", session("a", directory(root), "ttl: 1h"))
	if out, code := h.try("diff", "-f", file); code != 1 || !strings.Contains(out, "\n+  ttl: 1h0m0s\n") || !strings.Contains(out, "--- session/a\t"+h.run+"/manifests/session-a.yaml\n") {
		t.Errorf("a difference: %d\n%s", code, out)
	}
	h.aside("a.yaml", session("a", directory(root), "tll: 1h"))
	if out, code := h.try("diff", "-f", file); code != 2 || !strings.Contains(out, `did you mean "ttl"?`) {
		t.Errorf("a mistake: %d\n%s", code, out)
	}
	h.same("diff", before, h.picture())
	h.do("delete", "session", "a")
	h.nothingLeft()
}
