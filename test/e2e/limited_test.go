package e2e

import (
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"coppice.dev/status"
)

// limit returns what is told of the object of a session that has a limit.
func limit(s status.Status) status.Object {
	for _, o := range s.Objects {
		if o.Limit > 0 {
			return o
		}
	}
	return status.Object{}
}

// TestLimitedUpper fills what a session may write, has it told of, cuts the power and
// takes all of it away.
func TestLimitedUpper(t *testing.T) {
	h := newHost(t)
	root := h.root("root")
	of := func(size string) string { return session("a", directory(root)+", union: {upper: {size: "+size+"}}") }
	h.write("a.yaml", of("32Mi"))
	h.write("b.yaml", session("b", directory(root)))
	h.start()
	h.ready("a", "b")
	if o := limit(h.status("a")); o.Kind != "Store" || o.Limit < 24<<20 || o.Limit > 32<<20 || o.Used >= o.Limit/2 {
		t.Errorf("it is told of as %+v", o)
	}
	h.exec("a", "echo kept >/kept; sync")
	out, code := h.try("exec", "a", "--", "busybox", "dd", "if=/dev/zero", "of=/much", "bs=1M", "count=40")
	if code == 0 || !strings.Contains(out, "No space left") {
		t.Errorf("40 MiB went into 32: exit code %d\n%s", code, out)
	}
	full := h.is("a", "full", func(s status.Status) bool {
		c := s.Condition(status.ConditionStalled)
		return s.Phase == status.Degraded && c != nil && c.Reason == "NoSpace"
	})
	if c := full.Condition(status.ConditionStalled); !strings.Contains(c.Message, "MiB") || !strings.Contains(c.Message, "union.upper.size") {
		t.Errorf("it says %q", c.Message)
	}
	if all := h.do("get", "sessions", "-o", "wide"); !strings.Contains(all, "MiB of ") || !strings.Contains(all, "UPPER") {
		t.Errorf("the table says\n%s", all)
	}
	h.works("b") // whose writes are its own business
	h.exec("a", "rm /much")
	h.ready("a")
	h.kill()
	// What it may not take in place, it says.
	h.write("a.yaml", of("16Mi"))
	h.start()
	told := h.is("a", "not as its manifest says", func(s status.Status) bool {
		c := s.Condition(status.ConditionUpToDate)
		return c != nil && c.Status == "False"
	})
	if c := told.Condition(status.ConditionUpToDate); c.Reason != "RecreateRequired" || !strings.Contains(c.Message, "union.upper.size") {
		t.Errorf("smaller: %s: %s", c.Reason, c.Message)
	}
	may, err := unix.PrctlRetInt(unix.PR_CAPBSET_READ, unix.CAP_SYS_RESOURCE, 0, 0, 0)
	must(t, err)
	if may == 1 { // the kernel asks for it
		h.write("a.yaml", of("64Mi"))
		h.is("a", "larger", func(s status.Status) bool { return limit(s).Limit > 48<<20 && s.Phase == status.Ready })
	} else {
		h.write("a.yaml", of("32Mi"))
	}
	h.powerCut()
	h.start()
	h.ready("a", "b")
	if got := h.exec("a", "cat /kept"); got != "kept\n" {
		t.Errorf("after a power cut it holds %q", got)
	}
	if o := limit(h.status("a")); o.Limit < 24<<20 {
		t.Errorf("after a power cut it is told of as %+v", o)
	}
	h.remove("a.yaml")
	h.remove("b.yaml")
	h.gone("a", "b")
	if left, err := os.ReadDir(h.run + "/stores"); err != nil || len(left) > 0 {
		t.Errorf("left among the stores: %v, %v", left, err)
	}
	h.nothingLeft()
}
