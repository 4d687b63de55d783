package tree_test

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"archive/tar"

	"github.com/klauspost/compress/zstd"
	"go.uber.org/goleak"
	"golang.org/x/sys/unix"

	"coppice.dev/reconcile/fault"
	"coppice.dev/reconcile/kernel/tree"
	"coppice.dev/reconcile/layout"
	"coppice.dev/reconcile/object"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func run(t *testing.T, name string, args ...string) {
	t.Helper()
	if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s %s: %v: %s", name, strings.Join(args, " "), err, out)
	}
}

func newDriver(t *testing.T) tree.Driver {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("needs root")
	}
	return tree.Driver{Layout: layout.Layout{State: t.TempDir(), Run: t.TempDir()}}
}

const key = "aaaaaaaaaaaa"

func wanted(t *testing.T, d tree.Driver, archive string) object.Object {
	t.Helper()
	var st unix.Stat_t
	must(t, unix.Stat(archive, &st))
	return object.Object{
		ID: object.ID{Owner: object.BaseOwner(key), Address: object.At(object.GroupLayer, "tree")},
		Spec: object.Tree{Archive: archive, Path: d.Layout.BaseTree(key), Contents: object.FileIdentity{
			Device: st.Dev, Inode: st.Ino, Size: st.Size, ModTime: st.Mtim.Nano(),
		}},
	}
}

// model is an archive of everything a root file system may hold.
func model(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	root := dir + "/root"
	must(t, os.MkdirAll(root+"/etc", 0o755))
	must(t, os.WriteFile(root+"/etc/passwd", []byte("root\n"), 0o640))
	must(t, os.Chown(root+"/etc/passwd", 123, 456))
	must(t, os.Link(root+"/etc/passwd", root+"/etc/passwd-"))
	must(t, os.Symlink("/etc/passwd", root+"/abs"))
	must(t, os.WriteFile(root+"/su", []byte("x"), 0o755))
	must(t, os.Chmod(root+"/su", 0o755|fs.ModeSetuid|fs.ModeSetgid))
	must(t, os.WriteFile(root+"/ping", []byte("x"), 0o755))
	run(t, "setcap", "cap_net_raw+ep", root+"/ping")
	run(t, "setfattr", "-n", "user.note", "-v", "kept", root+"/ping")
	run(t, "setfattr", "-n", "trusted.note", "-v", "kept", root+"/ping")
	must(t, unix.Mknod(root+"/null", unix.S_IFCHR|0o666, int(unix.Mkdev(1, 3))))
	must(t, unix.Mkfifo(root+"/pipe", 0o600))
	must(t, os.WriteFile(root+"/sparse", nil, 0o644))
	must(t, os.Truncate(root+"/sparse", 64<<20))
	old := time.Unix(1e9, 123456789)
	must(t, os.Chtimes(root+"/su", old, old))
	file := dir + "/a.tar"
	run(t, "tar", "--create", "--format=pax", "--sparse", "--xattrs", "--xattrs-include=*", "--file", file, "--directory", root, ".")
	return file
}

func pack(t *testing.T, file, how string) string {
	t.Helper()
	out := file + "." + how
	run(t, "sh", "-c", map[string]string{
		"tar": "cp $0 $1", "gz": "gzip -c $0 >$1", "xz": "xz -c $0 >$1", "zst": "zstd -qc $0 >$1", "bz2": "bzip2 -c $0 >$1", "lz4": "lz4 -qc $0 >$1",
		"zst-long": "zstd -q --long=31 -c $0 >$1", "lz4-legacy": "lz4 -qlc $0 >$1",
		// Two streams, one after the other, are one archive.
		"gz2": "head -c 5000 $0 | gzip >$1; tail -c +5001 $0 | gzip >>$1", "xz2": "head -c 5000 $0 | xz >$1; tail -c +5001 $0 | xz >>$1",
		"zst2": "head -c 5000 $0 | zstd -q >$1; tail -c +5001 $0 | zstd -q >>$1", "bz22": "head -c 5000 $0 | bzip2 >$1; tail -c +5001 $0 | bzip2 >>$1",
		"lz42":      "head -c 5000 $0 | lz4 -q >$1; tail -c +5001 $0 | lz4 -q >>$1",
		"gz-padded": "gzip -c $0 >$1; head -c 1024 /dev/zero >>$1", "tar-garbage": "cp $0 $1; head -c 3000 /dev/urandom >>$1",
	}[how], file, out)
	return out
}

