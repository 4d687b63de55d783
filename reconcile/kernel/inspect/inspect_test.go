package inspect_test

import (
	"encoding/binary"
	"os"
	"os/exec"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"coppice.dev/reconcile/fault"
	"coppice.dev/reconcile/kernel/inspect"
	"coppice.dev/spec"
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// disk has an MBR with one partition at 1 MiB, a squashfs.
func disk(t *testing.T) (whole, part string) {
	t.Helper()
	dir := t.TempDir()
	must(t, os.Mkdir(dir+"/root", 0o755))
	if out, err := exec.Command("mksquashfs", dir+"/root", dir+"/part", "-quiet", "-no-progress").CombinedOutput(); err != nil {
		t.Fatalf("mksquashfs: %v: %s", err, out)
	}
	text, err := os.ReadFile(dir + "/part")
	must(t, err)
	image := append(make([]byte, 1<<20), text...)
	entry := image[446:]
	entry[4] = 0x83
	binary.LittleEndian.PutUint32(entry[8:], 2048)
	binary.LittleEndian.PutUint32(entry[12:], uint32(len(text)/512))
	image[510], image[511] = 0x55, 0xaa
	must(t, os.WriteFile(dir+"/disk", image, 0o644))
	return dir + "/disk", dir + "/part"
}

func TestSource(t *testing.T) {
	whole, part := disk(t)
	dir := t.TempDir()
	must(t, unix.Mkfifo(dir+"/fifo", 0o600))
	loop := func(l spec.LoopbackSource) spec.Source { return spec.Source{Loopback: &l} }
	for _, row := range []struct {
		name   string
		source spec.Source
		reason fault.Reason
		words  string
	}{
		{"folder", spec.Source{Directory: &spec.DirectorySource{Path: dir}}, "", ""},
		{"plain folder", spec.Source{Plain: &spec.PlainSource{Path: dir}}, "", ""},
		{"no folder", spec.Source{Directory: &spec.DirectorySource{Path: dir + "/no"}}, fault.SourceMissing, "make the folder"},
		{"file for folder", spec.Source{Plain: &spec.PlainSource{Path: part}}, fault.SourceUnusable, "no folder"},
		{"archive", spec.Source{File: &spec.FileSource{Path: part}}, "", ""},
		{"no archive", spec.Source{File: &spec.FileSource{Path: dir + "/no"}}, fault.SourceMissing, "put the file there"},
		{"folder for archive", spec.Source{File: &spec.FileSource{Path: dir}}, fault.SourceUnusable, "no regular file"},
		{"pipe for archive", spec.Source{File: &spec.FileSource{Path: dir + "/fifo"}}, fault.SourceUnusable, "no regular file"},
		{"image", loop(spec.LoopbackSource{Path: part}), "", ""},
		{"image of another type", loop(spec.LoopbackSource{Path: part, FSType: "ext4"}), fault.WrongFileSystem, "holds squashfs, not ext4"},
		{"partition", loop(spec.LoopbackSource{Path: whole, Partition: 1}), "", ""},
		{"offset", loop(spec.LoopbackSource{Path: whole, Offset: 1 << 20}), "", ""},
		{"no such partition", loop(spec.LoopbackSource{Path: whole, Partition: 2}), fault.WrongFileSystem, "no partition 2, but [1]"},
		{"partition of none", loop(spec.LoopbackSource{Path: part, Partition: 1}), fault.WrongFileSystem, "no partition table"},
		{"which partition", loop(spec.LoopbackSource{Path: whole}), fault.WrongFileSystem, "partition: 1"},
		{"offset beyond", loop(spec.LoopbackSource{Path: part, Offset: 1 << 40}), fault.WrongFileSystem, "no file system"},
		{"no subvolume", spec.Source{BtrfsSnapshot: &spec.BtrfsSnapshotSource{Subvolume: dir}}, fault.WrongFileSystem, "no btrfs subvolume"},
		{"nothing", spec.Source{}, fault.SourceUnusable, "newer one"},
	} {
		t.Run(row.name, func(t *testing.T) {
			facts, err := inspect.Source(t.Context(), row.source, nil)
			if row.reason == "" {
				must(t, err)
				if row.source.Loopback != nil && (facts.FSType != "squashfs" || !facts.ReadOnly || facts.Contents.Inode == 0) {
					t.Errorf("facts %+v", facts)
				}
				if p := row.source.Loopback; p != nil && p.Path == whole && facts.Offset != 1<<20 {
					t.Errorf("offset %d", facts.Offset)
				}
				return
			}
			if fault.ReasonOf(err) != row.reason || !strings.Contains(err.Error(), row.words) {
				t.Errorf("reason %s, error %v", fault.ReasonOf(err), err)
			}
		})
	}
}
