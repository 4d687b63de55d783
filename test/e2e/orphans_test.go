package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"coppice.dev/reconcile/layout"
	"coppice.dev/reconcile/object"
)

// someBase is a key that a base could have.
const someBase = "0123456789ab"

// sleeper starts a process that sleeps, by a command that ends in what it is to
// run, and ends it with the test.
func (h *host) sleeper(wrapper ...string) *exec.Cmd {
	h.t.Helper()
	cmd := exec.Command(wrapper[0], slices.Concat(wrapper[1:], []string{"/bin/sleep", "1000"})...)
	must(h.t, cmd.Start())
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }()
	h.t.Cleanup(func() {
		_ = cmd.Process.Kill() // it may be gone
		<-done
	})
	h.until("it sleeps", func() bool {
		name, _ := os.ReadFile(fmt.Sprintf("/proc/%d/comm", cmd.Process.Pid))
		return strings.TrimSpace(string(name)) == "sleep"
	})
	return cmd
}

// lives reports whether the process is there.
func lives(cmd *exec.Cmd) bool { return cmd.Process.Signal(syscall.Signal(0)) == nil }

// loop binds a file to a loop device with that label, one that does not clear
// itself, and returns its path. It is cleared with the test.
func (h *host) loop(file, label string) string {
	h.t.Helper()
	must(h.t, os.WriteFile(file, make([]byte, 1<<20), 0o644))
	image, err := os.OpenFile(file, os.O_RDWR, 0)
	must(h.t, err)
	defer image.Close()
	config := unix.LoopConfig{Fd: uint32(image.Fd())}
	copy(config.Info.File_name[:], label)
	for range 64 {
		control, err := os.OpenFile("/dev/loop-control", os.O_RDWR, 0)
		must(h.t, err)
		number, err := unix.IoctlRetInt(int(control.Fd()), unix.LOOP_CTL_GET_FREE)
		control.Close()
		must(h.t, err)
		path := fmt.Sprintf("/dev/loop%d", number)
		device, err := os.OpenFile(path, os.O_RDWR, 0)
		must(h.t, err)
		err = unix.IoctlLoopConfigure(int(device.Fd()), &config)
		if err != nil {
			device.Close()
			continue // somebody else has it
		}
		device.Close()
		h.t.Cleanup(func() {
			if h.labelOf(path) == label {
				_ = exec.Command("losetup", "-d", path).Run() // it may have gone just now
			}
		})
		return path
	}
	h.t.Fatal("no free loop device")
	return ""
}

// labelOf returns a loop device's label, "" if it is bound to nothing.
func (h *host) labelOf(path string) string {
	h.t.Helper()
	device, err := os.Open(path)
	must(h.t, err)
	defer device.Close()
	info, err := unix.IoctlLoopGetStatus64(int(device.Fd()))
	if err != nil {
		return ""
	}
	return unix.ByteSliceToString(info.File_name[:])
}

// orphan makes a cgroup with a process in it.
func (h *host) orphan(name string) (string, *exec.Cmd) {
	h.t.Helper()
	path := h.groups() + "/" + name
	must(h.t, os.MkdirAll(path, 0o755))
	cmd := h.sleeper("sh", "-c", "echo $$ > "+path+"/cgroup.procs; exec \"$@\"", "sh")
	h.t.Cleanup(func() {
		top := h.groups() + "/" + strings.Split(name, "/")[0]
		if _, err := os.Stat(top); err != nil {
			return
		}
		must(h.t, os.WriteFile(top+"/cgroup.kill", []byte("1"), 0))
		h.until("the cgroup is gone", func() bool { return removeGroups(top) == nil })
	})
	return path, cmd
}

// groups is where the cgroup v2 tree is mounted.
func (h *host) groups() string {
	h.t.Helper()
	for _, at := range []string{"/sys/fs/cgroup", "/sys/fs/cgroup/unified"} {
		if _, err := os.Stat(at + "/cgroup.procs"); err == nil {
			if _, err := os.Stat(at + "/cgroup.controllers"); err == nil {
				return at
			}
		}
	}
	h.t.Fatal("no cgroup v2")
	return ""
}

