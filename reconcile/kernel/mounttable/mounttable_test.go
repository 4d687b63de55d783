package mounttable

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// private returns a folder that is a mount of its own, so that what is mounted below
// it is nobody else's. Names are as hard to read as a table can hold.
func private(t *testing.T) string {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("needs root")
	}
	base := filepath.Join(t.TempDir(), "a b\t\\c\nd")
	must(t, os.Mkdir(base, 0o755))
	must(t, unix.Mount("around", base, "tmpfs", 0, ""))
	t.Cleanup(func() { must(t, unix.Unmount(base, unix.MNT_DETACH)) })
	must(t, unix.Mount("", base, "", unix.MS_PRIVATE, ""))
	return base
}

func put(t *testing.T, source, path string) {
	t.Helper()
	must(t, os.MkdirAll(path, 0o755))
	must(t, unix.Mount(source, path, "tmpfs", 0, ""))
}

// same compares what the kernel says of single mounts with what its table says.
func same(t *testing.T, path string) []*Entry {
	t.Helper()
	got, err := HostBelow(path)
	must(t, err)
	table, err := Host()
	must(t, err)
	want := Below(table, path)
	for _, e := range want {
		e.Options, e.Optional, e.VFSOptions = "", "", ""
	}
	for _, e := range got { // they come with the table where the kernel cannot be asked
		e.Options, e.Optional, e.VFSOptions = "", "", ""
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("below %q the table (-) and the kernel (+) say:\n%s", path, diff)
	}
	return got
}

func TestHostBelow(t *testing.T) {
	base := private(t)
	put(t, "one", base+"/one")
	put(t, "one again", base+"/one")
	put(t, "deep # \\", base+"/one/x/y z")
	put(t, "beside", base+"/one-more")
	if found := same(t, base+"/one"); len(found) != 3 || found[0].Source != "deep # \\" || found[1].Source != "one again" {
		t.Errorf("found %v", found)
	}
	same(t, base)
	if found := same(t, base+"/on"); len(found) != 0 {
		t.Errorf("found %v where nothing is", found)
	}
	if top, err := HostAt(base + "/one"); err != nil || top == nil || top.Source != "one again" {
		t.Errorf("on top is %v, %v", top, err)
	}
	must(t, unix.Unmount(base+"/one/x/y z", 0))
	must(t, unix.Unmount(base+"/one", 0))
	if top, err := HostAt(base + "/one"); err != nil || top == nil || top.Source != "one" {
		t.Errorf("on top is %v, %v", top, err)
	}
	must(t, unix.Unmount(base+"/one", 0))
	if top, err := HostAt(base + "/one"); err != nil || top != nil {
		t.Errorf("on top is %v, %v, where nothing is", top, err)
	}
}

// A mount that was moved away is never said to be where it was; that it came to
// another place may be learned late.
func TestAMountThatIsMoved(t *testing.T) {
	base := private(t)
	put(t, "it", base+"/from")
	must(t, os.Mkdir(base+"/to", 0o755))
	same(t, base+"/from")
	must(t, unix.Mount(base+"/from", base+"/to", "", unix.MS_MOVE, ""))
	if found := same(t, base+"/from"); len(found) != 0 {
		t.Errorf("still there: %v", found[0])
	}
	host.mu.Lock()
	host.since = time.Now().Add(-trusted - time.Second)
	host.mu.Unlock()
	if found := same(t, base+"/to"); len(found) != 1 {
		t.Errorf("found %d mounts", len(found))
	}
}

func TestThereAreMoreMountsThanFitInOneAnswer(t *testing.T) {
	base := private(t)
	const many = 2100
	for i := range many {
		must(t, os.Mkdir(filepath.Join(base, string(rune('a'+i%26))+time.Duration(i).String()), 0o755))
	}
	entries, err := os.ReadDir(base)
	must(t, err)
	for _, e := range entries {
		must(t, unix.Mount("many", filepath.Join(base, e.Name()), "tmpfs", 0, "size=4k"))
	}
	if found := same(t, base); len(found) != many+1 {
		t.Errorf("found %d mounts, want %d", len(found), many+1)
	}
}

func BenchmarkHost(b *testing.B) {
	for b.Loop() {
		if _, err := Host(); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkHostBelow(b *testing.B) {
	for b.Loop() {
		if _, err := HostBelow("/nowhere"); err != nil {
			b.Fatal(err)
		}
	}
}
