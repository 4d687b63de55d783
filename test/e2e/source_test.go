package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"coppice.dev/status"
)

// full is a profile that has something to say about everything in a root.
const full = `apiVersion: coppice.dev/v1alpha1
kind: Profile
metadata: {name: full}
spec:
  mounts:
  - {type: proc}
  - {type: dev}
  - {type: tmpfs, target: /nowhere/at/all}
  - {type: bind, source: /etc, target: /missing}
  copyFiles: [/etc/hostname, /etc/passwd, /etc/motd]
  nssDatabases: [passwd, group]
`

// golden is a manifest of a chroot with the profile full.
func golden(name, source string) string {
	return "apiVersion: coppice.dev/v1alpha1\nkind: Chroot\nmetadata: {name: " + name + "}\nspec:\n" +
		"  source: {" + source + "}\n  profileRef: {name: full}\n" +
		"  access: {users: [games], source: {users: [nobody], rootUsers: [daemon]}}\n"
}

// listing is all that is to be seen of a tree, times included.
func (h *host) listing(path string) string {
	h.t.Helper()
	return h.shell("cd " + path + `; find . -printf '%p %y %m %U:%G %s %T@ %l\n' | sort; find . -type f -exec md5sum {} + | sort`)
}

// TestTheSourceOfEveryKind opens each kind of source, and finds in it what was
// written, and nothing else.
func TestTheSourceOfEveryKind(t *testing.T) {
	h := newHost(t)
	root := h.root("root")
	h.shell("rm root/etc/passwd root/etc/group 2>/dev/null || true; echo golden > root/etc/hostname; ln -s /run/none root/etc/link")
	h.shell("cp -a root plain; truncate -s 32M root.ext4; mkfs.ext4 -q -d root root.ext4; mkdir seen pool")
	h.shell("truncate -s 128M pool.img; mkfs.btrfs -q pool.img 2>/dev/null; mount -o loop pool.img pool; btrfs -q subvolume create pool/small >/dev/null; cp -a root/. pool/small")
	t.Cleanup(func() {
		for _, mount := range []string{"/pool", "/seen"} {
			_ = unix.Unmount(h.base+mount, 0) // it may be unmounted already
		}
	})
	h.start()
	h.write("p.yaml", full)
	sources := map[string]string{
		"folder": "directory: {path: " + root + "}",
		"plain":  "plain: {path: " + h.base + "/plain}",
		"image":  "loopback: {path: " + h.base + "/root.ext4}",
		"btrfs":  "btrfsSnapshot: {subvolume: " + h.base + "/pool/small}",
	}
	for name, source := range sources {
		manifest := golden(name, source)
		if name == "plain" {
			manifest = strings.Replace(manifest, "  profileRef: {name: full}\n", "", 1)
		}
		h.write(name+".yaml", manifest)
	}
	h.until("there are the chroots", func() bool { _, code := h.try("get", "chroot", "folder", "plain", "image", "btrfs"); return code == 0 })
	see := func(name string) (listing string) {
		switch name {
		case "folder":
			return h.listing(root)
		case "plain":
			return h.listing(h.base + "/plain")
		case "btrfs":
			return h.listing(h.base + "/pool/small")
		}
		// A device of its own: mount(8) would take the one that the base is mounted
		// from, and older ones refuse to mount that again.
		// What the session had mounted goes when the last who looks at it has gone,
		// and only then is its journal written back.
		h.shell("d=$(losetup --find --show --read-only root.ext4); for i in $(seq 100); do mount -o ro $d seen 2>/dev/null && exit; sleep 0.1; done; losetup -d $d; exit 1")
		defer h.shell("d=$(findmnt -no SOURCE seen); umount seen; losetup -d $d")
		return h.listing(h.base + "/seen")
	}
	for _, name := range []string{"folder", "plain", "image", "btrfs"} {
		before := see(name)
		// What only looks changes nothing.
		const look = "cat /etc/motd; test -e /proc/self/stat && echo proc; test -e /missing && echo made; true"
		want := "small\nproc\n"
		if name == "plain" {
			want = "small\n"
		}
		host, err := os.ReadFile("/etc/motd")
		if name != "plain" && err == nil { // it is shown in the place of the root's own
			want = strings.Replace(want, "small\n", string(host), 1)
		}
		if got := h.do("run", "--source", name, "--", "sh", "-c", look); got != want {
			t.Errorf("%s: inside %q, want %q", name, got, want)
		}
		if after := see(name); after != before {
			t.Errorf("%s: a session that only looked has left something:\n%s\nit was\n%s", name, after, before)
		}
		h.do("run", "--source", name, "--", "sh", "-c", "echo new > /etc/new; mkdir /missing; touch /missing/mine; ls /missing")
		h.do("run", name, "--", "sh", "-c", "test $(cat /etc/new) = new; echo lost > /etc/new")
		if got := h.do("run", name, "--", "sh", "-c", "cat /etc/new"); got != "new\n" && name != "plain" {
			t.Errorf("%s: what was written is %q", name, got)
		}
		if after := see(name); !strings.Contains(after, "./missing/mine") {
			t.Errorf("%s: what was made in the source is not there:\n%s", name, after)
		}
		if out := h.do("get", "sessions"); strings.Contains(out, "run-") {
			t.Errorf("%s: left: %s", name, out)
		}
	}
	h.shell("rm m/*; umount pool")
	h.nothingLeft()
}

