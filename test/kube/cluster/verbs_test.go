package cluster

import (
	"errors"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const session = `apiVersion: coppice.dev/v1alpha1
kind: Session
metadata:
  name: build-1
  labels: {team: a}
spec:
  chrootRef: {name: bookworm}
  ttl: 1h
`

// TestApply has kubectl put manifests in place as it does others.
func TestApply(t *testing.T) {
	c := server(t)
	if out := c.do(session, "apply", "-f", "-"); out != "session.coppice.dev/build-1 created\n" {
		t.Errorf("%s", out)
	}
	if out := c.do(session, "apply", "-f", "-"); out != "session.coppice.dev/build-1 unchanged\n" {
		t.Errorf("the same once more: %s", out)
	}
	c.do(session, "diff", "-f", "-")
	longer := strings.Replace(session, "1h", "2h", 1)
	out, err := kubectl(longer, "diff", "-f", "-")
	if failed, is := errors.AsType[*exec.ExitError](err); !is || failed.ExitCode() != 1 {
		t.Errorf("diff of what differs: %v", err)
	}
	if !strings.Contains(out, "-  ttl: 1h\n+  ttl: 2h\n") {
		t.Errorf("diff:\n%s", out)
	}
	if out := c.do(longer, "apply", "-f", "-"); out != "session.coppice.dev/build-1 configured\n" {
		t.Errorf("%s", out)
	}
	if out := c.do("", "get", "sessions", "-l", "team=a", "-o", "jsonpath={.items[*].spec.ttl} {.items[*].metadata.generation}"); out != "2h 2" {
		t.Errorf("ttl and generation are %s", out)
	}
	// What was applied is noted in an annotation, which Coppice lets be.
	printed := c.do("", "get", "session", "build-1", "-o", "yaml")
	if !strings.Contains(printed, "last-applied-configuration") {
		t.Errorf("it is not noted what was applied:\n%s", printed)
	}
	c.same(parsed(t, "longer", longer), printed)
	if out := c.do(printed, "apply", "-f", "-"); out != "session.coppice.dev/build-1 unchanged\n" && out != "session.coppice.dev/build-1 configured\n" {
		t.Errorf("what was printed, applied: %s", out)
	}
	c.do("", "delete", "session/build-1")
	c.do("", "wait", "--for=delete", "session/build-1", "--timeout="+moment.String())
}

// TestServerSideApply has two who apply each keep what is theirs: lists are merged
// where the order of their entries does not matter.
func TestServerSideApply(t *testing.T) {
	c := server(t)
	apply := func(who, text string) string {
		return c.do(text, "apply", "--server-side", "--field-manager="+who, "-f", "-")
	}
	apply("a", session)
	longer := strings.Replace(session, "1h", "2h", 1)
	if out := c.refused(longer, "apply", "--server-side", "--field-manager=b", "-f", "-"); !strings.Contains(out, `conflict with "a": .spec.ttl`) {
		t.Errorf("of whom the field is: %s", out)
	}
	c.do(longer, "apply", "--server-side", "--field-manager=b", "--force-conflicts", "-f", "-")
	if out := c.do("", "get", "session", "build-1", "-o", "jsonpath={.spec.ttl}"); out != "2h" {
		t.Errorf("ttl is %s", out)
	}

	const profile = "apiVersion: coppice.dev/v1alpha1\nkind: Profile\nmetadata: {name: tools}\nspec: "
	apply("a", profile+"{copyFiles: [/etc/a], hooks: [{name: one, command: [/bin/one]}]}")
	apply("b", profile+"{copyFiles: [/etc/b], hooks: [{name: two, command: [/bin/two], timeout: 9s}]}")
	if out := c.do("", "get", "profile", "tools", "-o", "jsonpath={.spec.copyFiles} {.spec.hooks[*].name}"); out != `["/etc/a","/etc/b"] one two` {
		t.Errorf("what two applied came to %s", out)
	}
	apply("b", profile+"{}")
	if out := c.do("", "get", "profile", "tools", "-o", "jsonpath={.spec.copyFiles} {.spec.hooks[*].name}"); out != `["/etc/a"] one` {
		t.Errorf("when one applies nothing any more: %s", out)
	}
}

// TestKustomize has kubectl apply what its own kustomize makes of the example, and
// Coppice take what it makes.
func TestKustomize(t *testing.T) {
	c := server(t)
	const folder = root + "/docs/examples/kustomize/overlay"
	made := c.do("", "kustomize", folder)
	want := parsed(t, folder, made)
	for _, name := range []string{"Chroot/farm-bookworm", "Profile/farm-build", "Session/farm-build"} {
		if want[name] == "" {
			t.Errorf("kustomize makes no %s:\n%s", name, made)
		}
	}
	if out := c.do("", "apply", "-k", folder); strings.Count(out, " created\n") != len(want) {
		t.Errorf("%s", out)
	}
	c.same(want, c.do("", "get", "-k", folder, "-o", "yaml"))
}

// TestFinalizers has an object with a finalizer stay, on its way out, until it is
// taken off, and Coppice take the manifest meanwhile.
func TestFinalizers(t *testing.T) {
	c := server(t)
	c.do(session, "create", "-f", "-")
	c.do("", "patch", "session", "build-1", "--type=merge", "-p", `{"metadata":{"finalizers":["example.org/leased"]}}`)
	c.do("", "delete", "session", "build-1", "--wait=false")
	printed := c.do("", "get", "session", "build-1", "-o", "yaml")
	if !strings.Contains(printed, "deletionTimestamp:") {
		t.Errorf("it is not on its way out:\n%s", printed)
	}
	c.same(parsed(t, "session", session), printed)
	c.do("", "patch", "session", "build-1", "--type=merge", "-p", `{"metadata":{"finalizers":null}}`)
	c.do("", "wait", "--for=delete", "session/build-1", "--timeout="+moment.String())
}

// TestExplain has kubectl and coppice explain the same fields.
func TestExplain(t *testing.T) {
	c := server(t)
	if out := c.do("", "explain", "session.spec.chroot.union"); !strings.Contains(out, "private to each session") {
		t.Errorf("%s", out)
	}
	for _, at := range []string{
		"session", "session.spec", "session.spec.chroot.union", "session.spec.chrootRef", "session.spec.profile.hooks",
		"session.status", "session.status.conditions", "chroot.spec", "chroot.spec.source.lvmSnapshot", "chroot.spec.access",
		"profile.spec.mounts", "profile.spec.hooks.command", "session.spec.environment.set", "session.spec.limits",
	} {
		their, our := fields(c.do("", "explain", at)), fields(c.coppice("", "explain", at))
		if !slices.Equal(their, our) {
			t.Errorf("%s: kubectl explains\n%s\ncoppice\n%s", at, strings.Join(their, "\n"), strings.Join(our, "\n"))
		}
		if strings.Count(at, ".") > 1 { // metadata is the server's own
			their, our = fields(c.do("", "explain", "--recursive", at)), fields(c.coppice("", "explain", "--recursive", at))
			if !slices.Equal(their, our) {
				t.Errorf("%s --recursive: kubectl explains\n%s\ncoppice\n%s", at, strings.Join(their, "\n"), strings.Join(our, "\n"))
			}
		}
	}
}

// fields are the lines of an explanation that name fields. kubectl calls a quantity an
// object, and does not know that an object has to say its kind.
func fields(explanation string) []string {
	var lines []string
	_, list, _ := strings.Cut(explanation, "FIELDS:\n")
	for line := range strings.Lines(list) {
		if name, kind, is := strings.Cut(strings.TrimRight(line, "\n"), "\t<"); is {
			if strings.TrimSpace(name) == "apiVersion" || strings.TrimSpace(name) == "kind" {
				kind = strings.TrimSuffix(kind, " -required-")
			}
			kind = strings.NewReplacer("ObjectMeta", "Object", "Quantity", "Object").Replace(kind)
			lines = append(lines, name+" <"+kind)
		}
	}
	return lines
}

// TestModuleNamesTheVersion has the programs be those that their module asks for.
func TestModuleNamesTheVersion(t *testing.T) {
	c := server(t)
	modules := exec.Command("go", "list", "-m", "-f", "{{.Version}}", "k8s.io/kubernetes")
	modules.Dir = filepath.Join(root, "test/kube/cluster/programs")
	want, err := modules.Output()
	if err != nil {
		t.Fatal(err)
	}
	if got := c.do("", "version"); strings.Count(got, strings.TrimSpace(string(want))) != 2 {
		t.Errorf("kubectl version says\n%s\nwant %s twice", got, want)
	}
}
