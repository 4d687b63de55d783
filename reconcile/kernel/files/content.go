package files

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"time"

	"golang.org/x/sys/unix"

	"coppice.dev/reconcile/fault"
	"coppice.dev/reconcile/object"
)

// content is what is to be written, and what its file is to look like.
type content struct {
	io.Reader
	mode     uint32
	uid, gid int
	device   uint64 // and inode: which file it is, if it is one
	inode    uint64
	close    func()
}

func contentOf(ctx context.Context, f object.File) (content, error) {
	if f.Database != "" {
		return database(ctx, f.Database)
	}
	return file(f.Source)
}

// file opens a regular file of the host. Anything else is not even opened for
// long: a FIFO would block, a device might do something.
func file(path string) (content, error) {
	doing := "read " + path
	handle, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK|unix.O_NOCTTY, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return content{}, &fault.Fault{Reason: fault.SourceMissing, Doing: doing, Err: err, Hint: "make the file, or take it out of the profile's copyFiles"}
	}
	if err != nil {
		return content{}, fault.Source(doing, err)
	}
	var st unix.Stat_t
	if err := unix.Fstat(int(handle.Fd()), &st); err != nil {
		handle.Close()
		return content{}, fmt.Errorf("%s: %w", doing, err)
	}
	if st.Mode&unix.S_IFMT != unix.S_IFREG {
		handle.Close()
		return content{}, &fault.Fault{Reason: fault.SourceUnusable, Doing: doing, Err: errors.New("it is no regular file"), Hint: "take it out of the profile's copyFiles"}
	}
	return content{
		Reader: handle, mode: st.Mode & 0o7777, uid: int(st.Uid), gid: int(st.Gid), device: st.Dev, inode: st.Ino,
		close: func() { handle.Close() },
	}, nil
}

// database reads a name service database as the host has it, wherever it comes
// from. It takes mode and owner of the host's file of that name, if there is one.
func database(ctx context.Context, name string) (content, error) {
	const most = 30 * time.Second // a directory server that does not answer
	ctx, cancel := context.WithTimeout(ctx, most)
	defer cancel()
	cmd := exec.CommandContext(ctx, "getent", "--", name)
	cmd.Env = []string{"LC_ALL=C", "PATH=/usr/sbin:/usr/bin:/sbin:/bin"}
	var said bytes.Buffer
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil {
		f := &fault.Fault{
			Reason: fault.SourceUnusable, Doing: "read database " + name, Err: err, Output: said.String(),
			Hint: "check that getent " + name + " works on the host",
		}
		if errors.Is(err, exec.ErrNotFound) {
			f.Reason, f.Hint = fault.ToolMissing, "install the package libc-bin"
		}
		return content{}, f
	}
	c := content{Reader: bytes.NewReader(out), mode: 0o644, close: func() {}}
	var st unix.Stat_t
	if unix.Stat("/etc/"+name, &st) == nil {
		c.mode, c.uid, c.gid = st.Mode&0o7777, int(st.Uid), int(st.Gid)
	}
	return c, nil
}
