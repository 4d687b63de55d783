package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"

	"coppice.dev/reconcile/fault"
	"coppice.dev/reconcile/kernel/durable"
	"coppice.dev/reconcile/object"
)

// fsType is what is made in an image. ext4 can grow while it is used, and can be
// small.
const fsType = "ext4"

// unfinished ends the name of an image that is not whole.
const unfinished = ".new"

// blockSize is that of the file system, in bytes: what grows keeps it, so that it is
// not left to depend on how large the image is at first.
const blockSize = 4096

// makeImage makes the image under its unfinished name.
func makeImage(ctx context.Context, spec object.Store) error {
	path := spec.File + unfinished
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fault.Disk("make the image of the upper layer", err)
	}
	file, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	if err != nil {
		return fault.Disk("make the image of the upper layer", err)
	}
	defer file.Close()
	if err := file.Truncate(spec.Size); err != nil {
		return fault.Disk(fmt.Sprintf("make an image of %d bytes", spec.Size), err)
	}
	if err := format(ctx, path, spec); err != nil {
		return err
	}
	if spec.Volatile {
		return nil
	}
	if err := file.Sync(); err != nil {
		return fault.Disk("flush the image of the upper layer", err)
	}
	return nil
}

// format makes the file system. What was never written in a sparse file is zero, so
// nothing need be zeroed, now or later, that would make it take space. All of it is for
// those inside: nothing is reserved for root.
func format(ctx context.Context, path string, spec object.Store) error {
	program, err := find("mkfs." + fsType)
	if err != nil {
		return err
	}
	args := []string{"-q", "-F", "-b", strconv.Itoa(blockSize), "-m", "0", "-E", "nodiscard,lazy_itable_init=1,lazy_journal_init=1"}
	if spec.Volatile {
		args = append(args, "-O", "^has_journal") // it is never used after a crash of the machine
	}
	cmd := exec.CommandContext(ctx, program, append(args, path)...)
	cmd.Dir = "/"
	said, err := cmd.CombinedOutput()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err == nil {
		return nil
	}
	f := &fault.Fault{
		Reason: fault.Surprise, Doing: "make the file system of the upper layer", Output: string(said),
		Err: fmt.Errorf("mkfs.%s: %w: %s", fsType, err, strings.Join(strings.Fields(string(said)), " ")), Hint: "see whether the disk is full (df -h), and what /etc/mke2fs.conf asks for",
	}
	if strings.Contains(string(said), "No space left") {
		f.Reason = fault.NoSpace
	}
	return f
}

// places is where programs for root are looked for beside the PATH.
var places = []string{"/usr/sbin/", "/sbin/"}

func find(program string) (string, error) {
	path, err := exec.LookPath(program)
	for _, place := range places {
		if err == nil {
			return path, nil
		}
		path, err = exec.LookPath(place + program)
	}
	if err != nil {
		return "", &fault.Fault{Reason: fault.ToolMissing, Doing: "look for " + program, Err: err, Hint: "install the package e2fsprogs"}
	}
	return path, nil
}

// publish gives a whole image its name.
func publish(spec object.Store) error {
	if err := os.Rename(spec.File+unfinished, spec.File); err != nil {
		return fmt.Errorf("publish the image of the upper layer: %w", err)
	}
	if spec.Volatile {
		return nil
	}
	if err := durable.Flush(filepath.Dir(spec.File)); err != nil {
		return fault.Disk("make the image of the upper layer", err)
	}
	return nil
}
