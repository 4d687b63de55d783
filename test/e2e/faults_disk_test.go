package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"coppice.dev/status"
)

// TestFaultFullDisk fills the state folder's file system.
func TestFaultFullDisk(t *testing.T) {
	for name, options := range map[string]string{"bytes": "size=8m", "inodes": "size=64m,nr_inodes=100"} {
		t.Run(name, func(t *testing.T) {
			h := newHost(t)
			root := h.root("root")
			h.tmpfs(h.state, options)
			h.start()
			h.write("good.yaml", session("good", directory(root)))
			h.ready("good")
			full := func() { h.fill(h.state) }
			if name == "inodes" {
				full = func() {
					h.shell("i=0; mkdir -p state/ballast; while touch state/ballast/$i 2>/dev/null; do i=$((i+1)); done")
				}
			}
			full()
			h.write("late.yaml", session("late", directory(root)))
			tells(t, h.because("late", "NoSpace"), h.state, "free ")
			h.write("lost.yaml", session("lost", directory(root)))
			h.because("lost", "NoSpace")
			// While they are tried again the table says what is being done.
			h.until("the table says why", func() bool { return strings.Contains(h.do("get", "sessions"), "NoSpace: ") })
			h.works("good")
			// Where the daemon takes back what it could not finish there is room again, for
			// whoever comes first.
			tries := 0
			h.until("nothing can be written to a full layer", func() bool {
				full()
				tries++
				_, code := h.try("exec", "good", "--", "sh", "-c", fmt.Sprintf("echo much > /new%[1]d; sync; test -s /new%[1]d", tries))
				return code != 0
			})
			h.works("good")
			h.kill()
			h.start() // on the full disk
			h.works("good")
			h.because("late", "NoSpace")
			h.remove("lost.yaml")
			h.gone("lost")
			h.shell("rm -r state/ballast")
			h.ready("late")
			full()
			h.shell("rm m/*")
			h.gone("good", "late")
			h.shell("rm -r state/ballast")
			h.nothingLeft()
		})
	}
}

// TestFaultFullDiskOfItsOwn has a real disk under the state folder.
func TestFaultFullDiskOfItsOwn(t *testing.T) {
	h := newHost(t)
	root := h.root("root")
	h.disk(h.state, "8M", "errors=continue")
	h.start()
	h.write("good.yaml", session("good", directory(root)))
	h.ready("good")
	h.fill(h.state)
	h.write("late.yaml", session("late", directory(root)))
	tells(t, h.because("late", "NoSpace"), h.state, "free ")
	h.works("good")
	h.shell("rm m/*")
	h.gone("good", "late")
	h.empty(h.state)
	h.write("good.yaml", session("good", directory(root)))
	h.ready("good")
	h.shell("rm m/*")
	h.gone("good")
	h.nothingLeft()
}

// TestFaultQuota uses up the quota that holds for the state folder.
func TestFaultQuota(t *testing.T) {
	h := newHost(t)
	root := h.root("root")
	image := filepath.Join(t.TempDir(), "disk")
	h.shell("truncate -s 128M " + image + "; mkfs.btrfs -q " + image + "; mkdir disk; mount -o loop " + image + " disk")
	h.given = append(h.given, h.base+"/disk", h.state)
	h.shell("btrfs -q subvolume create disk/state >/dev/null; btrfs quota enable disk; mkdir state; mount --bind disk/state state")
	h.start()
	h.write("good.yaml", session("good", directory(root)))
	h.ready("good")
	h.shell("btrfs qgroup limit 1M disk/state")
	h.fill(h.state)
	h.shell("sync -f state; i=0; while [ $i -lt 2000 ] && echo some > state/ballast$i; do i=$((i+1)); done 2>/dev/null; true")
	h.write("late.yaml", session("late", directory(root)))
	tells(t, h.because("late", "NoSpace"), "quota")
	h.works("good")
	h.shell("btrfs qgroup limit none disk/state; rm state/ballast*")
	h.ready("late")
	h.shell("rm m/*")
	h.gone("good", "late")
	h.nothingLeft()
}

// TestFaultFullDiskUnpacking has too little room for an archive: what was
// unpacked of it must not stay in the way.
func TestFaultFullDiskUnpacking(t *testing.T) {
	h := newHost(t)
	root := h.root("root")
	h.shell("cp -a root big; head -c 6M /dev/urandom > big/data; tar -C big -cf big.tar .; tar -C big -c . | xz -0 > big.tar.xz")
	h.tmpfs(h.state, "size=6m")
	h.start()
	h.write("good.yaml", session("good", directory(root)))
	h.ready("good")
	h.write("big.yaml", session("big", "source: {file: {path: "+h.base+"/big.tar}}"))
	h.write("xz.yaml", session("xz", "source: {file: {path: "+h.base+"/big.tar.xz}}"))
	for _, name := range []string{"big", "xz"} {
		tells(t, h.because(name, "NoSpace"), "big.tar", "free ", "state folder")
	}
	h.works("good")
	h.remove("xz.yaml")
	h.gone("xz")
	must(t, unix.Mount("", h.state, "", unix.MS_REMOUNT, "size=64m"))
	h.ready("big")
	h.works("big")
	h.shell("rm m/*")
	h.gone("good", "big")
	h.nothingLeft()
}

