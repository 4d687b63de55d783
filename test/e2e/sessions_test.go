package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"coppice.dev/status"
)

func TestSources(t *testing.T) {
	h := newHost(t)
	root := h.root("root")
	h.shell("tar -C root -c . | zstd -q > root.tar.zst; mksquashfs root root.sqfs -quiet -no-progress; truncate -s 32M root.ext4; mkfs.ext4 -q -d root root.ext4")
	h.start()
	h.write("a.yaml", session("overlay", directory(root)))
	h.write("b.yaml", session("same", directory(h.root("second"))+", union: {type: none}"))
	h.write("c.yaml", session("plain", "source: {plain: {path: "+h.root("third")+"}}"))
	h.write("d.yaml", session("archive", "source: {file: {path: "+h.base+"/root.tar.zst}}"))
	h.write("e.yaml", session("image", "source: {loopback: {path: "+h.base+"/root.sqfs}}"))
	h.write("f.yaml", session("image-two", "source: {loopback: {path: "+h.base+"/root.sqfs}}"))
	h.write("g.yaml", session("written", "source: {loopback: {path: "+h.base+"/root.ext4}}, union: {type: none}"))
	h.write("h.yaml", session("host", directory("/"), "expose: None"))
	all := []string{"overlay", "same", "plain", "archive", "image", "image-two", "written", "host"}
	h.ready(all...)
	for _, name := range all[:7] {
		if got := h.exec(name, "cat /etc/motd; touch /etc/new"); got != "small\n" {
			t.Errorf("%s: %q", name, got)
		}
	}
	for _, kept := range []string{"root"} {
		if _, err := os.Stat(filepath.Join(h.base, kept, "etc/new")); err == nil {
			t.Errorf("a write inside reached %s", kept)
		}
	}
	for _, shared := range []string{"second", "third"} {
		if _, err := os.Stat(filepath.Join(h.base, shared, "etc/new")); err != nil {
			t.Errorf("a write inside did not reach %s: %v", shared, err)
		}
	}
	if n := h.loops(); n != 2 {
		t.Errorf("%d loop devices for two images", n)
	}
	if left, _ := os.ReadDir(h.run + "/sessions/host"); len(left) > 0 {
		t.Errorf("a session that is not exposed is seen: %v", left)
	}
	if out := h.do("tree", "image"); !strings.Contains(out, "image-two") || !strings.Contains(out, "/dev/loop") {
		t.Errorf("tree:\n%s", out)
	}
	h.shell("rm m/*")
	h.gone(all...)
	h.nothingLeft()
}

func TestExclusiveImage(t *testing.T) {
	h := newHost(t)
	h.root("root")
	h.shell("truncate -s 32M root.ext4; mkfs.ext4 -q -d root root.ext4")
	h.start()
	chroot := "source: {loopback: {path: " + h.base + "/root.ext4}}, union: {type: none}"
	h.write("a.yaml", session("first", chroot))
	h.ready("first")
	h.write("b.yaml", session("second", chroot))
	if why := h.because("second", "SourceHeld"); !strings.Contains(why, "first") {
		t.Errorf("it is not said who holds it: %s", why)
	}
	h.remove("a.yaml")
	h.gone("first")
	h.ready("second")
	h.remove("b.yaml")
	h.gone("second")
	h.nothingLeft()
}