func TestEveryCompression(t *testing.T) {
	plain := model(t)
	for _, how := range []string{"tar", "gz", "xz", "zst", "bz2", "lz4", "zst-long", "lz4-legacy", "gz2", "xz2", "zst2", "bz22", "lz42", "gz-padded", "tar-garbage"} {
		t.Run(how, func(t *testing.T) {
			d := newDriver(t)
			var last, total int64
			d.Progress = func(_ object.ID, done, of int64) { last, total = done, of }
			o := wanted(t, d, pack(t, plain, how))
			must(t, d.Create(t.Context(), o, nil))
			root := o.Spec.(object.Tree).Path
			var a, b unix.Stat_t
			must(t, unix.Lstat(root+"/etc/passwd", &a))
			must(t, unix.Lstat(root+"/etc/passwd-", &b))
			if a.Uid != 123 || a.Gid != 456 || a.Mode&0o7777 != 0o640 || a.Ino != b.Ino {
				t.Errorf("passwd: %+v", a)
			}
			must(t, unix.Lstat(root+"/su", &a))
			if a.Mode&0o7777 != 0o6755 || a.Mtim.Nano() != 1e18+123456789 {
				t.Errorf("su: mode %o, time %d", a.Mode, a.Mtim.Nano())
			}
			must(t, unix.Lstat(root+"/null", &a))
			if a.Mode&unix.S_IFMT != unix.S_IFCHR || a.Rdev != unix.Mkdev(1, 3) {
				t.Errorf("null: %+v", a)
			}
			must(t, unix.Lstat(root+"/sparse", &a))
			if a.Size != 64<<20 || a.Blocks > 64 {
				t.Errorf("sparse: %d bytes in %d blocks", a.Size, a.Blocks)
			}
			buf := make([]byte, 64)
			for _, name := range []string{"user.note", "trusted.note", "security.capability"} {
				if _, err := unix.Lgetxattr(root+"/ping", name, buf); err != nil {
					t.Errorf("%s: %v", name, err)
				}
			}
			if last == 0 || total == 0 || last > total {
				t.Errorf("progress %d of %d", last, total)
			}
			seen, err := d.Observe(t.Context(), o.Owner, []object.Object{o})
			must(t, err)
			if len(seen) != 1 || seen[0].Damage != "" || seen[0].Print != object.PrintOf(o.Spec) {
				t.Fatalf("seen %+v", seen)
			}
			must(t, d.Destroy(t.Context(), seen[0]))
			if seen, err := d.Observe(t.Context(), o.Owner, nil); err != nil || len(seen) != 0 {
				t.Errorf("left %+v, %v", seen, err)
			}
		})
	}
}

func fails(t *testing.T, archive string, reason fault.Reason) {
	t.Helper()
	d := newDriver(t)
	o := wanted(t, d, archive)
	err := d.Create(t.Context(), o, nil)
	if fault.ReasonOf(err) != reason {
		t.Errorf("error %v", err)
	}
	left, readErr := os.ReadDir(d.Layout.BaseTrees())
	if readErr != nil || len(left) != 0 {
		t.Errorf("left %v, %v", left, readErr)
	}
}

