package fault

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// known are the errors of the system that a person can do something about,
// wherever they come from. A hint for those of a path is given the file system
// that it is on, as far as the error tells.
var known = []struct {
	errno  syscall.Errno
	reason Reason
	hint   string
	// at is the hint if the path is known, which stands for PATH in it.
	at string
}{
	{syscall.ENOSPC, NoSpace, "free some space or inodes on that file system (see df -h and df -i); if a mount was refused, raise sysctl fs.mount-max", "free some space or inodes on that file system (see df -h and df -i)"},
	{syscall.EDQUOT, NoSpace, "free some space, or raise the quota", ""},
	{syscall.EROFS, ReadOnly, "its file system is read-only: look in dmesg why, and make it writable", "its file system is read-only: look in dmesg why, then mount -o remount,rw $(findmnt -nro TARGET -T PATH)"},
	{syscall.EIO, DiskFailing, "a disk, or the file under an image, cannot be read or written: see dmesg", "the disk or the file under it cannot be read or written: see dmesg, and findmnt -T PATH"},
	{syscall.EMFILE, NoResources, "coppiced has too many files open: raise its limit (LimitNOFILE= in its unit, or ulimit -n)", ""},
	{syscall.ENFILE, NoResources, "the machine has too many files open: raise sysctl fs.file-max, or end what keeps them (see lsof)", ""},
	{syscall.ENOMEM, NoResources, "there is no memory left: end something, or raise the limit of coppiced's cgroup (MemoryMax= in its unit)", ""},
	{syscall.EAGAIN, NoResources, "no more processes may be started: raise the limit (TasksMax= in its unit, sysctl kernel.pid_max), or end some", ""},
}

// Known returns err with a reason and a hint, if it has none of its own and is
// an error that people can do something about. Others come back as they are.
func Known(err error) error {
	if _, is := errors.AsType[*Fault](err); is || err == nil {
		return err
	}
	if f := remedy(err); f != nil {
		return f
	}
	return err
}

// OfMachine reports whether an error is that of the machine, which lacks something
// or fails, and says nothing about what was tried.
func OfMachine(err error) bool { return remedy(err) != nil }

// remedy returns a fault without Doing for an error that is known, else nil.
func remedy(err error) *Fault {
	for _, k := range known {
		if !errors.Is(err, k.errno) || k.errno == syscall.EAGAIN && !starting(err) {
			continue
		}
		f := &Fault{Reason: k.reason, Hint: k.hint, Err: err}
		if path := pathOf(err); path != "" && k.at != "" {
			f.Hint = strings.ReplaceAll(k.at, "PATH", path)
		}
		return f
	}
	return nil
}

// starting reports whether an error is that of starting a program: elsewhere
// EAGAIN is no lack of anything.
func starting(err error) bool {
	p, is := errors.AsType[*fs.PathError](err)
	return is && p.Op == "fork/exec"
}

// pathOf returns the folder that an error is about: the file itself may not be
// there.
func pathOf(err error) string {
	path := ""
	if p, is := errors.AsType[*fs.PathError](err); is {
		path = p.Path
	} else if l, is := errors.AsType[*os.LinkError](err); is {
		path = l.New
	}
	if !filepath.IsAbs(path) {
		return ""
	}
	return filepath.Dir(path)
}
