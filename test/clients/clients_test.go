package clients

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// environment is that of the clients; the command of this repository is the schroot
// that is found first.
func (h *host) environment(home, user string) []string {
	return []string{"HOME=" + home, "USER=" + user, "LOGNAME=" + user, "LC_ALL=C.UTF-8", "PATH=" + h.base + "/path:/usr/bin:/bin:/usr/sbin:/sbin"}
}

// sbuilds is a client as an unprivileged user, in the work folder. It has a table of
// mounts of its own in which /usr/bin/schroot is the command of this repository.
func (h *host) sbuilds(words ...string) *exec.Cmd {
	const script = `mount --bind "$0" /usr/bin/schroot && exec setpriv --reuid sbuild --regid sbuild --init-groups "$@"`
	args := append([]string{"-m", "--propagation", "slave", "sh", "-c", script, h.base + "/bin/front"}, words...)
	cmd := exec.Command("unshare", args...)
	cmd.Dir, cmd.Env = h.base+"/work", h.environment(h.base+"/work", "sbuild")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	return cmd
}

// runs waits for a client to end well, and returns what it said.
func (h *host) runs(cmd *exec.Cmd) string {
	h.t.Helper()
	var said strings.Builder
	cmd.Stdout, cmd.Stderr = &said, &said
	must(h.t, cmd.Start())
	if err := h.ends(cmd); err != nil {
		h.t.Fatalf("%v: %v\n%s", cmd.Args, err, said.String())
	}
	return said.String()
}

// ends waits for a client that was started; it has four minutes.
func (h *host) ends(cmd *exec.Cmd) error {
	late := time.AfterFunc(4*time.Minute, func() { _ = cmd.Process.Kill() }) // it may have ended
	defer late.Stop()
	return cmd.Wait()
}

// source makes the source package, whose build takes some seconds if it is to.
func (h *host) source(seconds string) string {
	h.t.Helper()
	h.shell(`rm -f src/wait; if [ -n "$1" ]; then echo "$1" > src/wait; fi; dpkg-source -b src; mv tiny_1.0.dsc tiny_1.0.tar.xz work; chown sbuild:sbuild work/*`, seconds)
	return h.base + "/work/tiny_1.0.dsc"
}

func (h *host) sbuild(dsc string) *exec.Cmd {
	return h.sbuilds("sbuild", "-d", "bookworm", "--no-run-lintian", "--no-apt-update", "--no-apt-upgrade", "--no-apt-distupgrade", dsc)
}

// log is the last build's.
func (h *host) log() string {
	text, _ := os.ReadFile(h.base + "/work/tiny_1.0_amd64.build") // "" if there is none
	return string(text)
}

// TestClients builds a package, has its own tests run, and has it installed and
// purged.
func TestClients(t *testing.T) {
	h := newHost(t)
	h.runs(h.sbuild(h.source("")))
	if !strings.Contains(h.log(), "\nStatus: successful\n") {
		t.Fatalf("sbuild:\n%s", h.log())
	}
	deb := h.base + "/work/tiny_1.0_all.deb"
	if info, err := os.Stat(deb); err != nil || info.Sys().(*syscall.Stat_t).Uid == 0 {
		t.Fatalf("the package: %v, %v", info, err)
	}
	if out := h.front("-l", "--all-sessions"); out != "" {
		t.Errorf("sbuild left %s", out)
	}

	out := h.runs(h.sbuilds("autopkgtest", "-B", deb, h.base+"/src", "--", "schroot", "bookworm-amd64-sbuild"))
	if !strings.Contains(out, "smoke                PASS") {
		t.Errorf("autopkgtest:\n%s", out)
	}
	if out := h.front("-l", "--all-sessions"); out != "" {
		t.Errorf("autopkgtest left %s", out)
	}

	// Which is for root alone. It takes the packages to compare with from the
	// archive. The folder is one that apt-utils makes and leaves.
	piuparts := exec.Command("piuparts", "--schroot", "bookworm-piuparts", "--no-upgrade-test", "-d", "bookworm",
		"--mirror", "http://deb.debian.org/debian main", "--ignore-regex", `^/var/cache/debconf/tmp\.ci`, deb)
	piuparts.Dir, piuparts.Env = h.base+"/work", h.environment("/root", "root")
	if out := h.runs(piuparts); !strings.Contains(out, "PASS: All tests.") {
		t.Errorf("piuparts:\n%s", out)
	}
	h.nothingLeft()
}

// building waits until a build is under way.
func (h *host) building() {
	h.t.Helper()
	h.until("the package is built", 4*time.Minute, func() bool {
		list, _ := filepath.Glob("/proc/[0-9]*/cmdline")
		for _, file := range list {
			text, _ := os.ReadFile(file) // it may have ended
			if string(text) == "sleep\x006.5\x00" {
				return true
			}
		}
		return false
	})
}

// TestClientsKilled kills the daemon under a build, which goes on, and then a client
// with all that it has started, of which nothing is left.
func TestClientsKilled(t *testing.T) {
	h := newHost(t)
	dsc := h.source("6.5")
	for _, kill := range []func(build *exec.Cmd){
		func(*exec.Cmd) {
			h.end(syscall.SIGKILL)
			h.start()
		},
		func(build *exec.Cmd) { must(t, syscall.Kill(-build.Process.Pid, syscall.SIGKILL)) },
	} {
		build := h.sbuild(dsc)
		must(t, build.Start())
		h.building()
		kill(build)
		err := h.ends(build)
		if failed, is := errors.AsType[*exec.ExitError](err); is && failed.Sys().(syscall.WaitStatus).Signaled() {
			continue
		}
		if err != nil || !strings.Contains(h.log(), "\nStatus: successful\n") {
			t.Fatalf("sbuild over a daemon that was killed: %v\n%s", err, h.log())
		}
	}
	h.nothingLeft()
}
