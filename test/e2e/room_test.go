package e2e

import (
	"strings"
	"testing"

	"coppice.dev/status"
)

// TestDiskWatermark fills a disk up to where no session is begun any more.
func TestDiskWatermark(t *testing.T) {
	h := newHost(t)
	root := h.root("root")
	h.tmpfs(h.state, "size=64m,nr_inodes=4000")
	h.startAs(h.command("--min-free-space", "25%", "--min-free-inodes", "10%"))
	h.write("a.yaml", session("a", directory(root)))
	h.ready("a")
	h.shell("head -c 60M /dev/zero >" + h.state + "/ballast")
	h.write("b.yaml", session("b", directory(root)))
	says := h.because("b", "DiskFull")
	for _, part := range []string{h.state, "of 64.0 MiB", "25% is to stay free", "--min-free-space", "begins by itself"} {
		if !strings.Contains(says, part) {
			t.Errorf("it says %q, want %q in it", says, part)
		}
	}
	if phase := h.status("b").Phase; phase != status.Pending {
		t.Errorf("it waits, and is %s", phase)
	}
	out, code := h.try("begin", "--no-wait", root)
	if code == 0 || !strings.Contains(out, "is to stay free") {
		t.Errorf("begin says, with exit code %d: %s", code, out)
	}
	// Those that are there are looked after, and go.
	h.works("a")
	h.shell("umount -l " + h.run + "/sessions/a/root")
	h.is("a", "repaired", func(s status.Status) bool {
		return s.Phase == status.Ready && strings.Contains(h.shell("cat /proc/mounts"), h.run+"/sessions/a/root")
	})
	h.remove("a.yaml")
	h.gone("a")
	h.shell("rm " + h.state + "/ballast")
	h.ready("b")

	h.shell("mkdir " + h.state + "/many; cd " + h.state + "/many; seq 1 3900 | xargs touch 2>/dev/null || true")
	h.write("c.yaml", session("c", directory(root)))
	if says := h.because("c", "DiskFull"); !strings.Contains(says, "inodes free of 4000") {
		t.Errorf("it says %q", says)
	}
	h.shell("rm -r " + h.state + "/many")
	h.ready("c")
	h.remove("b.yaml")
	h.remove("c.yaml")
	h.gone("b", "c")
	h.nothingLeft()
}

// TestHostLimits has more asked for than there may be.
func TestHostLimits(t *testing.T) {
	h := newHost(t)
	root := h.root("root")
	h.startAs(h.command("--max-sessions", "2"))
	for _, name := range []string{"a", "b"} {
		h.write(name+".yaml", session(name, directory(root)))
		h.ready(name)
	}
	h.write("c.yaml", session("c", directory(root)))
	if says := h.because("c", "HostFull"); !strings.Contains(says, "there are 2 sessions") || !strings.Contains(says, "--max-sessions") {
		t.Errorf("it says %q", says)
	}
	h.write("d.yaml", session("d", directory(root)))
	h.because("d", "HostFull")
	if out, code := h.try("begin", "--no-wait", root); code == 0 || !strings.Contains(out, "--max-sessions") {
		t.Errorf("begin says, with exit code %d: %s", code, out)
	}
	// Who was killed knows who is there, and who came first.
	h.kill()
	h.startAs(h.command("--max-sessions", "2"))
	h.ready("a", "b")
	h.remove("a.yaml")
	// Which of two that came within a second is not remembered; two beside one are too many.
	h.until("one of them begins", func() bool { return h.status("c").Phase == status.Ready || h.status("d").Phase == status.Ready })
	if h.status("c").Phase == h.status("d").Phase {
		t.Errorf("both are %s", h.status("c").Phase)
	}
	h.remove("b.yaml")
	h.ready("c", "d")
	h.kill()

	h.startAs(h.command("--max-loop-devices", "1"))
	h.shell("truncate -s 1M other.img")
	other := h.device(h.base + "/other.img")
	h.write("e.yaml", session("e", directory(root)+", union: {upper: {size: 16Mi}}"))
	if says := h.because("e", "HostFull"); !strings.Contains(says, "--max-loop-devices") {
		t.Errorf("it says %q", says)
	}
	h.write("f.yaml", session("f", directory(root))) // takes none
	h.ready("c", "d", "f")
	h.kill()

	h.startAs(h.command("--max-mounts", "1"))
	h.ready("c", "d", "f")
	h.until("it says that there are too many mounts", func() bool { return strings.Contains(h.because("e", "HostFull"), "--max-mounts") })
	h.kill()
	h.start()
	h.ready("e")
	for _, name := range []string{"c", "d", "e", "f"} {
		h.remove(name + ".yaml")
	}
	h.gone("c", "d", "e", "f")
	h.detach(other)
	h.nothingLeft()
}