// TestOrphansGo leaves behind what a controller that crashed, lost its state or
// was tampered with may leave, each as it is made, and lets one sweep clear up.
func TestOrphansGo(t *testing.T) {
	h := newHost(t)
	root := h.root("root")
	h.shell("tar -C root -cf root.tar .; mksquashfs root root.sqfs -quiet -no-progress; cp -a root second")
	h.pool()
	h.start()
	sources := map[string]string{
		"overlay":  directory(root),
		"memory":   directory(root) + ", union: {upper: {medium: Memory}}",
		"bind":     directory(h.base+"/second") + ", union: {type: none}",
		"archive":  "source: {file: {path: " + h.base + "/root.tar}}",
		"own":      "source: {file: {path: " + h.base + "/root.tar}}, union: {type: none}",
		"image":    "source: {loopback: {path: " + h.base + "/root.sqfs}}",
		"snapshot": "source: {btrfsSnapshot: {subvolume: " + h.base + "/pool/small}}",
	}
	var names []string
	for name, source := range sources {
		h.ephemeral(name+".yaml", session(name, source, "expose: Tree"))
		names = append(names, name)
	}
	h.ready(names...)
	var sleepers []*exec.Cmd
	inside := func(name string) {
		sleepers = append(sleepers, h.sleeper("nsenter", "--mount="+h.status(name).Namespace, "--"))
	}
	for _, name := range names {
		h.exec(name, "sleep 1000 >/dev/null 2>&1 </dev/null &")
		inside(name) // in the namespace, and not in the group
		// Nor in the namespace itself: in a copy that they made.
		sleepers = append(sleepers, h.sleeper("nsenter", "--mount="+h.status(name).Namespace, "--", "/bin/busybox", "unshare", "-m"))
	}
	pins := map[string]string{}
	for _, name := range names {
		pins[name] = h.status(name).Namespace
	}
	id := h.id()
	h.kill()
	h.shell("rm run/manifests/*")
	// A namespace without a pin: the views, the homes and all else are there.
	for _, name := range []string{"overlay", "bind", "snapshot"} {
		h.shell("umount -l " + pins[name] + "; rm " + pins[name])
	}
	// Neither pin nor home: only the mounts and the cgroup tell.
	h.shell("umount -l " + pins["image"] + "; rm " + pins["image"] + "; rm -r state/sessions/image")
	// Only the processes tell.
	h.shell("umount -l " + pins["memory"] + "; rm " + pins["memory"] + "; rm -r state/sessions/memory; umount -R run/sessions/memory/root; rm -r run/sessions/memory")
	group := h.groups() + "/coppice-" + id
	must(t, os.WriteFile(group+"/memory/cgroup.kill", []byte("1"), 0))
	h.until("the group is gone", func() bool { return removeGroups(group+"/memory") == nil })

	// Made by hand.
	l := layout.Layout{State: h.state, Run: h.run}
	print := object.PrintOf(object.View{Path: l.View("ghost")})
	h.shell("mkdir -p run/ns/stale run/ns/bare")
	must(t, os.WriteFile(l.Pin("stale", print, "aaaaaaaaaaaa"), nil, 0o600))
	must(t, os.WriteFile(l.Pin("overlay", print, "aaaaaaaaaaaa"), nil, 0o600))
	h.shell("mkdir -p run/sessions/marked run/sessions/half/root run/sessions/none; touch run/sessions/marked/view." + print.String() + ".aaaaaaaaaaaa")
	h.shell("mkdir -p run/scratch/upper-1; mount -t tmpfs coppice run/scratch/upper-1; mkdir -p run/scratch/upper-2")
	h.shell("mkdir -p run/bases/" + someBase)
	label := object.Label{Controller: id, Owner: object.BaseOwner(someBase), Print: print}.String()
	device := h.loop(h.base+"/one", label)
	gone := h.loop(h.base+"/two", strings.Replace(label, someBase, "ba9876543210", 1))
	h.shell("rm two")
	_, grouped := h.orphan("coppice-" + id + "/lost/hook-000-a")
	sleepers = append(sleepers, grouped)
	h.shell("cd state/sessions; mkdir -p empty cut/upper cut/work/work new/upper.new tree/tree.unpacking/etc note/journal; touch cut/record.json cut/upper.boot note/record.json.new note/journal/x")
	h.shell("btrfs -q subvolume snapshot pool/small pool/.coppice-snapshots/lost.uid >/dev/null; btrfs -q subvolume create pool/.coppice-snapshots/lost.uid/nested >/dev/null; mkdir state/sessions/lost; ln -s $PWD/pool/.coppice-snapshots/lost.uid state/sessions/lost/snapshot; mkdir state/sessions/nolink; ln -s $PWD/pool/.coppice-snapshots/nolink.uid state/sessions/nolink/snapshot")
	h.shell("mkdir -p state/bases/" + someBase + "/etc state/bases/ba9876543210.unpacking/etc; mkdir -p state/trash/old-0123456789ab/etc; touch state/trash/old-0123456789ab/etc/x; chattr +i state/trash/old-0123456789ab/etc/x")

	t.Log("\n" + h.sweep())
	for _, s := range sleepers {
		h.until("the process is gone", func() bool { return !lives(s) })
	}
	for _, path := range []string{device, gone} {
		if label := h.labelOf(path); strings.Contains(label, id) {
			t.Errorf("%s is still there: %s", path, label)
		}
	}
	if left, err := filepath.Glob(h.base + "/pool/.coppice-snapshots*"); err != nil || len(left) > 0 {
		t.Errorf("left: %v, %v", left, err)
	}
	if _, err := os.Stat(h.base + "/pool/small/etc/motd"); err != nil {
		t.Error(err)
	}
	before := h.picture()
	h.sweep()
	h.same("the second sweep", before, h.picture())
	h.shell("umount pool")
	h.nothingLeft()
}

