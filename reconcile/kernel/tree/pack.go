package tree

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
	"golang.org/x/sys/unix"

	"coppice.dev/reconcile/fault"
	"coppice.dev/reconcile/object"
)

// pack packs a folder into a new file, compressed as the file at model is, with
// its owner and mode. It is on disk when this returns.
func (d Driver) pack(ctx context.Context, id object.ID, folder, model, into string) error {
	doing := "pack " + model
	old, err := os.Open(model)
	if err != nil {
		return fault.Source(doing, err)
	}
	defer old.Close()
	head := make([]byte, 6)
	n, err := io.ReadFull(old, head)
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
		return fault.Source(doing, err)
	}
	var st unix.Stat_t
	if err := unix.Fstat(int(old.Fd()), &st); err != nil {
		return fmt.Errorf("%s: %w", doing, err)
	}
	file, err := os.OpenFile(into, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return fault.Disk(doing, err)
	}
	defer file.Close()
	compressed, err := compress(ctx, head[:n], file)
	if err != nil {
		return broken(doing, err, "")
	}
	counted := &counted{Writer: compressed, report: func(int64) {}}
	if d.Progress != nil {
		total := unpacked(ctx, folder)
		counted.report = func(done int64) { d.Progress(id, min(done, total), total) }
	}
	if err := create(ctx, folder, counted); err != nil {
		_ = compressed.Close() // what went wrong before it counts
		return notPacked(doing, err)
	}
	if err := compressed.Close(); err != nil {
		return notPacked(doing, err)
	}
	err = errors.Join(file.Chown(int(st.Uid), int(st.Gid)), unix.Fchmod(int(file.Fd()), st.Mode&0o7777), file.Sync())
	if err != nil {
		return fault.Disk(doing, err)
	}
	return nil
}

// create has GNU tar write an archive of a folder, with all that unpack knows of.
func create(ctx context.Context, folder string, to io.Writer) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	cmd := exec.CommandContext(ctx, "tar", "--create", "--file=-", "--directory="+folder, "--one-file-system",
		"--numeric-owner", "--sparse", "--xattrs", "--xattrs-include=*", "--acls", "--no-selinux", "--warning=no-file-ignored",
		// When a file was last read, and last changed in any way, is of no tree's concern.
		"--pax-option=delete=atime,delete=ctime", ".")
	cmd.Env = []string{"LC_ALL=C", "PATH=/usr/bin:/bin"}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	var said tail
	cmd.Stdout, cmd.Stderr = to, &said
	cmd.Cancel = func() error { return unix.Kill(-cmd.Process.Pid, unix.SIGKILL) } // with all that it started
	// What tar has written is compressed and on its way to the disk when it has ended
	// already, for as long as the disk takes: no WaitDelay.
	err := cmd.Run()
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	if err != nil && said.String() != "" {
		return fmt.Errorf("%w: %s", err, strings.TrimSpace(said.String()))
	}
	return err
}

// unpacked is about how long an archive of a folder is before it is compressed: it is a
// figure for people. Holes are left out, and attributes are not counted.
func unpacked(ctx context.Context, folder string) int64 {
	const block = 512
	total := int64(2 * block) // the mark that ends it
	linked := map[uint64]bool{}
	var top unix.Stat_t
	if unix.Lstat(folder, &top) != nil {
		return total // packing it will tell
	}
	_ = filepath.WalkDir(folder, func(at string, e fs.DirEntry, err error) error {
		var st unix.Stat_t
		switch {
		case ctx.Err() != nil:
			return fs.SkipAll
		case err != nil || unix.Lstat(at, &st) != nil:
			return nil //nolint:nilerr // what cannot be looked at counts nothing
		case st.Dev != top.Dev && e.IsDir():
			return fs.SkipDir
		}
		total += 3 * block // its header, and the extended one with exact times
		if e.Type().IsRegular() && !linked[st.Ino] {
			total += min((st.Size+block-1)/block, st.Blocks) * block // st_blocks is in the same unit
			linked[st.Ino] = true
		}
		return nil
	})
	return total
}

func notPacked(doing string, err error) error {
	switch {
	case errors.Is(err, exec.ErrNotFound):
		return &fault.Fault{Reason: fault.ToolMissing, Doing: doing, Err: err, Hint: "install the package tar"}
	case fault.OfMachine(err):
		return fault.Disk(doing, err)
	}
	return fmt.Errorf("%s: %w", doing, err)
}

// compress returns a writer that compresses as a file with these first bytes is
// compressed. What was written is whole when it was closed without an error.
func compress(ctx context.Context, head []byte, to io.Writer) (io.WriteCloser, error) {
	begins := func(magic string) bool { return bytes.HasPrefix(head, []byte(magic)) }
	switch {
	case begins("\x1f\x8b"):
		return gzip.NewWriter(to), nil
	case begins("\x28\xb5\x2f\xfd"):
		return zstd.NewWriter(to)
	case begins("\x04\x22\x4d\x18"):
		return lz4.NewWriter(to), nil
	case begins("\x02\x21\x4c\x18"):
		w := lz4.NewWriter(to)
		return w, w.Apply(lz4.LegacyOption(true))
	case begins("BZh"):
		return filter(ctx, to, "bzip2", "bzip2", "--compress", "--stdout")
	case begins("\xfd7zXZ\x00"):
		return filter(ctx, to, "xz-utils", "xz", "--compress", "--stdout", "--threads=0")
	default:
		return plain{to}, nil
	}
}

type plain struct{ io.Writer }

// Close implements io.Closer.
func (plain) Close() error { return nil }

// filtered is a program that compresses its standard input.
type filtered struct {
	io.WriteCloser
	cmd  *exec.Cmd
	said bytes.Buffer
}

func filter(ctx context.Context, to io.Writer, of string, args ...string) (io.WriteCloser, error) {
	f := &filtered{cmd: exec.CommandContext(ctx, args[0], args[1:]...)}
	f.cmd.Env = []string{"LC_ALL=C", "PATH=/usr/bin:/bin"}
	f.cmd.Stdout, f.cmd.Stderr = to, &f.said
	in, err := f.cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	f.WriteCloser = in
	if err := f.cmd.Start(); errors.Is(err, exec.ErrNotFound) {
		return nil, &fault.Fault{Reason: fault.ToolMissing, Doing: "compress", Err: err, Hint: "install the package " + of}
	} else if err != nil {
		return nil, err
	}
	return f, nil
}

// Close waits until all is compressed.
func (f *filtered) Close() error {
	closed := f.WriteCloser.Close()
	if err := f.cmd.Wait(); err != nil {
		return fmt.Errorf("%s: %w: %s", f.cmd.Path, err, bytes.TrimSpace(f.said.Bytes()))
	}
	return closed
}

// counted reports how much of a stream was written, a few times a second.
type counted struct {
	io.Writer
	done   int64
	last   time.Time
	report func(done int64)
}

// Write implements io.Writer.
func (c *counted) Write(p []byte) (int, error) {
	const often = 100 * time.Millisecond
	n, err := c.Writer.Write(p)
	c.done += int64(n)
	if now := time.Now(); now.Sub(c.last) >= often {
		c.last = now
		c.report(c.done)
	}
	return n, err
}