func TestASourceIsOpenedAlone(t *testing.T) {
	h := newHost(t)
	h.open()
	root := h.root("root")
	h.shell("ln -s root alias; mkdir bound; mount --bind root bound; mksquashfs root root.sqfs -quiet -no-progress")
	t.Cleanup(func() { _ = unix.Unmount(h.base+"/bound", 0) }) // it may be unmounted already
	h.given = []string{h.base + "/bound"}
	h.start()
	h.write("p.yaml", full)
	h.write("c.yaml", golden("deb", "directory: {path: "+root+"}"))
	h.write("d.yaml", golden("again", "directory: {path: "+h.base+"/alias/}"))
	h.write("e.yaml", golden("bound", "directory: {path: "+h.base+"/bound}"))
	h.write("f.yaml", golden("squashed", "loopback: {path: "+h.base+"/root.sqfs}"))
	h.until("there are the chroots", func() bool {
		_, code := h.try("get", "chroot", "deb", "again", "bound", "squashed")
		return code == 0
	})
	says := func(out string, code, want int, parts ...string) {
		t.Helper()
		if code != want {
			t.Errorf("exit code %d, want %d: %s", code, want, out)
		}
		for _, part := range parts {
			if !strings.Contains(out, part) {
				t.Errorf("it does not say %q: %s", part, out)
			}
		}
	}
	h.do("begin", "--name", "fix", "--source", "deb")
	for _, chroot := range []string{"deb", "again", "bound"} {
		out, code := h.try("run", "--no-wait", chroot, "--", "sh", "-c", ":")
		says(out, code, 125, "session fix has the source", "open for writing")
	}
	out, code := h.try("run", "--no-wait", "--source", "again", "--", "sh", "-c", ":")
	says(out, code, 125, "session fix has to do with it")
	out, code = h.try("begin", "--no-wait", root)
	says(out, code, 1, "session fix")
	h.do("run", "/", "--", "sh", "-c", ":")   // the host itself changes all the time
	h.until("the chroot tells", func() bool { // a little later, so that many sessions cost it one look
		return strings.Contains(h.do("get", "chroots"), "session fix has its source open")
	})
	says(h.do("describe", "chroot", "deb"), 0, 0, "Source open:", "fix")
	says(h.do("describe", "session", "fix"), 0, 0, "Writes to:", "the source of its chroot")

	// Who waits gets it when the other has gone.
	waiting := exec.Command(bin+"/coppice", "--run-dir", h.run, "run", "--name", "next", "again", "--", "cat", "/etc/done")
	var heard strings.Builder
	waiting.Stdout, waiting.Stderr = &heard, &heard
	must(t, waiting.Start())
	h.because("next", "SourceOpen")
	says2, code := h.try("why", "next")
	says(says2, code, 1, "session fix has the source", "coppice end")
	h.exec("fix", "echo done > /etc/done")
	h.do("end", "fix")
	if err := waiting.Wait(); err != nil || !strings.HasSuffix(heard.String(), "done\n") || !strings.Contains(heard.String(), "session fix") {
		t.Errorf("who waited: %v: %s", err, heard.String())
	}

	// The other way round, and a third who comes after.
	h.do("begin", "--name", "user", "bound")
	out, code = h.try("run", "--no-wait", "--source", "deb", "--", "sh", "-c", ":")
	says(out, code, 125, "session user has to do with it")
	h.do("begin", "--wait=false", "--name", "fix", "--source", "deb")
	says(h.because("fix", "SourceInUse"), 0, 0, "session user")
	h.do("begin", "--wait=false", "--name", "late", "deb")
	says(h.because("late", "SourceOpen"), 0, 0, "session fix waits to open")
	h.do("end", "user")
	h.ready("fix")
	says(h.because("late", "SourceOpen"), 0, 0, "session fix has the source")
	h.do("end", "fix")
	h.ready("late")
	h.do("end", "late")

	// Who may.
	out, code = h.as(games, "run", "--source", "deb", "--", "sh", "-c", ":")
	says(out, code, 125, "opens its source", "access.source.users (nobody)")
	out, code = h.as(games, "run", "deb", "--", "cat", "/etc/hostname")
	says(out, code, 0)
	out, code = h.as(nobody, "run", "deb", "--", "sh", "-c", ":")
	says(out, code, 125, "not in its users (games)")
	h.shell("mkdir root/theirs; chown 65534 root/theirs")
	out, code = h.as(nobody, "run", "--source", "deb", "--", "touch", "/theirs/file")
	says(out, code, 0)
	out, code = h.as(nobody, "run", "--source", "-u", "root", "deb", "--", "sh", "-c", ":")
	says(out, code, 125, "as root", "access.source.rootUsers (daemon)")
	out, code = h.as(daemon, "run", "--source", "-u", "root", "deb", "--", "touch", "/etc/by-root")
	says(out, code, 0)
	for _, file := range []string{"/theirs/file", "/etc/by-root"} {
		if _, err := os.Stat(root + file); err != nil {
			t.Errorf("what was written is not in the source: %v", err)
		}
	}
	if log, _ := os.ReadFile(h.log); !strings.Contains(string(log), `"source": true`) && !strings.Contains(string(log), "source=true") {
		t.Error("the log does not tell that the source was opened")
	}
	out, code = h.as(daemon, "run", "--source", h.base+"/root", "--", "sh", "-c", ":")
	says(out, code, 125, "only root")

	// What cannot be.
	out, code = h.try("run", "--source", "squashed", "--", "sh", "-c", ":")
	says(out, code, 125, "squashfs cannot be written to")
	out, code = h.try("run", "--source", "/", "--", "sh", "-c", ":")
	says(out, code, 125, "host's own root")
	h.shell("umount bound; rm m/*")
	h.nothingLeft()
}

