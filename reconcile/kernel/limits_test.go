package kernel_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/resource"

	"coppice.dev/reconcile/object"
	"coppice.dev/spec"
)

// limitFiles are where the two versions of cgroups have limits.
var limitFiles = map[string][]string{
	"memory": {"memory.max", "memory.limit_in_bytes"},
	"pids":   {"pids.max"},
	"cpu":    {"cpu.max", "cpu.cfs_quota_us"},
}

// limit reads what the kernel was told; "" if it was told nothing.
func (h *host) limit(session, controller string) string {
	h.t.Helper()
	id, err := os.ReadFile(h.layout.ID())
	must(h.t, err)
	for _, file := range limitFiles[controller] {
		for _, pattern := range []string{"/sys/fs/cgroup/coppice-", "/sys/fs/cgroup/*/coppice-"} {
			found, err := filepath.Glob(pattern + strings.TrimSpace(string(id)) + "/" + session + "/" + file)
			must(h.t, err)
			for _, path := range found {
				text, err := os.ReadFile(path)
				must(h.t, err)
				return strings.TrimSpace(string(text))
			}
		}
	}
	return ""
}

func TestLimits(t *testing.T) {
	h := newHost(t)
	s := programs(inline(spec.Source{Directory: &spec.DirectorySource{Path: h.root("root")}}, nil))
	limited := func(memory, cpu string, pids int64) []object.Object {
		s.Limits = &spec.Limits{}
		if memory != "" {
			s.Limits.Memory = new(resource.MustParse(memory))
		}
		if cpu != "" {
			s.Limits.CPU = new(resource.MustParse(cpu))
		}
		if pids > 0 {
			s.Limits.PIDs = &pids
		}
		return h.session("s", s).Objects
	}
	note := func(desired []object.Object) string {
		for _, o := range h.kernel.Observe(h.ctx(), desired[0].Owner, desired).Objects {
			if o.Kind == object.KindProcesses {
				return o.Note
			}
		}
		return ""
	}
	for _, c := range []struct {
		memory, cpu string
		pids        int64
		want        map[string][]string // as version 2 says it, and version 1
	}{
		{"", "", 0, nil},
		{"64Mi", "1500m", 40, map[string][]string{"memory": {"67108864"}, "pids": {"40"}, "cpu": {"150000 100000", "150000"}}},
		{"64000001", "", 30, map[string][]string{"memory": {"63996000", "63995904", "64000000"}, "pids": {"30"}, "cpu": {"max 100000", "-1"}}},
		{"", "", 0, map[string][]string{"memory": {"max", "9223372036854771712"}, "pids": {"max"}, "cpu": {"max 100000", "-1"}}},
	} {
		desired := limited(c.memory, c.cpu, c.pids)
		h.to(desired[0].Owner, desired)
		if steps := h.to(desired[0].Owner, desired); len(steps) > 0 {
			t.Errorf("%+v: not at rest: %v", c, steps)
		}
		if text := note(desired); text != "" && !strings.Contains(text, "not enforced") {
			t.Errorf("%+v: note %q", c, text)
		} else if text != "" {
			t.Skip("this machine cannot limit all: " + text)
		}
		for controller, want := range c.want {
			got := h.limit("s", controller)
			if !slices.Contains(want, got) {
				t.Errorf("%+v: the kernel's limit of %s is %q, want one of %q", c, controller, got, want)
			}
		}
	}

	// Somebody changes one by hand: it is put right.
	desired := limited("64Mi", "", 35)
	h.to(desired[0].Owner, desired)
	id, err := os.ReadFile(h.layout.ID())
	must(t, err)
	found, err := filepath.Glob("/sys/fs/cgroup/*/coppice-" + strings.TrimSpace(string(id)) + "/s/pids.max")
	must(t, err)
	if len(found) == 1 {
		must(t, os.WriteFile(found[0], []byte("7"), 0))
		if steps := h.to(desired[0].Owner, desired); len(steps) != 1 || h.limit("s", "pids") != "35" {
			t.Errorf("after it was changed: %v, and it is %q", steps, h.limit("s", "pids"))
		}
	}

	// A command that was let in is bound by it.
	cmd, l := h.let("s", "echo $$ > /etc/pid; while ! test -e /etc/go; do sleep 0.01; done; x=$(head -c 96M /dev/zero | tr '\\0' x); echo done > /etc/done")
	view := h.layout.View("s") + "/etc/"
	until(t, "the command runs", func() bool { _, err := os.Stat(view + "pid"); return err == nil })
	for _, file := range l.Tasks { // a keeper's thread writes itself into them
		must(t, os.WriteFile(file, []byte(strconv.Itoa(cmd.Process.Pid)), 0))
	}
	h.inside("s", func() error { return os.WriteFile("/etc/go", nil, 0o644) })
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	select {
	case <-ended:
	case <-time.After(time.Minute):
		t.Error("it has not ended")
		_ = cmd.Process.Kill()
		<-ended
	}
	if _, err := os.Stat(view + "done"); err == nil {
		t.Error("it had 96 MB of memory where 64 MiB are allowed")
	}

	// All of it goes with the session, also when only the groups are left.
	h.to(desired[0].Owner, nil)
	for controller := range limitFiles {
		if got := h.limit("s", controller); got != "" {
			t.Errorf("after the session went: %s %q", controller, got)
		}
	}
	for controller := range limitFiles {
		old := filepath.Join("/sys/fs/cgroup", controller, "coppice-"+strings.TrimSpace(string(id)))
		if _, err := os.Stat(old); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("left: %s, %v", old, err)
		}
	}
}
