package socket

import (
	"os/exec"
	"strings"
	"testing"

	"coppice.dev/controller/socket/keeper"
)

// This test is linked with package spec and all that it needs, as the daemon is. A
// keeper must have begun before any of that is initialized.
func TestKeeperIsEarly(t *testing.T) {
	cmd := exec.Command("/proc/self/exe")
	cmd.Args = []string{keeper.Name, "session", "lease"} // which has no connection, and ends at once
	cmd.Env = []string{"GODEBUG=inittrace=1"}
	trace, err := cmd.CombinedOutput()
	if err == nil {
		t.Error("a keeper without a connection has ended well")
	}
	if !strings.Contains(string(trace), "init os @") {
		t.Fatalf("no trace of what was initialized:\n%s", trace)
	}
	for line := range strings.Lines(string(trace)) {
		name, _, _ := strings.Cut(strings.TrimPrefix(line, "init "), " ")
		for _, late := range []string{"net", "regexp", "k8s.io/", "coppice.dev/spec", "go.yaml.in/"} {
			if name == late || strings.HasSuffix(late, "/") && strings.HasPrefix(name, late) {
				t.Errorf("package %s was initialized before the keeper began", name)
			}
		}
	}
}
