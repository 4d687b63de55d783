package e2e

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// Users that every Debian has. Nobody has to make any for the tests.
var (
	root   = &syscall.Credential{}
	daemon = &syscall.Credential{Uid: 1, Gid: 1}
	games  = &syscall.Credential{Uid: 5, Gid: 60}
	nobody = &syscall.Credential{Uid: 65534, Gid: 65534}
	// player is nobody with a group of games.
	player = &syscall.Credential{Uid: 65534, Gid: 65534, Groups: []uint32{60}}
	// stranger is a number that the host has no name for.
	stranger = &syscall.Credential{Uid: 54321, Gid: 54321}
)

// as runs coppice as somebody.
func (h *host) as(who *syscall.Credential, args ...string) (string, int) {
	h.t.Helper()
	cmd := exec.Command(bin+"/coppice", append([]string{"--run-dir", h.run}, args...)...)
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: who}
	out, err := cmd.CombinedOutput()
	if failed, is := errors.AsType[*exec.ExitError](err); is {
		return string(out), failed.ExitCode()
	}
	must(h.t, err)
	return string(out), 0
}

// open lets everybody pass through the folders of the test.
func (h *host) open() {
	h.t.Helper()
	must(h.t, os.Chmod(filepath.Dir(h.base), 0o755))
	must(h.t, os.Chmod(h.base, 0o755))
}

func chroot(name, path, access string) string {
	return "apiVersion: coppice.dev/v1alpha1\nkind: Chroot\nmetadata: {name: " + name + "}\nspec: {source: {directory: {path: " + path + "}}, access: " + access + "}\n"
}

func TestUsers(t *testing.T) {
	h := newHost(t)
	h.open()
	path := h.furnished("root", "tar")
	h.start()
	h.write("open.yaml", chroot("open", path, "{users: [games], groups: [games], rootUsers: [daemon]}"))
	h.write("closed.yaml", chroot("closed", path, "{}"))
	h.write("shared.yaml", "apiVersion: coppice.dev/v1alpha1\nkind: Session\nmetadata: {name: shared}\nspec: {chrootRef: {name: open}}\n")
	h.ready("shared")
	h.until("there are the chroots", func() bool { _, code := h.try("get", "chroot", "closed", "open"); return code == 0 })
	whoami := []string{"exec", "shared", "--", "sh", "-c", "echo $(id -u):$(id -g):$(id -G):$USER:$HOME"}
	as := func(user string, args []string) []string {
		return append([]string{"exec", "-u", user}, args[1:]...)
	}
	check := func(who *syscall.Credential, args []string, code int, says ...string) {
		t.Helper()
		out, got := h.as(who, args...)
		if got != code {
			t.Errorf("user %d, %v: code %d, want %d: %s", who.Uid, args, got, code, out)
		}
		for _, text := range says {
			if !strings.Contains(out, text) {
				t.Errorf("user %d, %v: it does not say %q: %s", who.Uid, args, text, out)
			}
		}
	}
	for _, row := range []struct {
		who  *syscall.Credential
		args []string
		code int
		says []string
	}{
		// As themselves.
		{root, whoami, 0, []string{"0:0:0:root:/root"}},
		{games, whoami, 0, []string{"5:60:60:games:/usr/games"}},
		{player, whoami, 0, []string{"65534:65534:"}},
		{daemon, whoami, 0, []string{"1:1:1:daemon:"}},
		{nobody, whoami, 125, []string{"nobody (65534)", "chroot open", "users (games)", "groups (games)"}},
		{stranger, whoami, 125, []string{"54321"}},
		// As root.
		{root, as("root", whoami), 0, []string{"0:0:"}},
		{daemon, as("root", whoami), 0, []string{"0:0:0:root:/root"}},
		{games, as("root", whoami), 125, []string{"as root", "rootUsers (daemon)"}},
		{nobody, as("root", whoami), 125, []string{"rootUsers"}},
		// As somebody else.
		{root, as("games", whoami), 0, []string{"5:60:60:games:/usr/games"}},
		{games, as("daemon", whoami), 125, []string{"daemon"}},
		{daemon, as("games", whoami), 125, []string{"games"}},
		{root, as("nosuch", whoami), 125, []string{`"nosuch"`}},
		// What they cannot do inside either.
		{games, []string{"exec", "shared", "--", "touch", "/etc/new"}, 1, []string{"Permission denied"}},
		{games, []string{"exec", "shared", "--", "touch", "/tmp/new"}, 0, nil},
		{games, []string{"cp", "/etc/hostname", "shared:/tmp/copied"}, 0, nil},
		{games, []string{"cp", "/etc/hostname", "shared:/etc/copied"}, 1, nil},
		{games, []string{"exec", "shared", "--", "sh", "-c", "test -O /tmp/copied"}, 0, nil},
		// Sessions that are nobody's to end, and chroots that are nobody's.
		{games, []string{"end", "shared"}, 1, []string{"manifest"}},
		{games, []string{"begin", "closed"}, 1, []string{"chroot closed", "its users are empty"}},
		{games, []string{"begin", "/"}, 1, []string{"only root"}},
		{games, []string{"begin", "--profile", "default", "open"}, 1, []string{"only root"}},
		{games, []string{"begin", "none"}, 1, []string{`"none"`}},
		{nobody, []string{"begin", "open"}, 1, []string{"users (games)"}},
		{nobody, []string{"run", "open", "--", "true"}, 125, []string{"users (games)"}},
		{games, []string{"exec", "none", "--", "true"}, 125, []string{`"none"`}},
		{nobody, []string{"get", "sessions"}, 0, []string{"shared"}},
	} {
		check(row.who, row.args, row.code, row.says...)
	}

	// A session that somebody began is theirs.
	check(games, []string{"begin", "--name", "mine", "open"}, 0, "mine")
	check(games, []string{"exec", "mine", "--", "id", "-u"}, 0, "5\n")
	check(root, []string{"exec", "mine", "--", "id", "-u"}, 0, "0\n")
	for _, other := range []*syscall.Credential{daemon, player, nobody} {
		check(other, []string{"exec", "mine", "--", "true"}, 125, "belongs to", "5")
		check(other, []string{"end", "mine"}, 1, "belongs to", "5")
	}
	check(games, []string{"begin", "--name", "mine", "open"}, 1, "already")
	check(games, []string{"run", "open", "--", "sh", "-c", "exit 3"}, 3)
	check(games, []string{"ps", "mine"}, 0, "Nobody is inside")
	check(games, []string{"end", "mine"}, 0, "session/mine ended")

	// At a terminal, which is theirs too.
	p := h.sits(24, 80, games, "shell", "open")
	p.sees("$ ")
	p.types("id -u; test -w $(tty) && echo mine; exit\r")
	p.sees("5\r\n")
	p.sees("mine\r\n")
	if code := p.leaves(); code != 0 {
		t.Errorf("a shell of games: exit code %d", code)
	}
	if out := h.do("get", "sessions"); strings.Count(out, "\n") != 2 {
		t.Errorf("left:\n%s", out)
	}
	h.shell("rm m/*")
	h.gone("shared")
	h.nothingLeft()
}
