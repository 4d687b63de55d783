package socket

import (
	"os/exec"
	"testing"

	"coppice.dev/controller/socket/keeper"
	"coppice.dev/test/built"
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
	found, err := built.Initialized(string(trace), "net", "regexp", "k8s.io/", "coppice.dev/spec", "go.yaml.in/")
	if err != nil {
		t.Fatalf("%v:\n%s", err, trace)
	}
	for _, name := range found {
		t.Errorf("package %s was initialized before the keeper began", name)
	}
}