func TestCutShort(t *testing.T) {
	plain := model(t)
	for _, how := range []string{"tar", "gz", "xz", "zst", "bz2", "lz4"} {
		for _, part := range []int64{2, 4} { // a half, three quarters
			t.Run(how, func(t *testing.T) {
				file := pack(t, plain, how)
				info, err := os.Stat(file)
				must(t, err)
				// Of the zeros at the end of a plain one, two blocks are needed.
				must(t, os.Truncate(file, (info.Size()-info.Size()/part)*3/4))
				fails(t, file, fault.ArchiveBroken)
			})
		}
	}
	t.Run("the last byte", func(t *testing.T) {
		for _, how := range []string{"gz", "xz", "zst", "bz2"} {
			file := pack(t, plain, how)
			info, err := os.Stat(file)
			must(t, err)
			must(t, os.Truncate(file, info.Size()-1))
			fails(t, file, fault.ArchiveBroken)
		}
	})
}

// GNU tar takes an archive that ends between two members for whole. Files of a
// root file system are then missing, and nobody is told.
func TestCutBetweenMembers(t *testing.T) {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, name := range []string{"one", "two"} {
		must(t, w.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: 512, Typeflag: tar.TypeReg}))
		_, err := w.Write(bytes.Repeat([]byte("x"), 512))
		must(t, err)
	}
	must(t, w.Close())
	file := t.TempDir() + "/a.tar"
	must(t, os.WriteFile(file, b.Bytes()[:1024], 0o644)) // the first member and nothing else
	fails(t, file, fault.ArchiveBroken)
}

func TestNoArchive(t *testing.T) {
	for name, text := range map[string]string{"empty": "", "text": strings.Repeat("hello\n", 1000), "gzip of text": "\x1f\x8b\x08\x00\x00"} {
		t.Run(name, func(t *testing.T) {
			file := t.TempDir() + "/a"
			must(t, os.WriteFile(file, []byte(text), 0o644))
			fails(t, file, fault.ArchiveBroken)
		})
	}
}

func TestHostile(t *testing.T) {
	outside := t.TempDir()
	victim := filepath.Join(outside, "victim")
	for name, members := range map[string][]tar.Header{
		"dotdot":           {{Name: "../../../../../../../../.." + victim, Typeflag: tar.TypeReg}},
		"absolute":         {{Name: victim, Typeflag: tar.TypeReg}},
		"through a link":   {{Name: "l", Linkname: outside, Typeflag: tar.TypeSymlink}, {Name: "l/victim", Typeflag: tar.TypeReg}},
		"relative link":    {{Name: "l", Linkname: "../../../../../../../../.." + outside, Typeflag: tar.TypeSymlink}, {Name: "l/victim", Typeflag: tar.TypeReg}},
		"link over a dir":  {{Name: "d/", Typeflag: tar.TypeDir, Mode: 0o755}, {Name: "d", Linkname: outside, Typeflag: tar.TypeSymlink}, {Name: "d/victim", Typeflag: tar.TypeReg}},
		"the root a link":  {{Name: "./", Linkname: outside, Typeflag: tar.TypeSymlink}, {Name: "./victim", Typeflag: tar.TypeReg}},
		"hard link":        {{Name: "h", Linkname: "/etc/passwd", Typeflag: tar.TypeLink}},
		"hard link dotdot": {{Name: "h", Linkname: "../../../../../../../../../etc/passwd", Typeflag: tar.TypeLink}},
	} {
		t.Run(name, func(t *testing.T) {
			var b bytes.Buffer
			w := tar.NewWriter(&b)
			for _, h := range members {
				if h.Mode == 0 {
					h.Mode = 0o644
				}
				must(t, w.WriteHeader(&h))
			}
			must(t, w.Close())
			file := t.TempDir() + "/a.tar"
			must(t, os.WriteFile(file, b.Bytes(), 0o644))
			d := newDriver(t)
			err := d.Create(t.Context(), wanted(t, d, file), nil)
			if _, statErr := os.Lstat(victim); !errors.Is(statErr, fs.ErrNotExist) {
				t.Errorf("got out: %v (create: %v)", statErr, err)
				os.Remove(victim)
			}
			var in, out unix.Stat_t
			if unix.Lstat(d.Layout.BaseTree(key)+"/h", &in) == nil && unix.Stat("/etc/passwd", &out) == nil && in.Ino == out.Ino && in.Dev == out.Dev {
				t.Error("linked a file of the host")
			}
		})
	}
}

