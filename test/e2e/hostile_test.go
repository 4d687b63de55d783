package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"coppice.dev/status"
)

// asNobody runs a program of the host as a user with no rights.
func asNobody(args ...string) (string, error) {
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: nobody}
	out, err := cmd.CombinedOutput()
	return strings.TrimSpace(string(out)), err
}

// TestNobodyGainsByARoot on the host: whoever made an archive or an image may have put
// into it a set-uid program, or a device that anybody may write to.
func TestNobodyGainsByARoot(t *testing.T) {
	h := newHost(t)
	for _, folder := range []string{h.base, filepath.Dir(h.base)} { // as /run and /var/lib are
		must(t, os.Chmod(folder, 0o755))
	}
	root := h.root("evil")
	id, err := exec.LookPath("id")
	must(t, err)
	h.shell("cp " + id + " evil/bin/id; chmod 4755 evil/bin/id; mknod -m 0666 evil/zero c 1 5; tar -C evil -cf evil.tar .; " +
		"truncate -s 32M evil.img; mkfs.ext4 -q -d evil evil.img; debugfs -w -R 'mknod zero2 c 1 5' evil.img 2>/dev/null; chmod 0755 evil evil.tar evil.img")
	// It is worth something: where nothing keeps them from it, people do gain.
	if got, err := asNobody(root+"/bin/id", "-u"); err != nil || got != "0" {
		t.Fatalf("a set-uid program on this machine says %q, %v", got, err)
	}
	h.write("m.yaml", session("archive", "source: {file: {path: "+h.base+"/evil.tar}}")+
		"---\n"+session("image", "source: {loopback: {path: "+h.base+"/evil.img}}")+
		"---\n"+session("tree", directory(root), "expose: Tree"))
	h.start()
	h.ready("archive", "image", "tree")
	for _, name := range []string{"archive", "image", "tree"} {
		view := h.is(name, "to be seen", func(s status.Status) bool { return s.Root != "" }).Root
		if got, err := asNobody(view+"/bin/id", "-u"); err != nil || got == "0" {
			t.Errorf("%s: a set-uid program of the root says on the host: %q, %v", name, got, err)
		}
		if _, err := os.Stat(view + "/zero"); err != nil {
			t.Errorf("%s: there is no device: %v", name, err)
		}
		if got, err := asNobody("head", "-c", "1", view+"/zero"); err == nil || !strings.Contains(got, "ermission denied") {
			t.Errorf("%s: a device of the root on the host: %q, %v", name, got, err)
		}
		// Inside it is a device like any other.
		h.exec(name, "test -c /zero && busybox head -c 1 /zero >/dev/null")
	}
	// Nor past the views.
	for _, folder := range []string{h.run + "/bases", h.run + "/disks", h.run + "/leases", h.state + "/bases", h.state + "/sessions", h.state + "/trash"} {
		if got, err := asNobody("ls", folder+"/"); err == nil {
			t.Errorf("everybody can look into %s: %s", folder, got)
		}
		var st unix.Stat_t
		if err := unix.Stat(folder, &st); err != nil || st.Mode&0o077 != 0 {
			t.Errorf("%s: mode %o, %v", folder, st.Mode, err)
		}
	}
	h.remove("m.yaml")
	h.gone("archive", "image", "tree")
	h.nothingLeft()
}

// TestFoldersOfOthers are refused: what lies there is believed.
func TestFoldersOfOthers(t *testing.T) {
	h := newHost(t)
	must(t, os.Mkdir(h.state, 0o755))
	must(t, os.Chown(h.state, int(nobody.Uid), int(nobody.Gid)))
	out, err := h.command("--once").CombinedOutput()
	if err == nil || !strings.Contains(string(out), "chown root "+h.state) {
		t.Errorf("with a state folder of somebody's: %v\n%s", err, out)
	}
	must(t, os.Chown(h.state, 0, 0))
	if out, err := h.command("--once").CombinedOutput(); err != nil {
		t.Errorf("with one of root's: %v\n%s", err, out)
	}
}

// TestWhatIsShownOnTerminals holds nothing that terminals obey, whatever those inside
// call their commands.
func TestWhatIsShownOnTerminals(t *testing.T) {
	h := newHost(t)
	h.write("m.yaml", session("s", directory(h.root("r"))))
	h.start()
	h.ready("s")
	const evil = "\x1b]0;owned\x07\r\u009b2J\u202e"
	inside := exec.Command(bin+"/coppice", "--run-dir", h.run, "exec", "s", "--", "sh", "-c", "sleep 100; : "+evil)
	must(t, inside.Start())
	defer func() {
		_ = inside.Process.Kill()
		_ = inside.Wait() // killed
	}()
	h.is("s", "entered", func(s status.Status) bool { return len(s.Leases) > 0 })
	for _, args := range [][]string{{"ps"}, {"describe", "session", "s"}, {"get", "sessions", "-o", "yaml"}, {"get", "sessions", "-o", "wide"}, {"events"}, {"tree", "s"}} {
		out := h.do(args...)
		if strings.ContainsAny(out, "\x1b\x07\r\u009b\u202e") {
			t.Errorf("coppice %s: %q", strings.Join(args, " "), out)
		}
	}
	if text, err := os.ReadFile(h.run + "/status/session/s.yaml"); err != nil || !strings.Contains(string(text), "owned") {
		t.Errorf("the command is told nowhere: %v\n%s", err, text)
	}
	h.remove("m.yaml")
	h.gone("s")
	h.nothingLeft()
}
