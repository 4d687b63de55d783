package e2e

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"coppice.dev/reconcile/kernel/mounttable"
	"coppice.dev/status"
)

// ephemeral puts a manifest into the folder that a reboot sweeps away.
func (h *host) ephemeral(name, text string) {
	h.t.Helper()
	must(h.t, os.MkdirAll(h.run+"/manifests", 0o755))
	must(h.t, os.WriteFile(h.run+"/manifests/"+name, []byte(text), 0o644))
}

// id is the identity of the host's controller.
func (h *host) id() string {
	h.t.Helper()
	text, err := os.ReadFile(h.state + "/id")
	must(h.t, err)
	return strings.TrimSpace(string(text))
}

// powerCut leaves of the host what is left when its power goes: what is on disk,
// and nothing that the kernel or a process held.
func (h *host) powerCut() {
	h.t.Helper()
	id := h.id()
	h.kill()
	groups, err := filepath.Glob("/sys/fs/cgroup/*/coppice-" + id)
	must(h.t, err)
	if own := "/sys/fs/cgroup/coppice-" + id; dirExists(own) {
		groups = append(groups, own) // with version 2 alone
	}
	for _, group := range groups {
		must(h.t, os.WriteFile(group+"/cgroup.kill", []byte("1"), 0))
		h.until("the cgroups are gone", func() bool { return removeGroups(group) == nil })
	}
	table, err := mounttable.Host()
	must(h.t, err)
	for _, e := range mounttable.Below(table, h.run) {
		must(h.t, unix.Unmount(e.Mountpoint, unix.MNT_DETACH|unix.UMOUNT_NOFOLLOW))
	}
	// Another test's namespace may hold a copy of their mounts for as long as it runs.
	for deadline := time.Now().Add(4 * moment); h.loopsOfImages() > 0; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			h.t.Fatal("the loop devices stay")
		}
	}
	must(h.t, os.RemoveAll(h.run))
	h.anotherBoot()
}

// anotherBoot makes what tells of this boot tell of one that is over.
func (h *host) anotherBoot() {
	h.t.Helper()
	id, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	must(h.t, err)
	now := bytes.TrimSpace(id)
	notes, err := filepath.Glob(h.state + "/sessions/*/*")
	must(h.t, err)
	for _, path := range notes {
		if info, err := os.Lstat(path); err != nil || !info.Mode().IsRegular() {
			continue
		}
		text, err := os.ReadFile(path)
		must(h.t, err)
		must(h.t, os.WriteFile(path, bytes.ReplaceAll(text, now, []byte("00000000-0000-0000-0000-000000000000")), 0o600))
	}
}

// loopsOfImages leaves out the one that a test mounted itself.
func (h *host) loopsOfImages() int {
	out, err := exec.Command("losetup", "--all", "--noheadings", "--output", "BACK-FILE").Output()
	must(h.t, err)
	return strings.Count(string(out), h.base) - strings.Count(string(out), h.base+"/pool.img")
}

