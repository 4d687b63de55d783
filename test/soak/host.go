package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"coppice.dev/reconcile/kernel/mounttable"
	"coppice.dev/reconcile/layout"
	"coppice.dev/status"
)

// host is the private folder: sources, watched folders, and the daemon's own.
type host struct {
	bin, base string
	daemon    *daemon
}

// The watched folders below the private one. The third is a link that is
// swapped, as sync tools do.
const (
	lasting  = "m"
	synced   = "git/current"
	runtimed = "run/manifests"
)

func newHost(o options) (*host, error) {
	base, err := os.MkdirTemp(o.folder, "coppice-soak-")
	if err != nil {
		return nil, err
	}
	if base, err = filepath.EvalSymlinks(base); err != nil {
		return nil, err
	}
	bin, err := filepath.Abs(o.bin)
	if err != nil {
		return nil, err
	}
	h := &host{bin: bin, base: base}
	h.daemon = &daemon{host: h}
	if out, err := h.shell(sources); err != nil {
		return nil, errors.Join(fmt.Errorf("make the sources: %w: %s", err, out), h.remove(false))
	}
	return h, nil
}

// path returns a path below the private folder.
func (h *host) path(name string) string { return filepath.Join(h.base, name) }

// expand replaces $ by the private folder.
func (h *host) expand(text string) string { return strings.ReplaceAll(text, "$", h.base) }

// shell runs a script in the private folder.
func (h *host) shell(script string) (string, error) {
	cmd := exec.Command("/bin/sh", "-ec", script)
	cmd.Dir = h.base
	out, err := cmd.CombinedOutput()
	return string(bytes.TrimSpace(out)), err
}

// coppice runs the command and returns what it said.
func (h *host) coppice(ctx context.Context, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, h.bin+"/coppice", append([]string{"--run-dir", h.path("run")}, args...)...)
	out, err := cmd.CombinedOutput()
	return string(bytes.TrimSpace(out)), err
}

// status returns the status of a session; none if there is none.
func (h *host) status(name string) (status.Status, bool) {
	f, err := status.Read(h.path("run/status"), "Session", name)
	return f.Status, err == nil
}

// pin returns the pin of a session's namespace; "" if it has none or several.
func (h *host) pin(session string) string {
	pins, err := filepath.Glob(h.path("run/ns/" + session + "/*"))
	if err != nil {
		return ""
	}
	pins = slices.DeleteFunc(pins, func(path string) bool {
		_, _, is := layout.ParsePin(filepath.Base(path))
		return !is
	})
	if len(pins) != 1 {
		return ""
	}
	return pins[0]
}

// identity is the controller's own, "" before it has one.
func (h *host) identity() string {
	id, err := os.ReadFile(h.path("state/id"))
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(id))
}

// groups are the controller's cgroups, the deepest last.
func (h *host) groups() []string {
	id := h.identity()
	if id == "" {
		return nil
	}
	var found []string
	for _, root := range []string{"/sys/fs/cgroup", "/sys/fs/cgroup/unified"} {
		_ = filepath.WalkDir(root+"/coppice-"+id, func(path string, e os.DirEntry, err error) error {
			if err == nil && e.IsDir() {
				found = append(found, path)
			}
			return nil
		})
	}
	return found
}

// endAll ends what runs in the controller's cgroups, and removes them.
func (h *host) endAll() {
	groups := h.groups()
	if len(groups) == 0 {
		return
	}
	_ = os.WriteFile(groups[0]+"/cgroup.kill", []byte("1"), 0) // what it is for is seen below
	for deadline := time.Now().Add(bound); len(groups) > 0 && time.Now().Before(deadline); groups = h.groups() {
		for _, g := range slices.Backward(groups) {
			_ = os.Remove(g) // it is tried until none is left
		}
	}
}

// remove takes away everything that is mounted below the private folder, and the
// folder unless it is kept.
func (h *host) remove(keep bool) error {
	h.daemon.kill()
	h.endAll()
	for range 2 { // what was hidden below another mount is seen at second sight
		table, err := mounttable.Host()
		if err != nil {
			return err
		}
		for _, e := range mounttable.Below(table, h.base) {
			_ = unix.Unmount(e.Mountpoint, unix.MNT_DETACH) // some go with others
		}
	}
	table, err := mounttable.Host()
	if err != nil {
		return err
	}
	if left := mounttable.Below(table, h.base); len(left) > 0 {
		return fmt.Errorf("%s is still mounted; the folder is kept", left[0].Mountpoint)
	}
	if keep {
		return nil
	}
	return os.RemoveAll(h.base)
}

// sources makes what sessions are grown from.
const sources = `
mkdir -p m git/rev-0 hooked share/deep root/bin root/etc root/proc root/sys root/dev root/tmp root/srv root/share
ln -s rev-0 git/current; echo '# nothing yet' >git/rev-0/none.yaml
cp /bin/busybox root/bin/; for t in sh cat ls touch sleep true umount; do ln -s busybox root/bin/$t; done
echo small >root/etc/motd; echo shared >share/deep/file
tar -C root -cf root.tar .; gzip -1 -k root.tar; zstd -q -k root.tar
mksquashfs root root.sqfs -quiet -no-progress -comp gzip >/dev/null
mkfs.erofs root.erofs root >/dev/null 2>&1
for i in 0 1 2; do truncate -s 16M own$i.ext4; mkfs.ext4 -q -d root own$i.ext4; done
truncate -s 16M root.ext4; mkfs.ext4 -q -d root root.ext4
truncate -s 160M pool.img; mkfs.btrfs -q pool.img >/dev/null 2>&1; mkdir pool; mount -o loop pool.img pool
btrfs -q subvolume create pool/golden; cp -a root/. pool/golden
`
