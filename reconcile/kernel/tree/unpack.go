package tree

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"coppice.dev/reconcile/fault"
)

// unpack unpacks an archive into the folder with GNU tar, which is the interface
// that archives of root file systems are written for: it keeps owners, modes,
// times, extended attributes, hard links, holes and device nodes, and it lets no
// member and no link out of the folder.
func unpack(ctx context.Context, compressed io.Reader, folder, archive string) error {
	doing := "unpack " + archive
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := decompress(ctx, compressed)
	if err != nil {
		return broken(doing, err, "")
	}
	defer stream.Close()
	guarded := &guard{Reader: stream}
	cmd := exec.CommandContext(ctx, "tar", "--extract", "--file=-", "--directory="+folder,
		"--numeric-owner", "--same-owner", "--same-permissions", "--delay-directory-restore",
		"--xattrs", "--xattrs-include=*", "--acls", "--no-selinux", "--warning=no-timestamp")
	cmd.Env = []string{"LC_ALL=C", "PATH=/usr/bin:/bin"}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	var said tail
	whole := watchEnd()
	cmd.Stdin, cmd.Stderr = io.TeeReader(guarded, whole), &said
	cmd.Cancel = func() error { return unix.Kill(-cmd.Process.Pid, unix.SIGKILL) } // with all that it started
	cmd.WaitDelay = stalled
	err = cmd.Run()
	ended := whole.ended()
	if cause := context.Cause(ctx); cause != nil {
		return fmt.Errorf("%s: %w", doing, cause)
	}
	if guarded.err != nil {
		return broken(doing, guarded.err, "") // tar saw no more than an end that came too soon
	}
	switch {
	case err == nil && guarded.read == 0:
		err = errors.New("it is empty")
	case err == nil && !ended:
		err = errors.New("it ends without the mark that ends an archive: it was cut short")
	}
	if err != nil {
		return broken(doing, err, said.String())
	}
	return nil
}

// stalled is how long the archive's disk may take to answer when tar has ended, which
// needs no more of it. A busy one takes seconds.
const stalled = 30 * time.Second

func broken(doing string, err error, said string) error {
	if _, is := errors.AsType[*fault.Fault](err); is {
		return err
	}
	if fault.OfMachine(err) {
		return fault.Disk(doing, err)
	}
	f := &fault.Fault{
		Reason: fault.ArchiveBroken, Doing: doing, Err: err, Output: said,
		Hint: "make the archive anew, or copy it again",
	}
	switch {
	case errors.Is(err, exec.ErrNotFound):
		f.Reason, f.Hint = fault.ToolMissing, "install the package tar"
	case strings.Contains(said, "No space left on device"), strings.Contains(said, "Disk quota exceeded"),
		strings.Contains(said, ": Wrote only "):
		f.Reason, f.Hint = fault.NoSpace, "free some space below the state folder"
	case said != "":
		lines := strings.Split(strings.TrimSpace(said), "\n")
		f.Err = fmt.Errorf("%w: %s", err, lines[0])
	}
	return f
}

// tail keeps the last of what a program says: an archive can make tar say as
// much as it likes.
type tail struct{ text []byte }

// Write implements io.Writer.
func (t *tail) Write(p []byte) (int, error) {
	const most = 4 << 10
	t.text = append(t.text, p[max(0, len(p)-most):]...)
	t.text = t.text[max(0, len(t.text)-most):]
	return len(p), nil
}

// String returns it.
func (t *tail) String() string { return string(t.text) }

// guard keeps the error that a stream ended with, and reads it to its end: what
// follows the archive proper is not looked at by tar, but a checksum is there.
type guard struct {
	io.Reader
	read int64
	err  error
}

func (g *guard) Read(p []byte) (int, error) {
	n, err := g.Reader.Read(p)
	g.read += int64(n)
	if err != nil && !errors.Is(err, io.EOF) {
		g.err = err
	}
	return n, err
}

// counter reports how much of a stream was read, a few times a second.
type counter struct {
	io.Reader
	done, total int64
	last        time.Time
	report      func(done int64)
}

func (c *counter) Read(p []byte) (int, error) {
	const often = 100 * time.Millisecond
	n, err := c.Reader.Read(p)
	c.done += int64(n)
	if now := time.Now(); now.Sub(c.last) >= often || c.done == c.total {
		c.last = now
		c.report(c.done)
	}
	return n, err
}
