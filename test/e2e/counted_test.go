package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"coppice.dev/status"
)

// counting mounts a file system that counts projects where the state folder is to be;
// it skips the test where the kernel has none.
func (h *host) counting(mkfs, options string) {
	h.t.Helper()
	must(h.t, os.MkdirAll(h.state, 0o755))
	image := filepath.Join(h.t.TempDir(), "disk")
	h.shell("truncate -s 320M " + image + "; " + mkfs + " " + image)
	if out, err := exec.Command("mount", "-o", "loop,"+options, image, h.state).CombinedOutput(); err != nil {
		line, _, _ := strings.Cut(string(out), "\n")
		h.t.Skipf("this kernel does not mount it with %s: %s", options, line)
	}
	h.given = append(h.given, h.state)
}

// TestCountedUpper is TestLimitedUpper where the file system counts what a session
// writes: it fills what a session may write, has it told of, makes that larger and
// smaller, cuts the power and takes all of it away.
func TestCountedUpper(t *testing.T) {
	for name, mkfs := range map[string]string{"ext4": "mkfs.ext4 -q -O quota,project", "xfs": "mkfs.xfs -q"} {
		t.Run(name, func(t *testing.T) {
			h := newHost(t)
			root := h.root("root")
			h.counting(mkfs, "prjquota")
			of := func(size string) string {
				return session("a", directory(root)+", union: {upper: {size: "+size+"}}")
			}
			h.write("a.yaml", of("32Mi"))
			h.write("b.yaml", session("b", directory(root)))
			h.start()
			h.ready("a", "b")
			if o := limit(h.status("a")); o.Kind != "Quota" || o.Limit != 32<<20 || o.Used >= o.Limit/2 {
				t.Errorf("it is told of as %+v", o)
			}
			if left, err := os.ReadDir(h.run + "/stores"); err != nil || len(left) > 0 {
				t.Errorf("among the stores: %v, %v", left, err)
			}
			h.exec("a", "echo kept >/kept; sync")
			out, code := h.try("exec", "a", "--", "busybox", "dd", "if=/dev/zero", "of=/much", "bs=1M", "count=40")
			if code == 0 || !strings.Contains(out, "No space left") && !strings.Contains(out, "quota exceeded") {
				t.Errorf("40 MiB went into 32: exit code %d\n%s", code, out)
			}
			full := h.is("a", "full", func(s status.Status) bool {
				c := s.Condition(status.ConditionStalled)
				return s.Phase == status.Degraded && c != nil && c.Reason == "NoSpace"
			})
			if c := full.Condition(status.ConditionStalled); !strings.Contains(c.Message, "of 32.0 MiB") || !strings.Contains(c.Message, "union.upper.size") {
				t.Errorf("it says %q", c.Message)
			}
			h.works("b") // whose writes are its own business
			h.write("a.yaml", of("128Mi"))
			h.is("a", "larger", func(s status.Status) bool { return limit(s).Limit == 128<<20 && s.Phase == status.Ready })
			h.exec("a", "rm /much")
			h.write("a.yaml", of("16Mi"))
			h.is("a", "smaller", func(s status.Status) bool { return limit(s).Limit == 16<<20 && s.Phase == status.Ready })
			h.powerCut()
			h.start()
			h.ready("a", "b")
			if got := h.exec("a", "cat /kept"); got != "kept\n" {
				t.Errorf("after a power cut it holds %q", got)
			}
			if o := limit(h.status("a")); o.Limit != 16<<20 {
				t.Errorf("after a power cut it is told of as %+v", o)
			}
			h.remove("a.yaml")
			h.remove("b.yaml")
			h.gone("a", "b")
			h.nothingLeft()
		})
	}
}
