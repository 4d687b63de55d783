package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"coppice.dev/reconcile/kernel/lvm"
	"coppice.dev/reconcile/object"
)

// groups counts the volume groups that tests made.
var groups atomic.Int32

// volumeGroup makes a volume group of the test's own on a loop device, with a volume
// "thick", a thin pool "pool" and a volume "thin" in it, all with a small root.
func (h *host) volumeGroup() string {
	h.t.Helper()
	if _, err := os.Stat("/sys/class/misc/device-mapper"); err != nil {
		h.t.Skip("the kernel has no device-mapper; make test-vm runs this in a virtual machine that has it")
	}
	for _, tool := range []string{"lvm", "thin_check"} {
		if _, err := exec.LookPath(tool); err != nil {
			h.t.Fatal(err)
		}
	}
	name := fmt.Sprintf("coppice%d.%d", os.Getpid(), groups.Add(1))
	if _, err := os.Stat(h.base + "/root"); err != nil { // the test's first
		h.root("root")
	}
	image := h.t.TempDir() + "/disk.img" // no image of a session's
	h.shell("truncate -s 1G " + image)
	disk := h.device(image)
	h.t.Cleanup(func() {
		h.end(unix.SIGKILL)
		h.shell(`for d in $(awk '$1 ~ "^/dev/mapper/` + name + `" {print $2}' /proc/mounts); do umount -l $d; done
for ns in $(ls -d run/ns/*/* 2>/dev/null); do umount -l $ns; done; udevadm settle 2>/dev/null || true
for i in 1 2 3 4 5 6 7 8; do vgs ` + name + ` >/dev/null 2>&1 || exit 0; vgremove -ffy ` + name + ` >/dev/null 2>&1 || sleep 0.5; done`)
	})
	h.shell(`vgcreate -q ` + name + ` ` + disk + ` >/dev/null 2>&1
lvcreate -qy -L 64M -n thick ` + name + ` >/dev/null 2>&1
lvcreate -qy --type thin-pool -L 200M -n pool ` + name + ` >/dev/null 2>&1
lvcreate -qy --type thin -V 64M --thinpool pool -n thin ` + name + ` >/dev/null 2>&1
mkfs.ext4 -q -d root /dev/` + name + `/thick; mkfs.ext4 -q -d root /dev/` + name + `/thin`)
	return name
}

// volumes lists the names of a group's volumes, sorted.
func (h *host) volumes(group string) string {
	h.t.Helper()
	return h.shell("lvs --noheadings -o lv_name " + group + " 2>/dev/null | tr -d ' ' | sort | xargs")
}

func thick(group string, more ...string) string {
	return "source: {lvmSnapshot: {" + strings.Join(append([]string{"volumeGroup: " + group, "logicalVolume: thick", "size: 32Mi"}, more...), ", ") + "}}"
}

func thin(group string, more ...string) string {
	return "source: {lvmSnapshot: {" + strings.Join(append([]string{"volumeGroup: " + group, "logicalVolume: thin", "thin: true"}, more...), ", ") + "}}"
}

// TestLVM has a session of each sort, kills the daemon, undoes things by hand,
// and takes all of it away.
func TestLVM(t *testing.T) {
	h := newHost(t)
	group := h.volumeGroup()
	h.start()
	chroots := map[string]string{
		"thick": thick(group), "thin": thin(group), "thick-overlay": thick(group) + ", union: {type: overlay}", "thin-overlay": thin(group) + ", union: {type: overlay}",
		"percent": strings.Replace(thick(group), "32Mi", "50%", 1), "read-only": thin(group, "readOnly: true"),
		"options": thick(group, "createOptions: [--chunksize=8k, --alloc=anywhere]", "mountOptions: [noatime]"),
	}
	var all []string
	for name, chroot := range chroots {
		h.write(name+".yaml", session(name, chroot))
		all = append(all, name)
	}
	h.ready(all...)
	for _, name := range all {
		want := "small\nmine\n"
		if name == "read-only" {
			want = strings.Repeat("small\n", 2)
		}
		if got := h.exec(name, "cat /etc/motd; (echo mine > /etc/motd) 2>/dev/null; sync; cat /etc/motd"); got != want {
			t.Errorf("%s: %q", name, got)
		}
	}
	if got := h.shell("lvs --noheadings -o lv_tags " + group + " 2>/dev/null | grep -c coppice/" + h.id() + "/session/"); got != "7\n" {
		t.Errorf("labelled volumes: %s", got)
	}
	h.kill()
	h.start()
	h.ready(all...)
	if got := h.exec("thick", "cat /etc/motd"); got != "mine\n" {
		t.Errorf("after a kill: %q", got)
	}
	// The mount that the root is a copy of is taken away, and comes back.
	h.shell("umount run/disks/session.thin")
	h.until("it is mounted again", func() bool { return h.shell("findmnt -no TARGET run/disks/session.thin || true") != "" })
	if got := h.exec("thin", "cat /etc/motd"); got != "mine\n" {
		t.Errorf("after its mount was taken away: %q", got)
	}
	for _, name := range all {
		h.remove(name + ".yaml")
	}
	h.gone(all...)
	if got := h.volumes(group); got != "pool thick thin\n" {
		t.Errorf("left: %s", got)
	}
	h.end(unix.SIGTERM)
	h.sweep()
	h.shell("vgck " + group)
	h.shell("vgremove -ffy " + group + " >/dev/null 2>&1")
	h.nothingLeft()
}

