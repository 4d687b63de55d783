package cluster

import (
	"os"
	"os/exec"
	"strings"
	"testing"
)

// TestDocument runs what docs/kubernetes.md tells people to type, and has Coppice take
// the file that comes of it.
func TestDocument(t *testing.T) {
	c := server(t)
	text, err := os.ReadFile(root + "/docs/kubernetes.md")
	if err != nil {
		t.Fatal(err)
	}
	const first = "```sh\ncoppice schema -o crd | kubectl apply -f -\n"
	_, block, found := strings.Cut(string(text), first)
	block, _, closed := strings.Cut(first[len("```sh\n"):]+block, "\n```\n")
	const folder = "/etc/coppice/manifests.d"
	if !found || !closed || !strings.Contains(block, folder) {
		t.Fatalf("the commands are not where they were: %s", block)
	}
	mine := t.TempDir()
	cmd := exec.CommandContext(t.Context(), "bash", "-euo", "pipefail", "-c", strings.ReplaceAll(block, folder, mine))
	cmd.Dir = root
	cmd.Env = []string{"HOME=" + home, "PATH=" + commands + ":" + os.Getenv(programs) + ":" + os.Getenv("PATH")}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s\n%s", err, block, out)
	}
	c.coppice("", "validate", mine)
	copied, err := os.ReadFile(mine + "/sessions.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if len(parsed(t, "sessions.yaml", string(copied))) == 0 {
		t.Errorf("no session was copied:\n%s", copied)
	}
}