// precious makes a folder with a file in it, and wants it untouched at the end.
func (h *host) precious(path string) {
	h.t.Helper()
	must(h.t, os.MkdirAll(path, 0o755))
	must(h.t, os.WriteFile(path+"/precious", []byte("mine\n"), 0o644))
}

// absentController is nobody's identity.
const absentController = "5eedc0de"

// TestLookAlikesStay has, beside each kind of orphan, what only looks like one.
func TestLookAlikesStay(t *testing.T) {
	h, other := newHost(t), newHost(t)
	root := h.root("root")
	h.shell("mksquashfs root root.sqfs -quiet -no-progress")
	h.pool()
	// Another controller, with sessions of the same names.
	other.start()
	other.write("a.yaml", session("overlay", directory(root)))
	other.write("b.yaml", session("image", "source: {loopback: {path: "+h.base+"/root.sqfs}}"))
	other.write("c.yaml", session("snapshot", "source: {btrfsSnapshot: {subvolume: "+h.base+"/pool/small}}"))
	theirs := []string{"overlay", "image", "snapshot"}
	other.ready(theirs...)
	for _, name := range theirs {
		other.exec(name, "touch /theirs; sleep 1000 >/dev/null 2>&1 </dev/null &")
	}
	h.start()
	h.ephemeral("a.yaml", session("overlay", directory(root)))
	h.ephemeral("b.yaml", session("image", "source: {loopback: {path: "+h.base+"/root.sqfs}}"))
	h.ephemeral("c.yaml", session("snapshot", "source: {btrfsSnapshot: {subvolume: "+h.base+"/pool/small}}"))
	h.ready(theirs...)
	var alive []*exec.Cmd
	// A service's namespace: a copy of the host's with our mounts in it.
	alive = append(alive, h.sleeper("unshare", "--mount", "--propagation", "private"))
	// One whose root somebody mounted under a label that is not ours.
	alive = append(alive, h.sleeper("unshare", "--mount", "sh", "-c",
		"mkdir "+h.base+"/jail; mount -t tmpfs coppice/"+other.id()+"/session/overlay# "+h.base+"/jail; cd "+h.base+"/jail; mkdir bin old; cp /bin/busybox bin/; ln -s busybox bin/sleep; pivot_root . old; exec \"$@\"", "sh"))
	h.kill()
	h.shell("rm run/manifests/*")

	id, print := h.id(), object.PrintOf(object.View{}).String()
	kept := map[string]string{} // loop devices by their labels
	for i, label := range []string{
		"coppice/" + absentController + "/base/" + someBase + "#" + print, "coppice/" + id + "0/base/" + someBase + "#" + print,
		"coppice/" + id + "/base/" + someBase, "xcoppice/" + id + "/base/" + someBase + "#" + print, "mine",
	} {
		kept[label] = h.loop(fmt.Sprintf("%s/loop%d", h.base, i), label)
	}
	for _, name := range []string{"coppice-ffffffff/overlay", "coppice-" + id + "-mine/overlay", "coppice/overlay"} {
		_, process := h.orphan(name)
		alive = append(alive, process)
	}
	h.shell("btrfs -q subvolume create pool/.coppice-snapshots/mine >/dev/null; btrfs -q subvolume create pool/.coppice-snapshots/overlay.uid >/dev/null")
	for _, folder := range []string{
		"state/mine", "state/sessions/Mine", "state/sessions/mydata", "state/bases/mine", "state/bases/lost+found", "state/bases/0123456789ABC",
		"run/mine", "run/bases/mine", "run/sessions/mine", "run/sessions/mine2/root", "run/scratch/mine",
		"pool/.coppice-snapshots/mine", "pool/.coppice-snapshots/overlay.uid", "pool/beside",
	} {
		if folder != "run/sessions/mine2/root" {
			h.precious(h.base + "/" + folder)
		}
	}
	h.shell("mkdir -p run/sessions/mine2/root/below; touch run/sessions/mine2/note state/sessions/file state/bases/file run/sessions/file run/ns/mine; mkdir run/ns/mine2 run/ns/Mine; touch run/ns/mine2/note run/ns/overlay/note")
	h.shell("ln -s ../.. state/sessions/link; ln -s ../../mine state/bases/" + someBase)
	h.shell("mkdir run/mounted; mount -t tmpfs mine run/mounted; touch run/mounted/precious")
	t.Cleanup(func() { _ = unix.Unmount(h.base+"/run/mounted", unix.MNT_DETACH) }) // it may be unmounted already
	listing := "find state/mine state/sessions state/bases run/mine run/bases run/sessions run/scratch run/mounted run/ns pool/.coppice-snapshots pool/beside -mindepth 1 ! -path '*/snapshot.*' | grep -e mine -e Mine -e precious -e note -e file -e link -e found -e ABC -e overlay.uid -e " + someBase + " | sort"
	before := h.shell(listing)

	t.Log("\n" + h.sweep())
	h.same("what is not ours", before, h.shell(listing))
	for label, device := range kept {
		if now := h.labelOf(device); now != label {
			t.Errorf("loop device %s %q is now %q", device, label, now)
		}
	}
	for _, process := range alive {
		if !lives(process) {
			t.Errorf("process %s is gone", process)
		}
	}
	for _, name := range theirs {
		other.exec(name, "test -e /theirs && test -e /proc/self")
	}
	if left, err := filepath.Glob(h.state + "/sessions/*/record.json"); err != nil || len(left) > 0 {
		t.Errorf("left: %v, %v", left, err)
	}
	for _, process := range alive { // some of them have copies of all mounts
		must(t, process.Process.Kill())
	}
	// The other one sweeps, too.
	other.end(syscall.SIGTERM)
	label := "coppice/" + other.id() + "/base/" + someBase + "#" + print
	orphan := h.loop(h.base+"/orphan", label)
	other.sweep()
	if now := h.labelOf(orphan); now == label {
		t.Errorf("the other controller's own orphan is still there: %s", orphan)
	}
	other.start()
	for _, name := range theirs {
		other.exec(name, "test -e /theirs && test -e /proc/self")
	}
	other.shell("rm m/*")
	other.gone(theirs...)
	h.shell("umount run/mounted; rm -r run/mounted run/mine run/bases/mine run/sessions/* run/ns/* run/scratch state/mine state/sessions/* state/bases/*")
	for _, device := range kept {
		h.shell("losetup -d " + device)
	}
	h.same("subvolumes", "beside\nmine\noverlay.uid\nsmall\n", h.shell("btrfs subvolume list pool | sed 's,.*[/ ],,' | sort"))
	h.shell("umount pool")
	other.nothingLeft()
	h.nothingLeft()
}

