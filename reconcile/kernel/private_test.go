package kernel_test

import (
	"os"
	"strings"
	"testing"

	"coppice.dev/reconcile/kernel"
)

// TestNobodyGetsToRootsByTheirFolders, whoever made those.
func TestNobodyGetsToRootsByTheirFolders(t *testing.T) {
	h := newHost(t)
	folders := []string{
		h.layout.Homes(), h.layout.BaseTrees(), h.layout.Trash(), h.layout.BaseMounts(), h.layout.Disks(), h.layout.Leases(),
	}
	for _, before := range []os.FileMode{0, 0o755} {
		for _, path := range folders {
			if before != 0 {
				must(t, os.Chmod(path, before))
			}
		}
		h.restart()
		for _, path := range folders {
			info, err := os.Stat(path)
			must(t, err)
			if info.Mode().Perm() != 0o700 {
				t.Errorf("%s, which had mode %o, has %o", path, before, info.Mode().Perm())
			}
		}
	}
	// One that was there before, and is somebody's.
	must(t, h.kernel.Close())
	must(t, os.Chown(h.layout.Leases(), 1000, 0))
	if _, err := kernel.Open(kernel.Config{Layout: h.layout}); err == nil || !strings.Contains(err.Error(), "no folder of root's") {
		t.Errorf("with a folder of somebody's: %v", err)
	}
	must(t, os.Chown(h.layout.Leases(), 0, 0))
	h.kernel = nil
	h.restart()
}