// TestLVMAtBoot leaves of sessions what a reboot leaves: volumes that are not
// active, or not there.
func TestLVMAtBoot(t *testing.T) {
	h := newHost(t)
	group := h.volumeGroup()
	h.start()
	h.write("a.yaml", session("kept", thin(group)))
	h.write("b.yaml", session("lost", thick(group)))
	h.ephemeral("c.yaml", session("passing", thin(group)))
	h.ready("kept", "lost", "passing")
	for _, name := range []string{"kept", "lost", "passing"} {
		h.exec(name, "echo mine > /etc/motd; sync")
	}
	h.powerCut()
	h.until("volumes can be deactivated", func() bool {
		return exec.Command("lvchange", "-an", group).Run() == nil
	})
	lost := strings.TrimSpace(h.shell("lvs --noheadings -o lv_path " + group + " | grep coppice.lost"))
	h.shell("lvremove -qy " + lost + " >/dev/null")
	// One of nobody's that is ours, and others that only look like it.
	label := object.Label{Controller: h.id(), Owner: object.SessionOwner("orphan"), Print: object.PrintOf(object.Volume{})}
	h.shell(`lvcreate -qy -s -kn -an --addtag '` + label.String() + `' -n orphan ` + group + `/thin >/dev/null 2>&1
lvcreate -qy -s -kn -an --addtag 'coppice/` + absentController + `/session/kept#` + label.Print.String() + `' -n other ` + group + `/thin >/dev/null 2>&1
lvcreate -qy -s -kn -an --addtag mine -n coppice.kept ` + group + `/thin >/dev/null 2>&1`)
	t.Log("\n" + h.sweep())
	h.start()
	h.ready("kept", "lost")
	if got := h.exec("kept", "cat /etc/motd"); got != "mine\n" {
		t.Errorf("the one that was kept: %q", got)
	}
	if got := h.exec("lost", "cat /etc/motd"); got != "small\n" {
		t.Errorf("the one that was lost: %q", got)
	}
	h.shell("rm m/*")
	h.gone("kept", "lost")
	if got := h.volumes(group); got != "coppice.kept other pool thick thin\n" {
		t.Errorf("left: %s", got)
	}
}