func TestTrouble(t *testing.T) {
	h := newHost(t)
	root := h.root("root")
	h.start()
	h.write("good.yaml", session("good", directory(root)))
	h.ready("good")
	// An image that is missing, and then is there.
	h.write("late.yaml", session("late", directory(h.base+"/late")))
	if why := h.because("late", "SourceMissing"); !strings.Contains(why, h.base+"/late") {
		t.Errorf("message: %s", why)
	}
	if out, code := h.try("exec", "late", "--", "true"); code != 125 || !strings.Contains(out, "not ready") {
		t.Errorf("exec in what is not ready: %d, %s", code, out)
	}
	h.root("late")
	h.ready("late")
	// A chroot that is missing, and a near miss.
	h.write("ref.yaml", "apiVersion: coppice.dev/v1alpha1\nkind: Session\nmetadata: {name: ref}\nspec: {chrootRef: {name: debain}}\n")
	h.is("ref", "pending", func(s status.Status) bool { return s.Phase == status.Pending })
	h.write("chroot.yaml", "apiVersion: coppice.dev/v1alpha1\nkind: Chroot\nmetadata: {name: debain}\nspec: {source: {directory: {path: "+root+"}}}\n")
	h.ready("ref")
	// A wrong file system, and no archive at all.
	must(t, os.WriteFile(h.base+"/zero.img", make([]byte, 1<<20), 0o644))
	h.write("zero.yaml", session("zero", "source: {loopback: {path: "+h.base+"/zero.img}}"))
	h.because("zero", "WrongFileSystem")
	must(t, os.WriteFile(h.base+"/text", []byte(strings.Repeat("this is no archive\n", 1000)), 0o644))
	h.write("broken.yaml", session("broken", "source: {file: {path: "+h.base+"/text}}"))
	h.because("broken", "ArchiveBroken")
	// A manifest that breaks: the session goes on, and it is told.
	h.write("good.yaml", "kind: [")
	h.until("the mistake is told", func() bool {
		out, _ := h.try("get", "manifests")
		return strings.Contains(out, "good.yaml")
	})
	if got := h.exec("good", "cat /etc/motd"); got != "small\n" {
		t.Errorf("a session whose manifest is broken: %q", got)
	}
	// The folder goes, or leads nowhere: nothing is torn down for it.
	must(t, os.Rename(h.manifests, h.base+"/aside"))
	must(t, os.Symlink("nowhere", h.manifests))
	h.until("the folder is missed", func() bool {
		out, _ := h.try("get", "manifests")
		return strings.Contains(out, h.manifests)
	})
	h.exec("good", "true")
	h.exec("late", "true")
	must(t, os.Remove(h.manifests))
	must(t, os.Rename(h.base+"/aside", h.manifests))
	h.shell("rm m/*")
	h.gone("good", "late", "ref", "zero", "broken")
	h.nothingLeft()
}

func TestDriftIsRepaired(t *testing.T) {
	h := newHost(t)
	h.start()
	h.write("a.yaml", session("s", directory(h.root("root")), "expose: Tree"))
	h.ready("s")
	pin := h.status("s").Namespace
	view := h.run + "/sessions/s/root"
	mounted := func() bool {
		out, err := exec.Command("nsenter", "--mount="+h.status("s").Namespace, "/bin/mount").Output()
		return err == nil && strings.Contains(string(out), " on /proc ")
	}
	h.shell("nsenter --mount=" + pin + " /bin/umount /proc")
	h.until("/proc is back", mounted)
	h.shell("umount -R " + view)
	h.until("the view is back", func() bool {
		_, err := os.Stat(view + "/proc/self")
		return err == nil
	})
	h.exec("s", "touch /kept")
	h.shell("umount -l " + h.status("s").Namespace) // the daemon may just be looking at it
	h.until("another pin is there", func() bool { now := h.status("s"); return now.Namespace != pin && now.Phase == status.Ready })
	h.exec("s", "test -e /kept && test -e /proc/self")
	h.remove("a.yaml")
	h.gone("s")
	h.nothingLeft()
}

func TestDaemonsDeathAndReturn(t *testing.T) {
	h := newHost(t)
	root := h.root("root")
	h.start()
	h.write("a.yaml", session("a", directory(root)))
	h.write("b.yaml", session("b", directory(root)))
	h.ready("a", "b")
	h.exec("a", "touch /kept")
	h.end(syscall.SIGTERM)
	if _, err := os.Stat(h.run + "/sessions/a/root/kept"); err != nil {
		t.Errorf("after SIGTERM: %v", err)
	}
	h.start()
	pin := h.status("a").Namespace
	h.kill()
	h.remove("b.yaml")
	h.write("c.yaml", session("c", directory(root)))
	h.start()
	h.gone("b")
	h.ready("a", "c")
	if now := h.status("a").Namespace; now != pin {
		t.Errorf("a restart made a session anew: %s, then %s", pin, now)
	}
	h.exec("a", "test -e /kept")
	// At any moment, again and again.
	for i := range 12 {
		h.write("d.yaml", session("d", directory(root)))
		h.write("e.yaml", session("e", directory(root), "expose: Tree"))
		time.Sleep(time.Duration(i) * 3 * time.Millisecond) // another moment each time
		h.kill()
		if i%2 == 0 {
			h.remove("d.yaml")
		}
		h.start()
		h.ready("e")
		h.remove("e.yaml")
		time.Sleep(time.Duration(i) * 2 * time.Millisecond)
		h.kill()
		h.start()
		h.gone("e")
	}
	h.shell("rm m/*")
	h.gone("a", "c", "d")
	h.nothingLeft()
}

