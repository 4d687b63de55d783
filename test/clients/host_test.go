// Package clients has real programs that call schroot use Coppice: sbuild,
// autopkgtest and piuparts of Debian, on a root file system of Debian bookworm,
// with the command of this repository in the place of schroot.
//
// The root file system is made once and kept in COPPICE_CLIENTS_CACHE, or in the
// user's cache folder.
package clients

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"coppice.dev/reconcile/kernel/mounttable"
)

// host is a private prefix with a daemon, a chroot and a work folder.
type host struct {
	t      *testing.T
	base   string
	daemon *exec.Cmd
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// bare is what piuparts is to use. It walks all of a root's tree and tells of each
// change: what a sysfs shows changes by itself.
const bare = `apiVersion: coppice.dev/v1alpha1
kind: Profile
metadata: {name: bare}
spec:
  mounts: [{type: proc}, {type: dev}, {type: devpts}, {type: shm}]
  copyFiles: [/etc/resolv.conf, /etc/hosts]
  nssDatabases: [passwd, shadow, group, gshadow]
---
apiVersion: coppice.dev/v1alpha1
kind: Chroot
metadata: {name: bookworm-piuparts}
spec:
  source: {file: {path: ARCHIVE}}
  profileRef: {name: bare}
`

// idle is how long the test's sessions last while nobody is inside.
const idle = "15s"

func newHost(t *testing.T) *host {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("needs root")
	}
	if testing.Short() {
		t.Skip("takes a minute")
	}
	for _, tool := range []string{"sbuild", "autopkgtest", "piuparts", "mmdebstrap", "schroot", "dpkg-source"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Fatalf("%v; make deps installs it", err)
		}
	}
	archive := debian(t)
	base, err := filepath.EvalSymlinks(t.TempDir())
	must(t, err)
	must(t, os.Chmod(filepath.Dir(base), 0o755))
	must(t, os.Chmod(base, 0o755))
	h := &host{t: t, base: base}
	t.Cleanup(h.clean)
	build := exec.Command("go", "build", "-o", base+"/bin/", "./cmd/...")
	build.Dir, build.Env = "../..", append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	must(t, os.Mkdir(base+"/m", 0o755))
	must(t, os.WriteFile(base+"/m/bare.yaml", []byte(strings.Replace(bare, "ARCHIVE", archive, 1)), 0o644))
	// sbuild asks for chroots with an environment that is all but empty.
	must(t, os.WriteFile(base+"/bin/front", []byte("#!/bin/sh\nCOPPICE_RUN_DIR="+base+"/run exec "+base+"/bin/schroot \"$@\"\n"), 0o755))
	must(t, os.Mkdir(base+"/path", 0o755))
	must(t, os.Symlink(base+"/bin/front", base+"/path/schroot"))
	h.shell("install -d -o sbuild -g sbuild work build; cp -r $1/testdata/tiny src; chown -R sbuild:sbuild src", folder(t))
	h.start()
	h.imported(archive)
	return h
}

// imported has sbuild-createchroot configure a chroot, as for schroot, and imports
// that. Where builds are done is a folder of the test's own.
func (h *host) imported(archive string) {
	h.t.Helper()
	out := h.shell(`cp -r /etc/schroot schroot; cp -r /etc/sbuild sbuild; rm -f schroot/chroot.d/*
		sed -i "s,^/var/lib/sbuild/build,$PWD/build," schroot/sbuild/fstab
		unshare -m --propagation slave sh -ec '
			mount --bind schroot /etc/schroot; mount --bind sbuild /etc/sbuild; mount --bind bin/front /usr/bin/schroot
			sbuild-createchroot --setup-only --make-sbuild-tarball="$PWD/bookworm.tar" --alias=bookworm-sbuild bookworm "$PWD/none" http://deb.debian.org/debian'
		ln -s "$1" bookworm.tar
		bin/coppice import schroot "$PWD/schroot" --idle-timeout "$2" -o m`, archive, idle)
	h.until("there is the chroot", 15*time.Second, func() bool { return strings.Contains(h.front("-l"), "chroot:bookworm-amd64-sbuild") })
	if h.t.Failed() {
		h.t.Log(out)
	}
}

func folder(t *testing.T) string {
	t.Helper()
	here, err := os.Getwd()
	must(t, err)
	return here
}