// TestLVMThatWillNotDo is told in words.
func TestLVMThatWillNotDo(t *testing.T) {
	h := newHost(t)
	group := h.volumeGroup()
	h.shell("lvcreate -qy -L 120M -n btrfs " + group + " >/dev/null 2>&1; mkfs.btrfs -q /dev/" + group + "/btrfs; lvcreate -qy -L 8M -n empty " + group + " >/dev/null 2>&1; lvcreate -qy -s -L 4M -n snap " + group + "/thick >/dev/null 2>&1")
	h.start()
	for _, c := range []struct {
		name, chroot, reason string
		words                []string
	}{
		{"no-group", thick("nogroup"), "SourceMissing", []string{"no volume group nogroup", "vgs"}},
		{"no-volume", strings.Replace(thick(group), "logicalVolume: thick", "logicalVolume: none", 1), "SourceMissing", []string{"no such volume", "lvs " + group}},
		{"no-pool", strings.Replace(thin(group), "logicalVolume: thin", "logicalVolume: thick", 1), "SourceUnusable", []string{"no thin pool", "give a size"}},
		{"pool", strings.Replace(thick(group), "logicalVolume: thick", "logicalVolume: pool", 1), "SourceUnusable", []string{"it is a thin pool", "lvs " + group}},
		{"snapshot", strings.Replace(thick(group), "logicalVolume: thick", "logicalVolume: snap", 1), "SourceUnusable", []string{"thick snapshot", "name " + group + "/thick"}},
		{"option", thin(group, "createOptions: [--stripes=2]"), "SourceUnusable", []string{"does not accept option", "createOptions"}},
		{"chunk", thick(group, "createOptions: [--chunksize=7k]"), "SourceUnusable", []string{"power of 2", "--chunksize"}},
		{"no-room", strings.Replace(thick(group, "createOptions: [--alloc=contiguous]"), "32Mi", "64Mi", 1), "", nil}, // there is, still
		{"copy", strings.Replace(thick(group), "logicalVolume: thick", "logicalVolume: btrfs", 1), "WrongFileSystem", []string{"btrfs", "btrfsSnapshot"}},
		{"nothing", strings.Replace(thick(group), "logicalVolume: thick", "logicalVolume: empty", 1), "WrongFileSystem", []string{"no file system"}},
		{"not-active", "", "SourceUnusable", []string{"not active", "lvchange -ay " + group + "/empty"}},
	} {
		if c.name == "not-active" {
			h.shell("lvchange -an " + group + "/empty")
			c.chroot = strings.Replace(thick(group), "logicalVolume: thick", "logicalVolume: empty", 1)
		}
		h.write(c.name+".yaml", session(c.name, c.chroot))
		if c.reason == "" {
			h.ready(c.name)
		} else {
			tells(t, h.because(c.name, c.reason), c.words...)
		}
		h.remove(c.name + ".yaml")
		h.gone(c.name)
	}
	// Nothing is left in the group; there is when a volume goes.
	h.shell("lvcreate -qy -l 100%FREE -n rest " + group + " >/dev/null 2>&1")
	h.write("full.yaml", session("full", thick(group)))
	tells(t, h.because("full", "NoSpace"), "take snapshot of "+group+"/thick", "vgextend")
	// Somebody's volume gets the very name.
	record := h.read(h.state + "/sessions/full/record.json")
	_, uid, _ := strings.Cut(record, `"uid":"`)
	uid, _, _ = strings.Cut(uid, `"`)
	h.shell("lvrename -q " + group + " rest coppice.full." + uid + " >/dev/null")
	tells(t, h.because("full", "TargetUnusable"), "coppice.full."+uid, "already exists", "rename or remove")
	h.shell("lvremove -qy " + group + "/coppice.full." + uid + " >/dev/null")
	h.ready("full")
	// Whoever has it open is in the way, and named.
	device := strings.TrimSpace(h.shell("lvs --noheadings -o lv_path " + group + " | grep coppice.full"))
	h.shell("mkdir mnt; mount " + device + " mnt")
	t.Cleanup(func() { _ = unix.Unmount(h.base+"/mnt", unix.MNT_DETACH) }) // it may be unmounted already
	h.remove("full.yaml")
	h.until("it is told", func() bool {
		out, _ := h.try("why", "full")
		return strings.Contains(out, "filesystem in use")
	})
	h.shell("umount mnt")
	h.gone("full")
}

// TestLVMThatFills tells of a snapshot and of a pool before they are full, and
// of a snapshot that was.
func TestLVMThatFills(t *testing.T) {
	h := newHost(t)
	group := h.volumeGroup()
	h.startAs(h.command("--resync", "10m")) // nobody looks by chance
	h.write("a.yaml", session("a", thick(group, "fillThreshold: 30")))
	h.write("b.yaml", session("b", thin(group)))
	h.ready("a", "b")
	h.exec("a", "dd if=/dev/urandom of=/big bs=1024k count=14 conv=fsync 2>/dev/null")
	degraded := func(name string, words ...string) {
		t.Helper()
		h.until(name+" is Degraded", func() bool { return strings.Contains(h.do("get", "session", name), "Degraded") })
		tells(t, h.do("get", "session", name, "-o", "wide"), append(words, "Degraded")...)
	}
	degraded("a", "% of 32 MiB full: the snapshot /dev/"+group+"/coppice.a.", "lvextend --size +1G")
	h.shell("lvextend -q -L +64M $(lvs --noheadings -o lv_path " + group + " | grep coppice.a) >/dev/null")
	h.until("it is well", func() bool { return !strings.Contains(h.do("get", "sessions"), "Degraded") })
	for i := range 4 {
		h.write(fmt.Sprintf("c%d.yaml", i), session(fmt.Sprintf("c%d", i), thin(group)))
		h.ready(fmt.Sprintf("c%d", i))
		h.exec(fmt.Sprintf("c%d", i), "dd if=/dev/urandom of=/big bs=1024k count=42 conv=fsync 2>/dev/null")
	}
	degraded("b", "% of 200 MiB full: the thin pool "+group+"/pool", "lvextend --size +10G "+group+"/pool")
	h.shell("rm m/b.yaml m/c?.yaml")
	h.gone("b", "c0", "c1", "c2", "c3")
	// One that overflows has lost what was written, and is made anew.
	h.write("o.yaml", session("o", strings.Replace(thick(group), "32Mi", "4Mi", 1)))
	h.ready("o")
	h.exec("o", "dd if=/dev/urandom of=/big bs=1024k count=14 conv=fsync 2>/dev/null || true")
	h.until("it is made anew", func() bool {
		out, _ := h.try("exec", "o", "--", "sh", "-c", "cat /etc/motd; ls /big")
		return strings.HasPrefix(out, "small\n") && strings.Contains(out, "/big: No such file")
	})
	if !h.logged("overflowed, and what was written is lost") {
		t.Error("nobody was told")
	}
}