// TestTheSourceIsNeverTakenAway kills the daemon at one point after the other of
// a session's life with its source, loses what it remembers, and has all swept:
// the source stays as it is.
func TestTheSourceIsNeverTakenAway(t *testing.T) {
	h := newHost(t)
	root := h.root("root")
	h.write("p.yaml", full)
	h.write("c.yaml", golden("deb", "directory: {path: "+root+"}"))
	before := h.listing(root)
	manifest := func(name string, more string) string {
		return fmt.Sprintf("apiVersion: coppice.dev/v1alpha1\nkind: Session\nmetadata: {name: %s}\nspec: {chrootRef: {name: deb}%s}\n", name, more)
	}
	alone := func(say string) {
		t.Helper()
		h.write("z.yaml", manifest("other", ""))
		if why := h.because("other", "SourceOpen"); !strings.Contains(why, "fix") {
			t.Errorf("%s: it is not said who has it: %s", say, why)
		}
		h.remove("z.yaml")
		h.gone("other")
	}
	for _, lose := range []string{"", "record", "manifest", "pin", "all"} {
		h.start()
		h.write("fix.yaml", manifest("fix", ", openSource: true"))
		h.ready("fix")
		h.exec("fix", "cat /etc/motd")
		h.kill()
		switch lose {
		case "record":
			must(t, os.WriteFile(h.state+"/sessions/fix/record.json", nil, 0o600))
		case "manifest":
			h.remove("fix.yaml")
		case "pin":
			h.shell("umount run/ns/fix/*")
		case "all":
			must(t, os.WriteFile(h.state+"/sessions/fix/record.json", nil, 0o600))
			h.remove("fix.yaml")
		}
		if _, err := os.Stat(h.manifests + "/fix.yaml"); err == nil {
			h.start()
			alone("lost: " + lose)
			h.ready("fix")
			h.kill()
			h.remove("fix.yaml")
		}
		h.start()
		h.gone("fix")
		h.kill()
		if after := h.listing(root); after != before {
			t.Fatalf("lost %q: the source is not as it was:\n%s\nit was\n%s", lose, after, before)
		}
	}
	// While something of it still stands, it is not grown from.
	h.start()
	h.write("fix.yaml", manifest("fix", ", openSource: true, deletionPolicy: Wait"))
	h.ready("fix")
	inside := exec.Command(bin+"/coppice", "--run-dir", h.run, "exec", "fix", "--", "sh", "-c", "echo up; cat")
	input, err := inside.StdinPipe()
	must(t, err)
	var heard strings.Builder
	inside.Stdout = &heard
	must(t, inside.Start())
	h.is("fix", "in use", func(s status.Status) bool { return len(s.Leases) > 0 })
	h.kill()
	h.remove("fix.yaml")
	h.start()
	h.is("fix", "waiting for those inside", func(s status.Status) bool { return s.Phase == status.Terminating })
	alone("those inside are waited for")
	must(t, input.Close())
	must(t, inside.Wait())
	h.gone("fix")
	h.do("run", "deb", "--", "sh", "-c", ":")
	if after := h.listing(root); after != before {
		t.Errorf("the source is not as it was:\n%s\nit was\n%s", after, before)
	}
	h.until("the trash is empty", func() bool {
		left, err := filepath.Glob(h.state + "/trash/*")
		return err == nil && len(left) == 0
	})
	h.nothingLeft()
}
