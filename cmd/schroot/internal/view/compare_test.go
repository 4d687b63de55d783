package view

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"coppice.dev/cmd/schroot/internal/names"
)

// TestAgainstSchroot compares with the command itself, where it is installed: what
// is written down in testdata may be of another version.
func TestAgainstSchroot(t *testing.T) {
	const command = "/usr/bin/schroot"
	version, err := exec.Command(command, "--version").Output()
	if os.Getuid() != 0 || err != nil || !strings.HasPrefix(string(version), "schroot (Debian sbuild) ") {
		t.Skip("schroot is not installed, or this is not root")
	}
	etc := t.TempDir()
	text := golden(t, "schroot.conf")
	if err := os.WriteFile(filepath.Join(etc, "schroot.conf"), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(etc, "chroot.d"), 0o755); err != nil {
		t.Fatal(err)
	}
	// Of the files that the configuration names some must be there.
	inside := `mount --bind "$1" /etc/schroot && mount -t tmpfs -o mode=755 none /srv && touch /srv/x.img /srv/x.tar.gz && shift && exec "$@"`
	says := func(args ...string) string {
		t.Helper()
		cmd := exec.Command("unshare", append([]string{"-m", "--propagation", "private", "sh", "-c", inside, "sh", etc, command}, args...)...)
		cmd.Dir, cmd.Env = "/", []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C"}
		var errOut bytes.Buffer
		cmd.Stderr = &errOut
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("schroot %v: %v\n%s", args, err, errOut.String())
		}
		return string(out)
	}
	var listed []string
	for line := range strings.Lines(says("--list")) {
		listed = append(listed, strings.TrimSpace(line))
	}
	all := Collect(facts())
	var want []string
	for _, n := range all.Names(true, names.Chroot, names.Source) {
		want = append(want, n.String())
	}
	if !slices.Equal(listed, want) {
		t.Errorf("--list: schroot says %v, this %v", listed, want)
	}
	same(t, Info(facts()), withoutInnerPaths(says("--info")))
	same(t, Config(facts(), time.Now()), says("--config"))
	for _, f := range facts() {
		n := f.String()
		same(t, Info([]Facts{f}), withoutInnerPaths(says("--info", "-c", n)))
		same(t, Config([]Facts{f}, time.Now()), says("--config", "-c", n))
		if got := says("--location", "-c", n); f.Location == "" && got != f.Path+"\n" {
			t.Errorf("--location of %s: schroot says %q, this %q", n, got, f.Path)
		}
	}
}

// withoutInnerPaths leaves out what is no path of the host: schroot tells for one
// what is a path inside of an image.
func withoutInnerPaths(text string) string {
	lines := strings.Split(text, "\n")
	return strings.Join(slices.DeleteFunc(lines, func(line string) bool {
		return strings.HasPrefix(line, "  Path ") && strings.HasSuffix(line, " /root")
	}), "\n")
}