// TestLVMThatHangs holds the lock of a volume group, as a command does that waits
// for a disk: its sessions say so, others are not held up, neither those of another
// volume group, and it goes on when the lock is free.
func TestLVMThatHangs(t *testing.T) {
	patient(t)
	h := newHost(t)
	group, other := h.volumeGroup(), h.volumeGroup()
	// With locks of its own it holds up nobody else's look at the machine's volumes.
	h.shell("cp -a /etc/lvm lvm; mkdir lock; echo 'global/locking_dir=\"" + h.base + "/lock\"' >> lvm/lvm.conf")
	daemon := h.command()
	daemon.Env = append(os.Environ(), "LVM_SYSTEM_DIR="+h.base+"/lvm")
	h.startAs(daemon)
	h.write("a.yaml", session("a", thin(group)))
	h.write("d.yaml", session("d", thick(other)))
	h.ready("a", "d")
	lock, err := os.OpenFile(h.base+"/lock/V_"+group, os.O_CREATE|os.O_RDWR, 0o600)
	must(t, err)
	defer lock.Close()
	must(t, unix.Flock(int(lock.Fd()), unix.LOCK_EX))
	h.write("b.yaml", session("b", thin(group)))
	h.write("c.yaml", session("c", directory(h.base+"/root")))
	h.ready("c")
	h.exec("a", "true") // who is inside notices nothing
	deadline := time.Now().Add(lvm.Patience + moment)
	for !strings.Contains(h.do("get", "session", "b", "-o", "wide"), "it is not killed") {
		if time.Now().After(deadline) {
			t.Fatal(h.do("get", "session", "b", "-o", "wide"))
		}
		time.Sleep(time.Second)
	}
	tells(t, h.do("get", "session", "b", "-o", "wide"), "wait for lvm", "pid ", "dmsetup")
	h.write("e.yaml", session("e", thin(other)))
	h.ready("d", "e")
	h.exec("d", "true")
	for _, name := range []string{"c", "d"} {
		h.remove(name + ".yaml")
		h.gone(name)
	}
	if got := h.volumes(other); strings.Count(got, "coppice.") != 1 {
		t.Errorf("in the group that is well: %s", got)
	}
	must(t, unix.Flock(int(lock.Fd()), unix.LOCK_UN))
	h.ready("a", "b", "e")
	h.shell("rm m/*")
	h.gone("a", "b", "e")
	for _, g := range []string{group, other} {
		if got := h.volumes(g); got != "pool thick thin\n" {
			t.Errorf("left: %s", got)
		}
	}
}

// TestLVMIsMissing is told which package or which part of the kernel it takes.
func TestLVMIsMissing(t *testing.T) {
	if _, err := os.Stat("/sys/class/misc/device-mapper"); err == nil {
		t.Skip("the kernel has device-mapper")
	}
	h := newHost(t)
	root := h.root("root")
	h.start()
	h.write("a.yaml", session("a", thick("nogroup")))
	h.write("b.yaml", session("b", directory(root)))
	reason, words := "ToolMissing", []string{"install the package lvm2"}
	if _, err := exec.LookPath("lvm"); err == nil {
		reason, words = "KernelTooOld", []string{"no device-mapper", "modprobe dm_mod"}
	}
	tells(t, h.because("a", reason), words...)
	h.ready("b")
	h.shell("rm m/*")
	h.gone("a", "b")
	h.nothingLeft()
}
