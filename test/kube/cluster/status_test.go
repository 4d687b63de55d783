package cluster

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"syscall"
	"testing"
	"time"

	"sigs.k8s.io/yaml"

	"coppice.dev/spec/schema"
	"coppice.dev/status"
)

// daemon is a coppiced below a folder of its own.
type daemon struct {
	t       *testing.T
	base    string
	command *exec.Cmd
}

// start starts it with a manifest, and ends it with nothing left of that.
func start(t *testing.T, manifest string) *daemon {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("needs root")
	}
	d := &daemon{t: t, base: t.TempDir()}
	d.must(os.Mkdir(d.base+"/m", 0o755))
	d.must(os.MkdirAll(d.base+"/root/bin", 0o755))
	d.must(os.WriteFile(d.base+"/m/all.yaml", []byte(strings.ReplaceAll(manifest, "BASE", d.base)), 0o644))
	log, err := os.Create(d.base + "/log")
	d.must(err)
	defer log.Close()
	d.command = d.coppiced()
	d.command.Stderr = log
	d.must(d.command.Start())
	t.Cleanup(d.end)
	return d
}

func (d *daemon) coppiced(more ...string) *exec.Cmd {
	args := append([]string{"--manifest-dir", d.base + "/m", "--state-dir", d.base + "/s", "--run-dir", d.base + "/r", "--max-prune", "-1", "--resync", "1s"}, more...)
	return exec.Command(filepath.Join(commands, "coppiced"), args...)
}

// end takes everything down.
func (d *daemon) end() {
	if d.t.Failed() {
		text, _ := os.ReadFile(d.base + "/log")
		d.t.Logf("the daemon's log:\n%s", text)
	}
	_ = d.command.Process.Signal(syscall.SIGTERM) // it may have ended
	_ = d.command.Wait()                          // by that signal
	if err := os.Remove(d.base + "/m/all.yaml"); err != nil && !errors.Is(err, fs.ErrNotExist) {
		d.t.Error(err)
	}
	if out, err := d.coppiced("--once").CombinedOutput(); err != nil {
		d.t.Errorf("the last sweep: %v\n%s", err, out)
	}
}

func (d *daemon) must(err error) {
	d.t.Helper()
	if err != nil {
		d.t.Fatal(err)
	}
}

// until waits until an object's status is as wanted, and returns it as it is written.
func (d *daemon) until(kind, name string, ok func(status.File) bool) map[string]any {
	d.t.Helper()
	path := status.Path(d.base+"/r/status", kind, name)
	for deadline := time.Now().Add(moment); ; time.Sleep(20 * time.Millisecond) {
		text, err := os.ReadFile(path)
		var file status.File
		if err == nil {
			err = yaml.Unmarshal(text, &file)
		}
		if err == nil && ok(file) {
			var object map[string]any
			d.must(yaml.Unmarshal(text, &object))
			return object
		}
		if time.Now().After(deadline) {
			d.t.Fatalf("the status of %s %s is not as wanted: %v\n%s", kind, name, err, text)
		}
	}
}

// tenants are objects of each kind, in different moods.
const tenants = `
{apiVersion: coppice.dev/v1alpha1, kind: Chroot, metadata: {name: small}, spec: {description: a small root, source: {directory: {path: BASE/root}}}}
---
{apiVersion: coppice.dev/v1alpha1, kind: Chroot, metadata: {name: lost}, spec: {source: {file: {path: BASE/lost.tar}}}}
---
{apiVersion: coppice.dev/v1alpha1, kind: Profile, metadata: {name: tools}, spec: {mounts: [{type: proc}, {type: tmpfs, target: /tmp}]}}
---
{apiVersion: coppice.dev/v1alpha1, kind: Session, metadata: {name: good}, spec: {chrootRef: {name: small}, profileRef: {name: tools}, ttl: 24h, idleTimeout: 12h}}
---
{apiVersion: coppice.dev/v1alpha1, kind: Session, metadata: {name: poor}, spec: {chrootRef: {name: lost}}}
---
{apiVersion: coppice.dev/v1alpha1, kind: Session, metadata: {name: early}, spec: {chrootRef: {name: later}}}
`