// debian returns an archive with a root file system of Debian bookworm for building
// packages.
func debian(t *testing.T) string {
	t.Helper()
	cache := os.Getenv("COPPICE_CLIENTS_CACHE")
	if cache == "" {
		own, err := os.UserCacheDir()
		if err != nil { // no home
			own = "/var/cache"
		}
		cache = filepath.Join(own, "coppice-clients")
	}
	must(t, os.MkdirAll(cache, 0o755))
	lock, err := os.OpenFile(filepath.Join(cache, "lock"), os.O_CREATE|os.O_RDWR, 0o644)
	must(t, err)
	defer lock.Close()
	must(t, unix.Flock(int(lock.Fd()), unix.LOCK_EX))
	archive := filepath.Join(cache, "bookworm-1.tar") // another number for another root
	if _, err := os.Stat(archive); err == nil {
		return archive
	}
	t.Log("making a root file system of Debian bookworm")
	fresh := filepath.Join(cache, "new.tar")
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "mmdebstrap", "--variant=buildd", "--include=apt-utils,fakeroot", "bookworm", fresh, "http://deb.debian.org/debian")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("mmdebstrap: %v\n%s", err, out)
	}
	must(t, os.Rename(fresh, archive))
	return archive
}

func (h *host) shell(script string, args ...string) string {
	h.t.Helper()
	cmd := exec.Command("sh", append([]string{"-ec", script, "sh"}, args...)...)
	cmd.Dir = h.base
	out, err := cmd.CombinedOutput()
	if err != nil {
		h.t.Fatalf("%s: %v\n%s", script, err, out)
	}
	return string(out)
}

func (h *host) command(more ...string) *exec.Cmd {
	return exec.Command(h.base+"/bin/coppiced", append([]string{"--manifest-dir", h.base + "/m", "--state-dir", h.base + "/state", "--run-dir", h.base + "/run", "--resync", "1s"}, more...)...)
}

func (h *host) start() {
	h.t.Helper()
	log, err := os.OpenFile(h.base+"/log", os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	must(h.t, err)
	defer log.Close()
	h.daemon = h.command()
	h.daemon.Stderr = log
	must(h.t, h.daemon.Start())
	h.until("the daemon answers", 15*time.Second, func() bool { return strings.Contains(h.front("-l"), "chroot:bookworm-piuparts") })
}

func (h *host) end(s syscall.Signal) {
	if h.daemon == nil {
		return
	}
	_ = h.daemon.Process.Signal(s) // it may have ended
	_ = h.daemon.Wait()            // by that signal
	h.daemon = nil
}

// front calls schroot as root; what goes wrong is its answer.
func (h *host) front(words ...string) string {
	cmd := exec.Command(h.base+"/bin/front", words...)
	cmd.Dir = "/"
	out, _ := cmd.CombinedOutput() // whoever looks at it sees that it is none
	return string(out)
}

func (h *host) until(what string, limit time.Duration, ok func() bool) {
	h.t.Helper()
	for deadline := time.Now().Add(limit); !ok(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			h.t.Fatalf("waiting until %s: %s is over", what, limit)
		}
	}
}

// clean ends the daemon and takes away what a failed test left.
func (h *host) clean() {
	h.end(syscall.SIGKILL)
	if h.t.Failed() {
		text, _ := os.ReadFile(h.base + "/log") // as far as there is one
		h.t.Logf("the daemon's log:\n%s", text)
	}
	table, err := mounttable.Host()
	must(h.t, err)
	for _, e := range mounttable.Below(table, h.base) {
		_ = unix.Unmount(e.Mountpoint, unix.MNT_DETACH) // some go with others
	}
}

// nothingLeft ends the daemon and wants the host as it was.
func (h *host) nothingLeft() {
	h.t.Helper()
	h.until("no session is left", time.Minute, func() bool { return h.front("-l", "--all-sessions") == "" })
	h.end(syscall.SIGTERM)
	if out, err := h.command("--once").CombinedOutput(); err != nil {
		h.t.Errorf("the last sweep: %v\n%s", err, out)
	}
	table, err := mounttable.Host()
	must(h.t, err)
	for _, e := range mounttable.Below(table, h.base) {
		h.t.Errorf("left mounted: %s", e.Mountpoint)
	}
	for _, name := range []string{"/state/sessions", "/state/bases", "/state/trash", "/run/ns", "/run/sessions", "/run/manifests"} {
		if left, err := os.ReadDir(h.base + name); err == nil && len(left) > 0 {
			h.t.Errorf("left in %s: %v", name, left)
		}
	}
	out, err := exec.Command("pgrep", "-f", h.base).Output()
	if _, none := errors.AsType[*exec.ExitError](err); !none {
		h.t.Errorf("processes are left: %s", out)
	}
}
