package e2e

import (
	"os"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// device attaches an image to a block device of the test's own.
func (h *host) device(image string) string {
	h.t.Helper()
	path := strings.TrimSpace(h.shell("losetup --find --show " + image))
	h.t.Cleanup(func() { h.shell("losetup --detach " + path + " 2>/dev/null || true") }) // it may be detached already
	return path
}

// detach wants devices to be as they were, and used by nobody.
func (h *host) detach(devices ...string) {
	h.t.Helper()
	for _, device := range devices {
		h.shell("losetup " + device + " && losetup --detach " + device)
		h.until("nobody holds "+device, func() bool { return h.shell("losetup "+device+" 2>/dev/null || true") == "" })
	}
}

// TestBlockDevice has sessions on one block device: two that put an overlay on it,
// and one that has it alone.
func TestBlockDevice(t *testing.T) {
	h := newHost(t)
	h.root("root")
	h.shell("truncate -s 32M a.img; mkfs.ext4 -q -d root a.img; truncate -s 32M b.img; mkfs.ext4 -q -d root b.img; mkfs.erofs c.img root >/dev/null")
	shared, own, packed := h.device("a.img"), h.device("b.img"), h.device("c.img")
	h.shell("ln -s " + own + " by-name")
	h.start()
	h.write("a.yaml", session("a", "source: {blockDevice: {path: "+shared+"}}"))
	h.write("b.yaml", session("b", "source: {blockDevice: {path: "+shared+", fsType: ext4, mountOptions: [noatime]}}"))
	h.write("c.yaml", session("c", "source: {blockDevice: {path: "+h.base+"/by-name}}, union: {type: none}"))
	h.write("d.yaml", session("d", "source: {blockDevice: {path: "+packed+"}}, union: {type: none}"))
	h.ready("a", "b", "c", "d")
	for _, name := range []string{"a", "b", "c"} {
		if got := h.exec(name, "cat /etc/motd; echo "+name+" > /etc/motd"); got != "small\n" {
			t.Errorf("%s: %q", name, got)
		}
	}
	// It is had alone by who writes to it, whatever name leads there.
	h.write("e.yaml", session("e", "source: {blockDevice: {path: "+own+"}}"))
	tells(t, h.because("e", "SourceHeld"), "session", "c")
	h.kill()
	h.start()
	h.ready("a", "b", "c", "d")
	for _, name := range []string{"a", "b", "c"} {
		if got := h.exec(name, "cat /etc/motd"); got != name+"\n" {
			t.Errorf("%s, after a kill: %q", name, got)
		}
	}
	// The mount of the shared one is taken away, and comes back.
	at := strings.TrimSpace(h.shell("findmnt -rno TARGET --source " + shared + " | grep disks/base | head -1"))
	h.shell("umount " + at)
	h.until("it is mounted again", func() bool { return h.shell("findmnt -no TARGET "+at+" || true") != "" })
	h.remove("c.yaml")
	h.gone("c")
	h.ready("e")
	if got := h.exec("e", "cat /etc/motd"); got != "c\n" {
		t.Errorf("what was written to the device: %q", got)
	}
	h.shell("rm m/*")
	h.gone("a", "b", "d", "e")
	h.end(syscall.SIGTERM)
	h.sweep()
	h.detach(shared, own, packed)
	h.nothingLeft()
}

// TestPartition has a session alone on a partition, by such a link as udev makes in
// /dev/disk, while others share the one beside it.
func TestPartition(t *testing.T) {
	h := newHost(t)
	h.root("root")
	h.shell("truncate -s 24M disk.img; truncate -s 10M part.img; mkfs.ext4 -q -d root part.img; mkdir by-id\n" +
		"for mb in 1 11; do dd if=part.img of=disk.img bs=1M seek=$mb conv=notrunc status=none; done")
	disk := h.device("--partscan disk.img")
	// The kernel is told of them: not each can read tables.
	h.shell("addpart " + disk + " 1 2048 20480; addpart " + disk + " 2 22528 20480")
	h.shell("ln -s $(realpath --relative-to=by-id " + disk + "p1) by-id/own; ln -s " + disk + "p2 by-id/shared")
	h.start()
	own, shared := "source: {blockDevice: {path: "+h.base+"/by-id/own}}, union: {type: none}", "source: {blockDevice: {path: "+h.base+"/by-id/shared}}"
	h.write("a.yaml", session("a", own))
	h.write("b.yaml", session("b", shared))
	h.write("c.yaml", session("c", shared))
	h.ready("a", "b", "c")
	h.write("d.yaml", session("d", strings.Replace(own, h.base+"/by-id/own", disk+"p1", 1)))
	tells(t, h.because("d", "SourceHeld"), "session", "a")
	h.exec("a", "echo mine > /etc/motd")
	h.remove("a.yaml")
	h.gone("a")
	h.ready("d")
	for name, want := range map[string]string{"d": "mine\n", "b": "small\n", "c": "small\n"} {
		if got := h.exec(name, "cat /etc/motd"); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	h.shell("rm m/*")
	h.gone("b", "c", "d")
	h.end(syscall.SIGTERM)
	h.sweep()
	h.detach(disk)
	h.nothingLeft()
}

// TestBlockDeviceThatWillNotDo is told in words, and works once it does.
func TestBlockDeviceThatWillNotDo(t *testing.T) {
	h := newHost(t)
	h.root("root")
	h.shell("truncate -s 32M a.img; mkfs.ext4 -q -d root a.img; cp a.img d.img; truncate -s 1M empty.img; truncate -s 8M disk.img; printf 'label: gpt\nstart=2048, size=2048\n' | sfdisk -q disk.img; mkdir mnt")
	mounted, empty, parts := h.device("a.img"), h.device("empty.img"), h.device("disk.img")
	h.shell("mount " + mounted + " mnt")
	t.Cleanup(func() { _ = unix.Unmount(h.base+"/mnt", 0) }) // it may be unmounted already
	h.start()
	for _, c := range []struct {
		name, source, reason string
		words                []string
	}{
		{"none", "path: /dev/no-such", "SourceMissing", []string{"/dev/no-such", "lsblk"}},
		{"file", "path: " + h.base + "/a.img", "SourceUnusable", []string{"no block device", "loopback"}},
		{"zero", "path: /dev/zero", "SourceUnusable", []string{"no block device"}},
		{"empty", "path: " + empty, "WrongFileSystem", []string{"no file system", "lsblk -f"}},
		{"parts", "path: " + parts, "WrongFileSystem", []string{"disk with partitions", "lsblk " + parts}},
		{"type", "path: " + mounted + ", fsType: xfs", "WrongFileSystem", []string{"holds ext4, not xfs"}},
	} {
		h.write(c.name+".yaml", session(c.name, "source: {blockDevice: {"+c.source+"}}"))
		tells(t, h.because(c.name, c.reason), c.words...)
		h.remove(c.name + ".yaml")
	}
	h.write("s.yaml", session("s", "source: {blockDevice: {path: "+mounted+"}}, union: {type: none}"))
	tells(t, h.because("s", "SourceHeld"), mounted, "somebody else uses it at "+h.base+"/mnt", "overlay")
	h.shell("umount mnt")
	h.ready("s")
	// Somebody mounts over it, and it goes only when he is out of the way.
	at := strings.TrimSpace(h.shell("findmnt -rno TARGET --source " + mounted + " | grep disks/base | head -1"))
	h.shell("mount -t tmpfs mine " + at + "; touch " + at + "/precious")
	t.Cleanup(func() { _ = unix.Unmount(at, unix.MNT_DETACH) }) // it may be unmounted already
	h.remove("s.yaml")
	h.gone("s")
	h.end(syscall.SIGTERM)
	if out, err := h.command("--once").CombinedOutput(); err == nil || !strings.Contains(string(out), "unmount it: umount "+at) {
		t.Errorf("a sweep with something in the way: %v\n%s", err, out)
	}
	if _, err := os.Stat(at + "/precious"); err != nil {
		t.Errorf("what somebody mounted: %v", err)
	}
	h.shell("umount " + at)
	h.sweep()
	h.detach(mounted, empty, parts)
	h.nothingLeft()
}