// TestFaultFullDiskWhileHooksRun has a hook that fills the disk that the journal
// is on: what was done cannot be noted.
func TestFaultFullDiskWhileHooksRun(t *testing.T) {
	h := newHost(t)
	root := h.root("root")
	h.tmpfs(h.state, "size=1m")
	must(t, os.WriteFile(h.base+"/hook", []byte("#!/bin/sh\ntest ! -e "+h.base+"/full || cat /dev/zero > "+h.state+"/ballast 2>/dev/null\necho ran >> "+h.base+"/ran\n"), 0o755))
	must(t, os.WriteFile(h.base+"/full", nil, 0o644))
	h.start()
	h.write("good.yaml", session("good", directory(root)))
	h.ready("good")
	h.write("s.yaml", session("s", directory(root), "profile:", "  hooks:",
		"  - {name: fill, phase: setup, command: ["+h.base+"/hook]}",
		"  - {name: more, phase: setup, command: ["+h.base+"/hook]}"))
	tells(t, h.because("s", "NoSpace"), "journal", h.state, "free ")
	h.works("good")
	must(t, os.Remove(h.base+"/full"))
	h.shell("rm -f state/ballast")
	h.ready("s")
	must(t, os.WriteFile(h.base+"/full", nil, 0o644))
	h.fill(h.state)
	h.shell("rm m/*")
	h.gone("s", "good")
	h.nothingLeft()
}

// TestFaultFullRunFolder leaves no room for statuses and manifests.
func TestFaultFullRunFolder(t *testing.T) {
	h := newHost(t)
	root := h.root("root")
	h.tmpfs(h.run, "size=512k")
	h.start()
	h.write("good.yaml", session("good", directory(root)))
	h.ready("good")
	h.fill(h.run)
	must(t, os.WriteFile(h.base+"/asked.yaml", []byte(session("asked", directory(root))), 0o644))
	out, code := h.try("apply", "-f", h.base+"/asked.yaml")
	if code == 0 {
		t.Errorf("apply with no room: %s", out)
	}
	tells(t, out, "no space left on device", h.run+"/manifests", "free ")
	if left, err := os.ReadDir(h.run + "/manifests"); err != nil || len(left) > 0 {
		t.Errorf("left by apply: %v, %v", left, err)
	}
	h.write("late.yaml", session("late", directory(root)))
	h.until("the missing room is told", func() bool { return h.logged("no space left on device") })
	h.until("the session stands", func() bool { _, err := os.Stat(h.run + "/sessions/late/root/etc/motd"); return err == nil })
	h.works("good")
	h.kill()
	h.start() // in the full folder
	h.works("good")
	h.empty(h.run)
	h.ready("late")
	h.do("apply", "-f", h.base+"/asked.yaml")
	h.ready("asked")
	h.fill(h.run)
	h.do("delete", "session", "asked")
	h.shell("rm m/*")
	h.gone("good", "late", "asked")
	h.empty(h.run)
	h.nothingLeft()
}

// TestFaultReadOnlyState has a state folder that cannot be written, from the
// start and from some time on.
func TestFaultReadOnlyState(t *testing.T) {
	h := newHost(t)
	root := h.root("root")
	h.tmpfs(h.state, "size=8m")
	h.start()
	h.write("good.yaml", session("good", directory(root)))
	h.write("gone.yaml", session("gone", directory(root)))
	h.ready("good", "gone")
	h.shell("mount --bind state state; " + readOnly("state", "remount,bind,ro"))
	h.write("late.yaml", session("late", directory(root)))
	tells(t, h.because("late", "ReadOnly"), h.state, "read-only", "mount -o remount,rw ")
	h.works("good")
	h.remove("gone.yaml")
	s := h.is("gone", "told of", func(s status.Status) bool {
		return s.Phase == status.Terminating && s.Condition(status.ConditionReady).Reason == "ReadOnly"
	})
	tells(t, s.Condition(status.ConditionReady).Message, "read-only", "mount -o remount,rw ")
	h.kill()
	out, err := h.command("--once").CombinedOutput()
	if err == nil {
		t.Errorf("it started on a state folder that cannot be written")
	}
	tells(t, string(out), h.state, "read-only", "mount -o remount,rw ")
	must(t, unix.Unmount(h.state, 0))
	h.start()
	h.gone("gone")
	h.ready("late", "good")
	h.works("good")
	h.shell("rm m/*")
	h.gone("good", "late")
	h.nothingLeft()
}

// TestFaultReadOnlyRun has a run-time folder that cannot be written when the
// daemon starts, and when somebody applies something.
func TestFaultReadOnlyRun(t *testing.T) {
	h := newHost(t)
	root := h.root("root")
	h.start()
	h.write("good.yaml", session("good", directory(root)))
	h.ready("good")
	must(t, os.WriteFile(h.base+"/asked.yaml", []byte(session("asked", directory(root))), 0o644))
	// Private, since the detaching below would reach the originals of what is shown twice.
	h.shell("mount --rbind run run; mount --make-rprivate run; " + readOnly("run", "remount,bind,ro"))
	out, code := h.try("apply", "-f", h.base+"/asked.yaml")
	if code == 0 {
		t.Errorf("apply to a read-only folder: %s", out)
	}
	tells(t, out, "read-only", "mount -o remount,rw ")
	h.works("good")
	h.kill()
	text, err := h.command("--once").CombinedOutput()
	if err == nil {
		t.Errorf("it started on a run-time folder that cannot be written")
	}
	tells(t, string(text), h.run, "read-only", "mount -o remount,rw ")
	must(t, unix.Unmount(h.run, unix.MNT_DETACH))
	h.start()
	h.works("good")
	h.shell("rm m/*")
	h.gone("good")
	h.nothingLeft()
}