// TestAGreedyArchive asks for more memory to be decompressed than it is given.
func TestAGreedyArchive(t *testing.T) {
	var b bytes.Buffer
	compressed, err := zstd.NewWriter(&b, zstd.WithWindowSize(512<<20))
	must(t, err)
	w := tar.NewWriter(compressed)
	must(t, w.WriteHeader(&tar.Header{Name: "a", Typeflag: tar.TypeReg, Mode: 0o644}))
	must(t, w.Flush())
	must(t, compressed.Flush()) // so that its head says how much, and not how little there is
	must(t, errors.Join(w.Close(), compressed.Close()))
	file := t.TempDir() + "/a.tar.zst"
	must(t, os.WriteFile(file, b.Bytes(), 0o644))
	fails(t, file, fault.ArchiveBroken)
}

func TestNoSpace(t *testing.T) {
	d := newDriver(t)
	must(t, unix.Mount("t", d.Layout.State, "tmpfs", 0, "size=1m"))
	t.Cleanup(func() { must(t, unix.Unmount(d.Layout.State, unix.MNT_DETACH)) })
	root := t.TempDir()
	must(t, os.WriteFile(root+"/big", bytes.Repeat([]byte("x"), 4<<20), 0o644))
	file := t.TempDir() + "/a.tar"
	run(t, "tar", "cf", file, "-C", root, ".")
	err := d.Create(t.Context(), wanted(t, d, file), nil)
	if fault.ReasonOf(err) != fault.NoSpace {
		t.Errorf("error %v", err)
	}
}

func TestCancelled(t *testing.T) {
	plain := model(t)
	for _, how := range []string{"tar", "gz", "xz"} {
		d := newDriver(t)
		ctx, cancel := context.WithCancel(t.Context())
		d.Progress = func(object.ID, int64, int64) { cancel() }
		o := wanted(t, d, pack(t, plain, how))
		if err := d.Create(ctx, o, nil); !errors.Is(err, context.Canceled) {
			t.Errorf("%s: error %v", how, err)
		}
		if _, err := os.Lstat(o.Spec.(object.Tree).Path); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: published: %v", how, err)
		}
	}
}

func TestUmaskDoesNotMatter(t *testing.T) {
	old := syscall.Umask(0o077)
	defer syscall.Umask(old)
	root := t.TempDir()
	must(t, os.WriteFile(root+"/f", nil, 0o644))
	file := t.TempDir() + "/a.tar"
	run(t, "tar", "cf", file, "-C", root, "f") // says nothing of the root itself
	d := newDriver(t)
	o := wanted(t, d, file)
	must(t, d.Create(t.Context(), o, nil))
	info, err := os.Stat(o.Spec.(object.Tree).Path)
	must(t, err)
	if info.Mode().Perm() != 0o755 {
		t.Errorf("the root of the tree is %v: nobody but root gets in", info.Mode())
	}
}

func TestInterruptedIsDamageAndGoes(t *testing.T) {
	d := newDriver(t)
	must(t, os.MkdirAll(d.Layout.BaseTree(key)+".unpacking/x", 0o755))
	owners, err := d.Owners(t.Context())
	must(t, err)
	if len(owners) != 1 || owners[0] != object.BaseOwner(key) {
		t.Errorf("owners %v", owners)
	}
	seen, err := d.Observe(t.Context(), object.BaseOwner(key), nil)
	must(t, err)
	if len(seen) != 1 || seen[0].Damage == "" {
		t.Fatalf("seen %+v", seen)
	}
	must(t, d.Destroy(t.Context(), seen[0]))
	if owners, err := d.Owners(t.Context()); err != nil || len(owners) != 0 {
		t.Errorf("left %v, %v", owners, err)
	}
}