// TestMountsInTheWayStay mounts something of the user's where only ours belongs,
// and something precious in what is to go. It is named, nothing behind it is
// touched, and the rest goes when it is out of the way.
func TestMountsInTheWayStay(t *testing.T) {
	h := newHost(t)
	root := h.root("root")
	h.precious(h.base + "/dear")
	h.start()
	h.ephemeral("a.yaml", session("upper", directory(root)))
	h.ephemeral("b.yaml", session("view", directory(root)))
	h.ephemeral("c.yaml", session("over", directory(root), "expose: Tree"))
	h.ephemeral("d.yaml", session("inner", directory(root), "profile: {mounts: [{type: bind, source: "+h.base+"/dear, target: /dear}]}"))
	h.ready("upper", "view", "over", "inner")
	for _, name := range []string{"upper", "view", "over"} {
		h.exec(name, "ln -s "+h.base+"/dear /link; echo > /file")
	}
	h.exec("inner", "echo > /dear/new")
	h.shell("mkdir state/sessions/upper/upper/dear; mount --bind dear state/sessions/upper/upper/dear")
	h.shell("mkdir run/sessions/view/root/dear; mount --bind dear run/sessions/view/root/dear")
	h.shell("mount --bind dear run/sessions/over/root")
	h.kill()
	h.shell("rm run/manifests/*")
	h.shell("mkdir -p run/bases/" + someBase + " run/sessions/nobody/root state/trash/old-0123456789ab/x; for at in run/bases/" + someBase + " run/sessions/nobody/root state/trash/old-0123456789ab/x; do mount --bind dear $at; done")
	places := []string{
		"state/sessions/upper/upper/dear", "run/sessions/view/root/dear", "run/sessions/over/root",
		"run/bases/" + someBase, "run/sessions/nobody/root", "state/trash/old-0123456789ab/x",
	}
	out, code := h.once()
	t.Log("\n" + out)
	if code != 1 {
		t.Errorf("exit code %d", code)
	}
	for _, place := range places {
		// Nobody knows who stands on a base, before all sessions can be looked at.
		if name := strings.Replace(place, "run/bases/", "base ", 1); !strings.Contains(out, name) {
			t.Errorf("%s is not named:\n%s", name, out)
		}
		if _, err := os.Stat(h.base + "/" + place + "/precious"); err != nil {
			t.Errorf("%s: %v", place, err)
		}
	}
	for _, place := range places {
		if place != "run/bases/"+someBase {
			h.shell("umount " + place)
		}
	}
	if out, code := h.once(); code != 1 || !strings.Contains(out, "umount "+h.base+"/run/bases/"+someBase) {
		t.Errorf("exit code %d\n%s", code, out)
	}
	h.shell("umount run/bases/" + someBase)
	h.sweep()
	if got := h.shell("ls dear"); got != "new\nprecious\n" {
		t.Errorf("in the precious folder: %q", got)
	}
	h.nothingLeft()
}