func TestBusyViewNamesWhoIsInTheWay(t *testing.T) {
	h := newHost(t)
	h.start()
	h.write("a.yaml", session("s", directory(h.root("root"))))
	h.ready("s")
	in, out, err := os.Pipe()
	must(t, err)
	t.Cleanup(func() { in.Close(); out.Close() })
	holder := exec.Command("cat")
	holder.Dir, holder.Stdin = h.run+"/sessions/s/root/etc", in
	must(t, holder.Start())
	t.Cleanup(func() { _ = holder.Process.Kill(); _ = holder.Wait() })
	h.remove("a.yaml")
	s := h.is("s", "busy", func(s status.Status) bool {
		return s.Phase == status.Terminating && strings.Contains(h.do("describe", "session", "s"), "(cat)")
	})
	_ = s
	must(t, holder.Process.Kill())
	h.gone("s")
	h.nothingLeft()
}

func TestHostileRoot(t *testing.T) {
	h := newHost(t)
	// Mounts below the folder for temporary files are of tests that run beside.
	outside := "ls -la /etc | wc -l; awk -v t=" + os.TempDir() + "/ 'index($5, t) != 1 { print $5 }' /proc/self/mountinfo"
	before := h.shell(outside)
	root := h.root("root")
	h.shell("rm -r root/proc root/dev; ln -s /etc root/proc; ln -s / root/dev; ln -s ../../.. root/tmp")
	precious := h.base + "/precious"
	must(t, os.Mkdir(precious, 0o755))
	must(t, os.WriteFile(precious+"/file", nil, 0o644))
	h.start()
	h.write("a.yaml", session("hostile", directory(root)))
	if why := h.because("hostile", "TargetUnusable"); !strings.Contains(why, "/dev") {
		t.Errorf("message: %s", why)
	}
	h.write("b.yaml", session("bound", directory(h.root("other")), "profile: {mounts: [{type: bind, source: "+precious+", target: /precious}]}"))
	h.ready("bound")
	h.exec("bound", "touch /precious/new")
	h.shell("rm m/*")
	h.gone("hostile", "bound")
	for _, file := range []string{"file", "new"} {
		if _, err := os.Stat(filepath.Join(precious, file)); err != nil {
			t.Errorf("a file of the host: %v", err)
		}
	}
	h.nothingLeft()
	if after := h.shell(outside); after != before {
		t.Errorf("the host before %q, after %q", before, after)
	}
}

func TestHooks(t *testing.T) {
	h := newHost(t)
	log := h.base + "/hooks"
	h.start()
	hooks := func(second string) string {
		return "profile: {hooks: [" +
			"{name: one, command: [/bin/sh, -c, 'echo one >> " + log + "'], undo: [/bin/sh, -c, 'echo undo-one >> " + log + "']}, " +
			"{name: two, command: [/bin/sh, -c, '" + second + "'], undo: [/bin/sh, -c, 'echo undo-two >> " + log + "']}]}"
	}
	h.write("a.yaml", session("s", directory(h.root("root")), hooks("echo it is sad; exit 3")))
	if why := h.because("s", "HookFailed"); !strings.Contains(why, "it is sad") || !strings.Contains(why, "exit status 3") {
		t.Errorf("message: %s", why)
	}
	h.write("a.yaml", session("s", "source: {directory: {path: "+h.base+"/root}}", hooks("echo two >> "+log)))
	h.ready("s")
	must(t, os.Truncate(log, 0))
	h.remove("a.yaml")
	h.gone("s")
	said, err := os.ReadFile(log)
	must(t, err)
	if got := strings.Join(strings.Fields(string(said)), " "); got != "undo-two undo-one" {
		t.Errorf("undone: %q", got)
	}
	h.nothingLeft()
}
