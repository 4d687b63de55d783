package e2e

import (
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// TestEveryArchiveAndImage grows a session from the same small root in every
// packing there is.
func TestEveryArchiveAndImage(t *testing.T) {
	h := newHost(t)
	h.root("root")
	h.shell(`
tar -C root -cf root.tar .
gzip -k root.tar; xz -k -0 root.tar; zstd -q root.tar; bzip2 -k root.tar; lz4 -q root.tar root.tar.lz4
mksquashfs root squashfs.img -quiet -no-progress
mkfs.erofs erofs.img root >/dev/null
truncate -s 32M ext4.img; mkfs.ext4 -q -d root ext4.img
truncate -s 128M btrfs.img; mkfs.btrfs -q --rootdir root btrfs.img 2>/dev/null
truncate -s 320M xfs.img; mkfs.xfs -q xfs.img
mkdir mnt; mount -o loop xfs.img mnt; cp -a root/. mnt; umount mnt
{ head -c 1M /dev/zero; cat squashfs.img; } > offset.img
{ head -c 1M /dev/zero; cat ext4.img; head -c 1M /dev/zero; } > disk.img
printf 'label: gpt\nstart=2048, size=65536\n' | sfdisk -q disk.img
truncate -s 128M pool.img; mkfs.btrfs -q pool.img 2>/dev/null; mkdir pool
`)
	h.shell("mount -o loop pool.img pool; btrfs -q subvolume create pool/small >/dev/null; cp -a root/. pool/small")
	t.Cleanup(func() { _ = unix.Unmount(h.base+"/pool", 0) }) // it may be unmounted already
	h.start()
	var all []string
	add := func(name, source string) {
		h.write(name+".yaml", session(name, "source: {"+source+"}"))
		all = append(all, name)
	}
	for _, packing := range []string{"", ".gz", ".xz", ".zst", ".bz2", ".lz4"} {
		add("tar"+strings.ReplaceAll(packing, ".", "-"), "file: {path: "+h.base+"/root.tar"+packing+"}")
	}
	for _, kind := range []string{"ext4", "xfs", "btrfs", "squashfs", "erofs"} {
		add(kind, "loopback: {path: "+h.base+"/"+kind+".img}")
	}
	add("offset", "loopback: {path: "+h.base+"/offset.img, offset: 1048576}")
	add("partition", "loopback: {path: "+h.base+"/disk.img, partition: 1}")
	add("snapshot", "btrfsSnapshot: {subvolume: "+h.base+"/pool/small}")
	h.ready(all...)
	for _, name := range all {
		if got := h.exec(name, "cat /etc/motd; echo mine > /etc/motd; cat /etc/motd; test -e /proc/self/stat && test -c /dev/null && echo whole"); got != "small\nmine\nwhole\n" {
			t.Errorf("%s: %q", name, got)
		}
	}
	if text, err := os.ReadFile(h.base + "/pool/small/etc/motd"); err != nil || string(text) != "small\n" {
		t.Errorf("the subvolume: %q, %v", text, err)
	}
	h.shell("rm m/*")
	h.gone(all...)
	h.shell("umount pool")
	h.nothingLeft()
}

// TestEveryMount has one of each type inside, and repairs each.
func TestEveryMount(t *testing.T) {
	h := newHost(t)
	h.shell("mkdir shared; echo outside > shared/file")
	h.start()
	h.write("a.yaml", session("s", directory(h.root("root")), "profileRef: {name: minimal}", "profile:", "  mounts:",
		"  - {type: sysfs, target: /sys}",
		"  - {type: tmpfs, target: /tmp, size: 1Mi, options: [mode=1777, nosuid]}",
		"  - {type: bind, source: "+h.base+"/shared, target: /shared, options: [ro]}",
		"  - {type: bind, source: "+h.base+"/shared/file, target: /etc/one}",
		"  - {type: bind, source: "+h.base+"/none, target: /none, optional: true}"))
	h.ready("s")
	inside := func() string {
		return h.exec("s", `
test -e /proc/self/stat && echo proc
test -d /sys/kernel && echo sysfs
test -c /dev/null && test -e /dev/ptmx && echo dev
test -d /dev/shm && touch /dev/shm/x && echo shm
touch /tmp/x && echo tmpfs
cat /shared/file
test -s /etc/one && echo one
touch /shared/new 2>/dev/null || echo read-only
cd /none 2>/dev/null || echo left out`)
	}
	const want = "proc\nsysfs\ndev\nshm\ntmpfs\noutside\none\nread-only\nleft out\n"
	if got := inside(); got != want {
		t.Errorf("inside %q, want %q", got, want)
	}
	h.shell("mkdir none") // what was optional is there now
	pin := h.status("s").Namespace
	for _, target := range []string{"/sys", "/tmp", "/shared", "/etc/one", "/dev/shm", "/proc"} {
		h.shell("nsenter --mount=" + pin + " /bin/umount " + target)
	}
	h.until("all is back", func() bool {
		out, code := h.try("exec", "s", "--", "sh", "-c", "test -e /proc/self/stat && test -d /sys/kernel && test -e /shared/file && test -s /etc/one && test -d /none && mount")
		return code == 0 && strings.Contains(out, " on /tmp ") && strings.Contains(out, " on /dev/shm ")
	})
	if now := h.status("s").Namespace; now != pin {
		t.Errorf("it was made anew: %s, then %s", pin, now)
	}
	h.remove("a.yaml")
	h.gone("s")
	h.nothingLeft()
}