// TestACopyOfTheStateIsAnotherController copies a controller's state folder, as
// from a backup, and starts another one on it. The first one's sessions run on.
func TestACopyOfTheStateIsAnotherController(t *testing.T) {
	h, other := newHost(t), newHost(t)
	h.start()
	h.write("a.yaml", session("s", directory(h.root("root"))))
	h.ready("s")
	h.exec("s", "sleep 1000 >/dev/null 2>&1 </dev/null &")
	inside := func() string { return h.shell("cat " + h.groups() + "/coppice-" + h.id() + "/s/lease-*/cgroup.procs") }
	before := inside()
	must(t, exec.Command("cp", "-a", h.state, other.state).Run())
	other.sweep()
	if other.id() == h.id() {
		t.Error("both have one identity")
	}
	if now := inside(); now != before || now == "" {
		t.Errorf("processes before %q, now %q", before, now)
	}
	h.exec("s", "true")
	was := h.id()
	other.nothingLeft()
	// A folder that came back from a backup in its own place goes on as the same:
	// the run-time folder says who it was.
	h.kill()
	h.shell("cp -a state back; rm -r state; mv back state")
	h.start()
	h.ready("s")
	if h.id() != was {
		t.Errorf("it was %s, and is %s", was, h.id())
	}
	h.remove("a.yaml")
	h.gone("s")
	h.nothingLeft()
}
