package main

import (
	"os/exec"
	"strings"
	"testing"

	"coppice.dev/controller/socket/wire"
	"coppice.dev/test/built"
)

// TestExecIsEarly runs a command with this very program, which is linked with all that
// coppice needs.
func TestExecIsEarly(t *testing.T) {
	d := newDaemon(t)
	cmd := exec.CommandContext(t.Context(), "/proc/self/exe")
	cmd.Args = []string{"coppice", "--run-dir", d.runDir, "exec", "full", "--", "sh", "-c", "echo inside; exit 3"}
	cmd.Env = []string{"GODEBUG=inittrace=1"}
	var out, trace strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &trace
	if err := cmd.Run(); cmd.ProcessState.ExitCode() != 3 || out.String() != "inside\n" {
		t.Errorf("said %q, %v", out.String(), err)
	}
	found, err := built.Initialized(trace.String(), "net", "net/http", "crypto/tls", "regexp", "main", "k8s.io/apimachinery/", "coppice.dev/spec", "go.yaml.in/", "sigs.k8s.io/", "github.com/spf13/")
	if err != nil {
		t.Fatalf("%v:\n%s", err, trace.String())
	}
	for _, name := range found {
		t.Errorf("package %s was initialized before the command ran", name)
	}
}

// TestWhatIsAskedOnce says that what the early client was answered is not asked for again.
func TestWhatIsAskedOnce(t *testing.T) {
	d := newDaemon(t)
	for _, row := range []struct {
		command string
		code    int
		says    string
	}{
		{"true", 0, ""},
		{"exit 7", 7, ""},
		{"kill -KILL $$", 137, ""},
		{"", 127, "coppice: "},
	} {
		args := []string{"exec", "full", "--", "sh", "-c", row.command}
		if row.command == "" {
			args = []string{"exec", "full", "--", "no-such-program"}
		}
		before := len(d.commands())
		out, errOut, code := d.coppice(args...)
		if out != "" || !strings.HasPrefix(errOut, row.says) || row.command == "true" && errOut != "" || code != row.code {
			t.Errorf("%q: %q, %q, code %d", row.command, out, errOut, code)
		}
		if n := len(d.commands()) - before; n != 1 {
			t.Errorf("%q: it was asked for %d times", row.command, n)
		}
	}
	d.asked()
	d.refuses(&wire.Error{Reason: "Forbidden", Message: "not you"})
	_, errOut, code := d.coppice("exec", "full", "--", "true")
	if asked := d.asked(); len(asked) != 1 || errOut != "coppice: not you\n" || code != exitNotRun {
		t.Errorf("refused: %q, code %d, asked for %q", errOut, code, asked)
	}
}