// TestStatuses has the server take what coppiced tells, field by field, and kubectl
// make of it what people look for.
func TestStatuses(t *testing.T) {
	c := server(t)
	d := start(t, tenants)
	manifest, err := os.ReadFile(d.base + "/m/all.yaml")
	d.must(err)
	phase := func(want status.Phase) func(status.File) bool {
		return func(f status.File) bool { return f.Status.Phase == want && f.Status.Step == nil }
	}
	told := map[string]map[string]any{
		"session/good": d.until("Session", "good", func(f status.File) bool {
			return f.Status.Phase == status.Ready && f.Status.IdleUntil != nil
		}),
		"session/poor":   d.until("Session", "poor", phase(status.Failed)),
		"session/early":  d.until("Session", "early", phase(status.Pending)),
		"chroot/small":   d.until("Chroot", "small", phase(status.Ready)),
		"chroot/lost":    d.until("Chroot", "lost", phase(status.Failed)),
		"profile/tools":  d.until("Profile", "tools", phase(status.Ready)),
		"profile/buildd": d.until("Profile", "buildd", phase(status.Ready)), // which nobody wrote
	}
	delete(told, "profile/buildd")
	c.do(string(manifest), "create", "-f", "-")
	for name, object := range told {
		c.tell(name, object)
	}
	c.columns()
	c.do("", "wait", "--for=condition=Ready", "session/good", "--timeout=10s")
	c.do("", "wait", "--for=condition=Ready=False", "session/poor", "--timeout=10s")
	c.do("", "wait", "--for=jsonpath={.status.phase}=Failed", "chroot/lost", "--timeout=10s")
	if out := c.refused("", "wait", "--for=condition=Ready", "session/early", "--timeout=1s"); !strings.Contains(out, "timed out") {
		t.Errorf("%s", out)
	}
	// All of it at once is a manifest again.
	c.same(parsed(t, "manifest", string(manifest)), c.do("", "get", "sessions,chroots,profiles", "-o", "yaml", "--show-managed-fields"))
}

// tell writes what coppiced tells of an object into the server's, and wants all of it
// back.
func (c client) tell(name string, object map[string]any) {
	c.t.Helper()
	patch, err := json.Marshal(map[string]any{"status": object["status"]})
	if err != nil {
		c.t.Fatal(err)
	}
	if out := c.do("", "patch", name, "--subresource=status", "--type=merge", "-p", string(patch)); strings.Contains(out, "Warning") {
		c.t.Errorf("%s: %s", name, out)
	}
	var back map[string]any
	if err := json.Unmarshal([]byte(c.do("", "get", name, "-o", "json")), &back); err != nil {
		c.t.Fatal(err)
	}
	if !reflect.DeepEqual(back["status"], object["status"]) {
		now, _ := json.MarshalIndent(back["status"], "", " ")
		was, _ := json.MarshalIndent(object["status"], "", " ")
		c.t.Errorf("%s: the server has\n%s\nof what coppiced told\n%s", name, now, was)
	}
	// A status says nothing about the spec, and the other way round.
	if generation := back["metadata"].(map[string]any)["generation"]; generation != 1.0 {
		c.t.Errorf("%s: a status has made it generation %v", name, generation)
	}
}

// columns wants what kubectl get prints to be what there is to be known at a glance.
func (c client) columns() {
	c.t.Helper()
	for _, test := range []struct {
		args []string
		want []string
	}{
		{[]string{"sessions"}, []string{"NAME PHASE READY CHROOT AGE", "early Pending False later AGE", "good Ready True small AGE", "poor Failed False lost AGE"}},
		{[]string{"sessions", "-o", "wide"}, []string{"NAME PHASE READY CHROOT ROOT AGE", "early Pending False later AGE", "good Ready True small ROOT AGE", "poor Failed False lost AGE"}},
		{[]string{"chroots", "-o", "wide"}, []string{"NAME PHASE READY DESCRIPTION AGE", "lost Failed False AGE", "small Ready True a small root AGE"}},
		{[]string{"profiles"}, []string{"NAME PHASE READY AGE", "tools Ready True AGE"}},
	} {
		var got []string
		for line := range strings.Lines(c.do("", append([]string{"get"}, test.args...)...)) {
			cells := strings.Fields(line)
			if last := len(cells) - 1; len(got) > 0 {
				cells[last] = "AGE"
				if strings.HasPrefix(cells[last-1], "/") {
					cells[last-1] = "ROOT"
				}
			}
			got = append(got, strings.Join(cells, " "))
		}
		if !reflect.DeepEqual(got, test.want) {
			c.t.Errorf("kubectl get %s:\n%s\nwant\n%s", strings.Join(test.args, " "), strings.Join(got, "\n"), strings.Join(test.want, "\n"))
		}
	}
	if out := c.do("", "get", "coppice", "-o", "name"); strings.Count(out, "\n") != 6 {
		c.t.Errorf("kubectl get coppice:\n%s", out)
	}
}

// TestStatusIsChecked has the server refuse a status that none of ours is, so that
// what it takes says something.
func TestStatusIsChecked(t *testing.T) {
	c := server(t)
	c.do(session, "create", "-f", "-")
	for patch, want := range map[string]string{
		`{"status":{"phase":7}}`:                                    "status.phase: Invalid value",
		`{"status":{"phase":"Ready","leases":[{"pid":"x"}]}}`:       "status.leases[0].pid: Invalid value",
		`{"status":{"phase":"Ready","leases":[],"expires":"soon"}}`: "expires in body must be of type date-time",
	} {
		if out := c.refused("", "patch", "session", "build-1", "--subresource=status", "--type=merge", "-p", patch); !strings.Contains(out, want) {
			t.Errorf("%s: %s\nwant %q", patch, out, want)
		}
	}
	for _, kind := range schema.Kinds() {
		name := strings.ToLower(kind)
		if out := c.do("", "explain", name+".status"); !strings.Contains(out, "conditions\t<[]Object>") {
			t.Errorf("%s: %s", name, out)
		}
	}
}