func dirExists(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

// removeGroups removes a cgroup and those below it.
func removeGroups(group string) error {
	below, err := os.ReadDir(group)
	if err != nil {
		return err
	}
	for _, b := range below {
		if b.IsDir() {
			if err := removeGroups(filepath.Join(group, b.Name())); err != nil {
				return err
			}
		}
	}
	return unix.Rmdir(group)
}

// once converges once, and returns what it said and its exit code.
func (h *host) once(args ...string) (string, int) {
	h.t.Helper()
	cmd := h.command(append([]string{"--once"}, args...)...)
	log, err := os.OpenFile(h.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	must(h.t, err)
	defer log.Close()
	cmd.Stderr = log
	out, err := cmd.Output()
	if cmd.ProcessState == nil {
		h.t.Fatal(err)
	}
	return string(out), cmd.ProcessState.ExitCode()
}

// sweep is once for what has to go well.
func (h *host) sweep() string {
	h.t.Helper()
	out, code := h.once()
	if code != 0 {
		h.t.Fatalf("coppiced --once: exit code %d\n%s", code, out)
	}
	return out
}

// picture tells one state of the host from another: every file below the prefix
// with its inode and the times of its last changes, and the mounts, loop devices
// and cgroups. What a daemon tells of itself is left out: when it began.
func (h *host) picture() string {
	h.t.Helper()
	files := h.shell(`find state run -xdev \( -path run/status -o -path run/coppiced.json -o -path state/lock -o -path run/scratch -o -path '*/upper/*' -o -path '*/work/*' \) -prune -o ! -path run -printf '%p %i %y %s %T@ %C@\n' | sort`)
	table, err := mounttable.Host()
	must(h.t, err)
	var mounts []string
	for _, e := range mounttable.Below(table, h.base) {
		mounts = append(mounts, fmt.Sprintf("%d %s %s %s", e.ID, e.Mountpoint, e.Source, e.Options))
	}
	loops, err := exec.Command("losetup", "--all", "--noheadings", "--output", "NAME,BACK-INO,BACK-FILE").Output()
	must(h.t, err)
	var ours []string
	for line := range strings.Lines(string(loops)) {
		if strings.Contains(line, h.base) {
			ours = append(ours, line)
		}
	}
	groups := h.shell("find /sys/fs/cgroup/*/coppice-" + h.id() + " -type d -printf '%p %i\\n' | sort")
	return files + strings.Join(mounts, "\n") + "\n" + strings.Join(ours, "") + groups
}

// same wants nothing to differ.
func (h *host) same(what, before, after string) {
	h.t.Helper()
	if before == after {
		return
	}
	was, is := strings.Split(before, "\n"), strings.Split(after, "\n")
	for _, line := range was {
		if !slices.Contains(is, line) {
			h.t.Errorf("%s: gone: %s", what, line)
		}
	}
	for _, line := range is {
		if !slices.Contains(was, line) {
			h.t.Errorf("%s: new: %s", what, line)
		}
	}
}

// hooked is a part of a session's manifest: a hook of each phase, which write a
// word into the file.
func hooked(log string) string {
	say := func(word string) string { return "[/bin/sh, -c, 'echo " + word + " >> " + log + "']" }
	return "profile: {copyFiles: [/etc/hostname], hooks: [" +
		"{name: first, command: " + say("setup") + ", undo: " + say("undo") + "}, " +
		"{name: again, phase: recover, command: " + say("recover") + "}, " +
		"{name: last, phase: stop, command: " + say("stop") + "}]}"
}

// words returns the words in a file, and empties it.
func (h *host) words(path string) string {
	h.t.Helper()
	text, err := os.ReadFile(path)
	if os.IsNotExist(err) {
		return ""
	}
	must(h.t, err)
	must(h.t, os.WriteFile(path, nil, 0o644))
	return strings.Join(strings.Fields(string(text)), " ")
}

// TestBootAfterAPowerCut has a session of each kind, in manifests that last and
// in ones that do not, and takes the power away.
func TestBootAfterAPowerCut(t *testing.T) {
	h := newHost(t)
	root := h.root("root")
	h.shell("tar -C root -c . | zstd -q > root.tar.zst; mksquashfs root root.sqfs -quiet -no-progress; for i in a b; do truncate -s 32M $i.ext4; mkfs.ext4 -q -d root $i.ext4; done")
	h.pool()
	sources := map[string]string{
		"overlay":  directory(root),
		"archive":  "source: {file: {path: " + h.base + "/root.tar.zst}}",
		"own":      "source: {file: {path: " + h.base + "/root.tar.zst}}, union: {type: none}",
		"image":    "source: {loopback: {path: " + h.base + "/root.sqfs}}",
		"snapshot": "source: {btrfsSnapshot: {subvolume: " + h.base + "/pool/small}}",
	}
	lost := map[string]string{
		"memory":   directory(root) + ", union: {upper: {medium: Memory}}",
		"volatile": directory(root) + ", union: {volatile: true}",
	}
	h.start()
	var kept, gone, anew []string
	for name, source := range sources {
		h.write(name+".yaml", session("kept-"+name, source, hooked(h.base+"/log-kept-"+name)))
		kept = append(kept, "kept-"+name)
		h.ephemeral(name+".yaml", session("gone-"+name, source, hooked(h.base+"/log-gone-"+name)))
		gone = append(gone, "gone-"+name)
	}
	for name, source := range lost {
		h.write(name+".yaml", session(name, source, "expose: Tree", hooked(h.base+"/log-"+name)))
		anew = append(anew, name)
	}
	h.write("written.yaml", session("kept-written", "source: {loopback: {path: "+h.base+"/a.ext4}}, union: {type: none}", hooked(h.base+"/log-kept-written")))
	h.ephemeral("written.yaml", session("gone-written", "source: {loopback: {path: "+h.base+"/b.ext4}}, union: {type: none}", hooked(h.base+"/log-gone-written")))
	kept, gone = append(kept, "kept-written"), append(gone, "gone-written")
	all := slices.Concat(kept, gone, anew)
	h.ready(all...)
	for _, name := range all {
		h.exec(name, "echo mine > /etc/mine; rm /etc/motd; sleep 1000 >/dev/null 2>&1 </dev/null &")
		if said := h.words(h.base + "/log-" + name); said != "setup" {
			t.Errorf("%s: hooks ran: %q", name, said)
		}
	}
	h.powerCut()
	t.Log("\n" + h.sweep())
	for _, name := range kept {
		if s := h.status(name); s.Phase != status.Ready {
			t.Errorf("%s is %s", name, s.Phase)
		}
		view := h.run + "/sessions/" + name + "/root"
		if text, err := os.ReadFile(view + "/etc/mine"); err != nil || string(text) != "mine\n" {
			t.Errorf("%s: what was written: %q, %v", name, text, err)
		}
		if _, err := os.Lstat(view + "/etc/motd"); err == nil {
			t.Errorf("%s: what was removed is back", name)
		}
		if _, err := os.Stat(view + "/etc/hostname"); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if said := h.words(h.base + "/log-" + name); said != "recover" {
			t.Errorf("%s: hooks ran: %q", name, said)
		}
	}
	for _, name := range gone {
		if s := h.status(name); s.Phase != "" {
			t.Errorf("%s is %s", name, s.Phase)
		}
		if said := h.words(h.base + "/log-" + name); said != "stop undo" {
			t.Errorf("%s: hooks ran: %q", name, said)
		}
	}
	for _, name := range anew {
		view := h.run + "/sessions/" + name + "/root"
		if _, err := os.Stat(view + "/etc/mine"); err == nil {
			t.Errorf("%s: what was written without syncs is there", name)
		}
		if _, err := os.Stat(view + "/etc/motd"); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	homes, err := os.ReadDir(h.state + "/sessions")
	must(t, err)
	if len(homes) != len(kept)+len(anew) {
		t.Errorf("homes: %v", homes)
	}
	if left, err := os.ReadDir(h.base + "/pool/.coppice-snapshots"); err != nil || len(left) != 1 {
		t.Errorf("snapshots: %v, %v", left, err)
	}
	if _, err := os.Stat(h.base + "/pool/beside"); err != nil {
		t.Error(err)
	}
	before := h.picture()
	h.sweep()
	h.same("the second sweep", before, h.picture())
	h.start()
	h.ready(kept...)
	h.shell("rm m/*")
	h.gone(kept...)
	h.gone(anew...)
	h.shell("umount pool")
	h.nothingLeft()
}

// pool mounts a btrfs file system with two subvolumes, one of them a small root.
func (h *host) pool() {
	h.t.Helper()
	h.shell("truncate -s 128M pool.img; mkfs.btrfs -q pool.img 2>/dev/null; mkdir pool; mount -o loop pool.img pool; btrfs -q subvolume create pool/small >/dev/null; btrfs -q subvolume create pool/beside >/dev/null; cp -a root/. pool/small")
	h.t.Cleanup(func() { _ = unix.Unmount(h.base+"/pool", unix.MNT_DETACH) }) // it may be unmounted already
}

// damaged is one thing that a power cut does to a state folder, in shell, and
// what the hooks of the session "kept" do at the next boot because of it.
type damaged struct {
	name, how string
	hooks     string // "recover" if it is empty
}

// damages are all that is tried. The paths are below the state folder.
func damages(t *testing.T, h *host) []damaged {
	list := []damaged{
		{name: "none", how: "true"},
		{name: "no journal at all", how: "rm -r sessions/kept/journal", hooks: "setup"},
		{name: "no record", how: "rm sessions/kept/record.json"},
		{name: "no note of the upper", how: "rm sessions/kept/upper.boot"},
		{name: "no work folder", how: "rm -r sessions/kept/work"},
		{name: "a work folder of old", how: "mkdir -p sessions/kept/work/work; touch sessions/kept/work/work/x"},
		{name: "the mark of a volatile overlay", how: "mkdir -p sessions/kept/work/work/incompat/volatile; touch sessions/kept/work/work/incompat/volatile/dirty"},
		{name: "another upper that was being made", how: "mkdir sessions/kept/upper.new sessions/temp/upper.new; touch sessions/kept/upper.new/x"},
		{name: "temporary files", how: "for f in id sessions/*/record.json sessions/*/upper.boot sessions/*/journal/*; do head -c 20 $f > $f.new; done"},
		{name: "a home without anything", how: "rm -r sessions/temp/*"},
		{name: "a home that nobody knows", how: "mkdir -p sessions/stray/upper/etc"},
		{name: "trees half unpacked", how: "mkdir -p bases/0123456789ab.unpacking/etc sessions/temp/tree.unpacking/etc sessions/own/tree.unpacking/etc"},
		{name: "the shared tree half unpacked", how: "for b in bases/*; do test -e $b/etc/motd && mv $b $b.unpacking && rm -r $b.unpacking/etc; done; true"},
		{name: "no shared trees", how: "rm -r bases"},
		{name: "no snapshot behind the link", how: "btrfs -q subvolume delete $(cat ../shot) >/dev/null"},
		{name: "a link to no snapshot", how: "ln -s $(dirname $(cat ../shot))/temp.none sessions/temp/snapshot"},
		{name: "no trash folder", how: "rm -r trash"},
		{name: "things in the trash", how: "cp -a sessions/temp trash/temp-0123456789ab"},
		{name: "no identity", how: "rm id"},
	}
	files, err := filepath.Glob(h.state + "/sessions/*/journal/*")
	must(t, err)
	for _, more := range []string{"/id", "/place", "/folders.json", "/sessions/*/record.json", "/sessions/*/upper.boot"} {
		found, err := filepath.Glob(h.state + more)
		must(t, err)
		files = append(files, found...)
	}
	for _, file := range files {
		name, err := filepath.Rel(h.state, file)
		must(t, err)
		hooks := ""
		if strings.HasPrefix(name, "sessions/kept/journal/") && strings.Contains(name, "first") {
			hooks = "undo setup recover" // nobody knows how far it came
		}
		list = append(list,
			damaged{name + " empty", "truncate -s 0 '" + name + "'", hooks},
			damaged{name + " cut", "truncate -s 20 '" + name + "'", hooks})
	}
	return list
}

// TestBootWithADamagedState damages what a power cut leaves in each way alone,
// and in all at once. Nothing that is to last is lost, and nothing else is left.
func TestBootWithADamagedState(t *testing.T) {
	h := newHost(t)
	h.root("root")
	h.shell("tar -C root -cf root.tar .")
	h.pool()
	log := h.base + "/log-kept"
	h.start()
	h.write("kept.yaml", session("kept", directory(h.base+"/root"), hooked(log)))
	h.write("shared.yaml", session("shared", "source: {file: {path: "+h.base+"/root.tar}}", "expose: Tree"))
	h.write("own.yaml", session("own", "source: {file: {path: "+h.base+"/root.tar}}, union: {type: none}"))
	h.ephemeral("temp.yaml", session("temp", directory(h.base+"/root"), hooked(h.base+"/log-temp")))
	h.write("snapshot.yaml", session("snapshot", "source: {btrfsSnapshot: {subvolume: "+h.base+"/pool/small}}"))
	h.ephemeral("shot.yaml", session("shot", "source: {btrfsSnapshot: {subvolume: "+h.base+"/pool/small}}"))
	kept := []string{"kept", "shared", "own", "snapshot"}
	h.ready(append(kept, "temp", "shot")...)
	for _, name := range kept {
		h.exec(name, "echo mine > /etc/mine; rm /etc/motd")
	}
	h.powerCut()
	h.shell("cp -a state saved; shot=$(readlink state/sessions/shot/snapshot); echo $shot > shot")
	list := damages(t, h)
	var all []string
	for _, d := range list {
		if !strings.HasPrefix(d.how, "rm ") {
			all = append(all, d.how)
		}
	}
	list = append(list, damaged{"all at once", strings.Join(all, "\n"), "undo setup recover"})
	boot := func(d damaged) {
		t.Helper()
		h.shell("rm -rf state; cp -a saved state; test -e $(cat shot) || btrfs -q subvolume create $(cat shot) >/dev/null")
		h.words(log)
		h.shell("cd state\n" + d.how)
		out, code := h.once()
		if code != 0 {
			t.Errorf("%s: exit code %d\n%s", d.name, code, out)
			return
		}
		for _, name := range kept {
			if text, err := os.ReadFile(h.run + "/sessions/" + name + "/root/etc/mine"); err != nil || string(text) != "mine\n" {
				t.Errorf("%s: %s: what was written: %q, %v", d.name, name, text, err)
			}
			if _, err := os.Lstat(h.run + "/sessions/" + name + "/root/etc/motd"); err == nil {
				t.Errorf("%s: %s: what was removed is back", d.name, name)
			}
		}
		want := d.hooks
		if want == "" {
			want = "recover"
		}
		if said := h.words(log); said != want {
			t.Errorf("%s: hooks said %q, want %q", d.name, said, want)
		}
		if left := h.shell("find state/sessions state/bases state/trash run/sessions pool/.coppice-snapshots -mindepth 1 -maxdepth 1 | wc -l"); left != "10\n" {
			t.Errorf("%s: there are %s", d.name, h.shell("ls -d state/sessions/* state/bases/* state/trash/* run/sessions/* pool/.coppice-snapshots/* || true"))
		}
		before := h.picture()
		if out, code := h.once(); code != 0 {
			t.Errorf("%s: the second time: exit code %d\n%s", d.name, code, out)
		}
		h.same(d.name+": the second time", before, h.picture())
		h.powerCut()
	}
	tried := 0
	for i, d := range list {
		if testing.Short() && i%6 != 0 {
			continue // each of them takes as long as a boot
		}
		boot(d)
		tried++
	}
	t.Logf("%d of %d ways to damage a state folder", tried, len(list))
	h.shell("rm m/*")
	h.sweep()
	h.shell("umount pool")
	h.nothingLeft()
}

// traced runs coppiced --once and returns the calls of those kinds that it and
// its children made and that succeeded, one a line.
func (h *host) traced(calls string) []string {
	h.t.Helper()
	trace := h.base + "/trace"
	cmd := h.command("--once")
	cmd.Args = append([]string{"strace", "-f", "-qq", "-y", "-z", "-e", "signal=none", "-o", trace, "-e", "trace=" + calls}, cmd.Args...)
	path, err := exec.LookPath("strace")
	must(h.t, err)
	cmd.Path = path
	if out, err := cmd.CombinedOutput(); err != nil {
		h.t.Fatalf("coppiced --once, traced: %v\n%s", err, out)
	}
	text, err := os.ReadFile(trace)
	must(h.t, err)
	must(h.t, os.Remove(trace))
	var lines []string
	for line := range strings.Lines(string(text)) {
		_, call, _ := strings.Cut(strings.TrimSpace(line), " ") // after the thread's number
		if call = strings.TrimSpace(call); !strings.HasPrefix(call, "???") {
			lines = append(lines, call) // else a thread that ended with the process
		}
	}
	return lines
}

// TestTheSecondPassDoesNothing looks at the calls: none that changes the world,
// but for what a daemon says of itself.
func TestTheSecondPassDoesNothing(t *testing.T) {
	h := newHost(t)
	root := h.root("root")
	h.shell("tar -C root -cf root.tar .; mksquashfs root root.sqfs -quiet -no-progress")
	h.write("a.yaml", session("kept", directory(root), hooked(h.base+"/log-kept")))
	h.write("b.yaml", session("tree", "source: {file: {path: "+h.base+"/root.tar}}", "expose: Tree"))
	h.write("c.yaml", session("image", "source: {loopback: {path: "+h.base+"/root.sqfs}}"))
	h.ephemeral("d.yaml", session("temp", directory(root)))
	h.sweep()
	const changing = "mount,umount2,move_mount,fsmount,open_tree,mount_setattr,pivot_root,unshare,mkdir,mkdirat,rmdir,unlink,unlinkat,rename,renameat,renameat2," +
		"symlink,symlinkat,link,linkat,mknod,mknodat,chmod,fchmodat,chown,fchownat,truncate,ftruncate,setxattr,removexattr,kill,tgkill,pidfd_send_signal,fsync,fdatasync,syncfs,execve,ioctl"
	for _, call := range h.traced(changing) {
		name, _, _ := strings.Cut(call, "(")
		itself := strings.Contains(call, h.run+"/status/") || strings.Contains(call, h.run+"/coppiced.json") || strings.Contains(call, h.run+"/.coppiced.json") ||
			name == "tgkill" || name == "ioctl" && !strings.Contains(call, "LOOP_") || strings.Contains(call, "LOOP_GET_STATUS64") ||
			name == "unshare" && strings.Contains(call, "CLONE_FS") || name == "execve" && strings.Contains(call, bin+"/coppiced") ||
			name == "mount" && strings.Contains(call, "MS_PRIVATE") ||
			// statmount(2) and listmount(2), which this strace does not know.
			name == "syscall_0x1c9" || name == "syscall_0x1ca" ||
			// Whether a process is there, and what lvm says there is, under its own locks.
			name == "pidfd_send_signal" && strings.Contains(call, ", 0, NULL") || name == "execve" && strings.Contains(call, `"lvs"`) || strings.Contains(call, "/run/lock/lvm/")
		if !itself {
			t.Errorf("it changes something: %s", call)
		}
	}
	h.shell("rm m/*; rm run/manifests/*")
	h.nothingLeft()
}

// TestEphemeralSessionsPayForNoFlush counts the flushes to disk of a session that
// no power cut is to find again, and of one that it is.
func TestEphemeralSessionsPayForNoFlush(t *testing.T) {
	h := newHost(t)
	root := h.root("root")
	h.sweep() // which writes who the controller is
	flushes := func() int {
		return len(slices.DeleteFunc(h.traced("fsync,fdatasync,syncfs,sync,sync_file_range"), func(call string) bool {
			return strings.HasPrefix(call, "syscall_0x1c") // statmount(2) and listmount(2), which this strace does not know
		}))
	}
	h.ephemeral("a.yaml", session("temp", directory(root)))
	if n := flushes(); n != 0 {
		t.Errorf("an ephemeral session costs %d flushes", n)
	}
	h.write("b.yaml", session("kept", directory(root)))
	if n := flushes(); n == 0 {
		t.Error("a lasting session costs no flush")
	} else {
		t.Logf("a lasting session costs %d flushes", n)
	}
	h.shell("rm m/* run/manifests/*")
	h.nothingLeft()
}

// uid is the identity of a session.
func (h *host) uid(session string) string {
	h.t.Helper()
	f, err := status.Read(h.run+"/status", "Session", session)
	must(h.t, err)
	return f.Metadata.UID
}

// TestALostRecordOfALiveSession empties the record of a session that runs. It
// goes on as it is; if its manifest has become another meanwhile, it is told, and
// nothing is touched until that is decided.
func TestALostRecordOfALiveSession(t *testing.T) {
	h := newHost(t)
	h.root("root")
	h.root("second")
	log := h.base + "/log-s"
	manifest := func(root string) string { return session("s", directory(h.base+"/"+root), hooked(log)) }
	h.start()
	h.write("a.yaml", manifest("root"))
	h.ready("s")
	h.exec("s", "echo mine > /etc/mine")
	uid, pin := h.uid("s"), h.status("s").Namespace
	h.words(log)
	lose := func() {
		h.kill()
		must(t, os.Truncate(h.state+"/sessions/s/record.json", 0))
		must(t, os.RemoveAll(h.run+"/status"))
	}
	lose()
	h.start()
	h.ready("s")
	if now := h.status("s"); now.Namespace != pin || h.uid("s") != uid {
		t.Errorf("it was made anew: %+v", now)
	}
	if said := h.words(log); said != "" {
		t.Errorf("hooks ran: %q", said)
	}
	lose()
	h.write("a.yaml", manifest("second"))
	h.start()
	if why := h.because("s", "RecordLost"); !strings.Contains(why, h.state+"/sessions/s/upper") {
		t.Errorf("message: %s", why)
	}
	if text, err := os.ReadFile(h.run + "/sessions/s/root/etc/mine"); err != nil || string(text) != "mine\n" {
		t.Errorf("what was written: %q, %v", text, err)
	}
	h.write("a.yaml", manifest("root"))
	h.ready("s")
	if got := h.exec("s", "cat /etc/mine"); got != "mine\n" || h.status("s").Namespace != pin {
		t.Errorf("then: %q, %+v", got, h.status("s"))
	}
	h.remove("a.yaml")
	h.gone("s")
	h.nothingLeft()
}

// TestAnEmptiedManifestSweepsNothing boots with a manifest that a power cut
// emptied: nobody knows what stood in it, so nothing of what it may have named
// goes, and what was admitted comes back.
func TestAnEmptiedManifestSweepsNothing(t *testing.T) {
	h := newHost(t)
	root := h.root("root")
	h.start()
	h.write("a.yaml", session("kept", directory(root)))
	h.ready("kept")
	h.exec("kept", "echo mine > /etc/mine")
	h.powerCut()
	must(t, os.Truncate(h.manifests+"/a.yaml", 0))
	out, code := h.once()
	if code != 1 || !strings.Contains(out, h.manifests+"/a.yaml") || !strings.Contains(out, "it is empty") {
		t.Errorf("exit code %d\n%s", code, out)
	}
	if text, err := os.ReadFile(h.run + "/sessions/kept/root/etc/mine"); err != nil || string(text) != "mine\n" {
		t.Errorf("what was written: %q, %v\n%s", text, err, out)
	}
	h.remove("a.yaml")
	h.sweep()
	h.nothingLeft()
}

// TestAFolderThatIsNotMountedSweepsNothing boots before the file system with the
// manifests is mounted: its mount point is there, and empty.
func TestAFolderThatIsNotMountedSweepsNothing(t *testing.T) {
	h := newHost(t)
	root := h.root("root")
	h.shell("mkdir disk; mount --bind disk m")
	t.Cleanup(func() { _ = unix.Unmount(h.manifests, unix.MNT_DETACH) }) // it may be unmounted already
	h.start()
	h.write("a.yaml", session("kept", directory(root)))
	h.ephemeral("b.yaml", session("temp", directory(root)))
	h.ready("kept", "temp")
	h.exec("kept", "echo mine > /etc/mine")
	// While the daemon runs, however often it looks.
	h.shell("umount m")
	for range 3 {
		h.until("the folder is missed", func() bool {
			out, _ := h.try("get", "manifests")
			return strings.Contains(out, h.manifests)
		})
		h.shell("sleep 1.1") // its resync is a second
	}
	h.exec("kept", "test -e /etc/mine")
	h.powerCut()
	for range 2 {
		out, code := h.once()
		if code != 1 || !strings.Contains(out, h.manifests) {
			t.Errorf("exit code %d\n%s", code, out)
		}
		if text, err := os.ReadFile(h.run + "/sessions/kept/root/etc/mine"); err != nil || string(text) != "mine\n" {
			t.Errorf("what was written: %q, %v\n%s", text, err, out)
		}
	}
	h.shell("mount --bind disk m")
	if out := h.sweep(); !strings.Contains(out, "swept") {
		t.Errorf("the ephemeral session:\n%s", out)
	}
	h.remove("a.yaml")
	h.sweep()
	h.shell("umount m")
	h.nothingLeft()
}
