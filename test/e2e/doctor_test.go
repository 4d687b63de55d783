package e2e

import (
	"encoding/json"
	"os"
	"strings"
	"testing"
)

// TestDoctor asks on a machine where all of these tests pass.
func TestDoctor(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	// What it says of the folders that are usual depends on the machine.
	if out, code := h.try("doctor"); code > 1 || !strings.Contains(out, "not running on "+h.run) {
		t.Errorf("without a daemon: exit code %d\n%s", code, out)
	}
	h.start()
	out, code := h.try("doctor", "-o", "json")
	var told struct {
		Findings []struct{ Area, What, Level, Found, Advice string }
	}
	if err := json.Unmarshal([]byte(out), &told); err != nil || code != 0 || len(told.Findings) < 20 {
		t.Fatalf("exit code %d, %v\n%s", code, err, out)
	}
	for _, f := range told.Findings {
		if f.Level == "problem" || f.Area == "coppiced" && f.Level != "ok" || f.Level != "ok" && f.Advice == "" {
			t.Errorf("%+v", f)
		}
	}
	must(t, os.Chmod(h.manifests, 0o777))
	h.until("the doctor finds a folder that anybody may write to", func() bool {
		out, code := h.try("doctor")
		return code == 1 && strings.Contains(out, "chmod go-w "+h.manifests) && strings.Contains(out, "1 problem")
	})
	must(t, os.Chmod(h.manifests, 0o755))
	h.nothingLeft()
}
