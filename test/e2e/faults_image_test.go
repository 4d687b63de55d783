package e2e

import (
	"os"
	"strings"
	"testing"

	"coppice.dev/status"
)

// TestFaultImageCut cuts an image short under a session: reading it fails.
func TestFaultImageCut(t *testing.T) {
	for _, kind := range []string{"squashfs", "ext4"} {
		t.Run(kind, func(t *testing.T) {
			h := newHost(t)
			root := h.root("root")
			h.shell("head -c 3M /dev/urandom > root/data")
			if kind == "squashfs" {
				h.shell("mksquashfs root image -quiet -no-progress")
			} else {
				h.shell("truncate -s 16M image; mkfs.ext4 -q -d root image")
			}
			h.shell("rm root/data; cp -p --sparse=always image whole")
			h.start()
			h.write("good.yaml", session("good", directory(root)))
			h.write("cut.yaml", session("cut", "source: {loopback: {path: "+h.base+"/image}}"))
			h.ready("good", "cut")
			h.shell("truncate -s 64K image")
			h.shell("echo 1 > /proc/sys/vm/drop_caches") // what was read stays in memory otherwise
			h.until("reading fails", func() bool {
				out, code := h.try("exec", "cut", "--", "cat", "/data")
				return code != 0 && !strings.Contains(out, "not ready")
			})
			s := h.is("cut", "told of", func(s status.Status) bool { return s.Phase == status.Degraded })
			tells(t, s.Condition(status.ConditionStalled).Message, h.base+"/image", "cut to 65536 bytes", "put the image back", "recreate")
			if out := h.do("get", "sessions", "-o", "wide"); !strings.Contains(out, "cut to 65536 bytes") {
				t.Errorf("get sessions:\n%s", out)
			}
			h.works("good")
			h.write("next.yaml", session("next", "source: {loopback: {path: "+h.base+"/image}}"))
			h.is("next", "told of", func(s status.Status) bool { return s.Phase == status.Failed })
			h.shell("cat whole > image")
			h.ready("cut", "next")
			h.shell("truncate -s 64K image")
			h.is("cut", "told of", func(s status.Status) bool { return s.Phase == status.Degraded })
			h.kill()
			h.start()
			h.is("cut", "told of", func(s status.Status) bool { return s.Phase == status.Degraded })
			h.remove("next.yaml")
			h.remove("cut.yaml")
			h.gone("next", "cut")
			h.shell("rm m/*")
			h.gone("good")
			h.nothingLeft()
		})
	}
}

// TestFaultImageReplaced puts another image in the place of one that is in use.
func TestFaultImageReplaced(t *testing.T) {
	h := newHost(t)
	h.root("root")
	h.shell("mksquashfs root image -quiet -no-progress; echo other > root/etc/motd; mksquashfs root other -quiet -no-progress; echo small > root/etc/motd")
	h.start()
	h.write("old.yaml", session("old", "source: {loopback: {path: "+h.base+"/image}}"))
	h.ready("old")
	must(t, os.Rename(h.base+"/other", h.base+"/image"))
	h.write("new.yaml", session("new", "source: {loopback: {path: "+h.base+"/image}}"))
	h.ready("new")
	h.works("old")
	if got := h.exec("new", "cat /etc/motd"); got != "other\n" {
		t.Errorf("a session of the new image says %q", got)
	}
	h.kill()
	h.start()
	h.works("old")
	h.shell("rm m/*")
	h.gone("old", "new")
	h.nothingLeft()
}

// TestFaultImageCorrupt has images whose superblocks are fine and whose rest is
// not.
func TestFaultImageCorrupt(t *testing.T) {
	h := newHost(t)
	root := h.root("root")
	h.shell(`
mksquashfs root squashfs -quiet -no-progress; truncate -s 4K squashfs
truncate -s 16M ext4; mkfs.ext4 -q -d root ext4; dd if=/dev/urandom of=ext4 bs=1K seek=2 count=64 conv=notrunc status=none
truncate -s 128M btrfs; mkfs.btrfs -q --rootdir root btrfs 2>/dev/null; truncate -s 1M btrfs`)
	h.start()
	h.write("good.yaml", session("good", directory(root)))
	h.ready("good")
	for _, kind := range []string{"squashfs", "ext4", "btrfs"} {
		h.write(kind+".yaml", session(kind, "source: {loopback: {path: "+h.base+"/"+kind+"}}"))
		tells(t, h.because(kind, "WrongFileSystem"), h.base+"/"+kind)
	}
	h.works("good")
	// Each try has one for a moment.
	h.until("no loop device stays", func() bool { return h.loops() == 0 })
	h.shell("rm squashfs; mksquashfs root squashfs -quiet -no-progress")
	h.ready("squashfs")
	h.shell("rm m/*")
	h.gone("good", "squashfs", "ext4", "btrfs")
	h.nothingLeft()
}

// TestFaultImageCutWhileWritten cuts an image that a session writes to: what was
// written can go nowhere, and the session must end all the same.
func TestFaultImageCutWhileWritten(t *testing.T) {
	h := newHost(t)
	root := h.root("root")
	h.shell("truncate -s 16M image; mkfs.ext4 -q -d root image")
	h.start()
	h.write("good.yaml", session("good", directory(root)))
	h.write("cut.yaml", session("cut", "source: {loopback: {path: "+h.base+"/image}}, union: {type: none}"))
	h.ready("good", "cut")
	h.exec("cut", "cat /bin/busybox /bin/busybox > /new; touch /etc/new") // not on disk yet
	h.shell("truncate -s 64K image")
	h.is("cut", "told of", func(s status.Status) bool { return s.Phase == status.Degraded })
	h.works("good")
	h.remove("cut.yaml")
	h.gone("cut")
	h.works("good")
	h.shell("rm m/*")
	h.gone("good")
	h.nothingLeft()
}
