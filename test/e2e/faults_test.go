package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"coppice.dev/status"
)

// The tests called TestFault... break one thing each, and want four things: that
// the user is told what to do, that other sessions go on, that all heals when
// the fault goes, and that whatever is broken can be deleted.

// tmpfs mounts a small file system in memory below the prefix.
func (h *host) tmpfs(path, options string) {
	h.t.Helper()
	must(h.t, os.MkdirAll(path, 0o755))
	must(h.t, unix.Mount("tmpfs", path, "tmpfs", 0, options))
	h.given = append(h.given, path)
}

// disk mounts a small ext4 of its own below the prefix and returns the device.
func (h *host) disk(path, size, options string) string {
	h.t.Helper()
	must(h.t, os.MkdirAll(path, 0o755))
	image := filepath.Join(h.t.TempDir(), "disk")
	h.shell("truncate -s " + size + " " + image + "; mkfs.ext4 -q " + image + "; mount -o loop," + options + " " + image + " " + path)
	h.given = append(h.given, path)
	return strings.TrimSpace(h.shell("findmnt -nro SOURCE -M " + path))
}

// fill leaves no room in a folder's file system. What it filled before stays.
func (h *host) fill(folder string) {
	h.t.Helper()
	file, err := os.OpenFile(filepath.Join(folder, "ballast"), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	must(h.t, err)
	defer file.Close()
	for size := 1 << 20; size > 0; {
		if _, err := file.Write(make([]byte, size)); err != nil {
			size /= 4
		}
	}
}

func (h *host) empty(folder string) {
	h.t.Helper()
	must(h.t, os.Remove(filepath.Join(folder, "ballast")))
}

// logged reports whether the daemon's log holds the text.
func (h *host) logged(text string) bool {
	h.t.Helper()
	log, err := os.ReadFile(h.log)
	must(h.t, err)
	return strings.Contains(string(log), text)
}

// works wants a session that goes on whatever happens to others.
func (h *host) works(name string) {
	h.t.Helper()
	got, code := h.try("exec", name, "--", "cat", "/etc/motd")
	if strings.Contains(got, "coppiced is not running") { // it was started this moment
		h.until("the daemon works", func() bool {
			got, code = h.try("exec", name, "--", "cat", "/etc/motd")
			return code == 0
		})
	}
	if got != "small\n" || code != 0 {
		h.t.Errorf("session %s says %q, exit code %d", name, got, code)
	}
	if s := h.status(name); s.Phase != status.Ready {
		h.t.Errorf("session %s is %s: %+v", name, s.Phase, s.Conditions)
	}
}

// tells wants each of the words in a message.
func tells(t *testing.T, message string, words ...string) {
	t.Helper()
	t.Log(message)
	for _, word := range words {
		if !strings.Contains(message, word) {
			t.Errorf("the message does not say %q: %s", word, message)
		}
	}
}
