package fault_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"syscall"
	"testing"

	"coppice.dev/reconcile/fault"
)

func TestKnown(t *testing.T) {
	at := func(op string, err error) error {
		return fmt.Errorf("write it: %w", &fs.PathError{Op: op, Path: "/var/lib/coppice/record", Err: err})
	}
	for _, c := range []struct {
		err    error
		reason fault.Reason
		says   string
	}{
		{at("write", syscall.ENOSPC), fault.NoSpace, "df -i"},
		{at("write", syscall.EDQUOT), fault.NoSpace, "quota"},
		{at("open", syscall.EROFS), fault.ReadOnly, "mount -o remount,rw $(findmnt -nro TARGET -T /var/lib/coppice)"},
		{&os.LinkError{Op: "rename", Old: "/a/b", New: "/c/d", Err: syscall.EROFS}, fault.ReadOnly, "-T /c)"},
		{&fs.PathError{Op: "open", Path: "relative", Err: syscall.EROFS}, fault.ReadOnly, "make it writable"},
		{syscall.EROFS, fault.ReadOnly, "make it writable"},
		{at("read", syscall.EIO), fault.DiskFailing, "findmnt -T /var/lib/coppice"},
		{at("open", syscall.EMFILE), fault.NoResources, "LimitNOFILE="},
		{at("open", syscall.ENFILE), fault.NoResources, "fs.file-max"},
		{syscall.ENOMEM, fault.NoResources, "MemoryMax="},
		{at("fork/exec", syscall.EAGAIN), fault.NoResources, "TasksMax="},
		{at("read", syscall.EAGAIN), fault.Surprise, ""},
		{at("open", syscall.ENOENT), fault.Surprise, ""},
		{errors.New("else"), fault.Surprise, ""},
		{fmt.Errorf("do: %w", &fault.Fault{Reason: fault.Busy, Doing: "x", Err: syscall.ENOSPC}), fault.Busy, ""},
	} {
		known := fault.Known(c.err)
		if got := fault.ReasonOf(c.err); got != c.reason || got != fault.ReasonOf(known) {
			t.Errorf("%v: reason %s, want %s", c.err, got, c.reason)
		}
		text := known.Error()
		if !strings.HasPrefix(text, c.err.Error()) || !strings.Contains(text, c.says) || c.says == "" && text != c.err.Error() {
			t.Errorf("%v is explained as: %s", c.err, text)
		}
	}
	if fault.OfMachine(nil) || fault.OfMachine(syscall.ENOENT) || !fault.OfMachine(at("open", syscall.EMFILE)) {
		t.Error("what is the machine's and what is not is confused")
	}
	if fault.Known(nil) != nil || fault.Disk("x", nil) != nil {
		t.Error("no error became one")
	}
	if err := fault.Source("open it", at("open", syscall.EMFILE)); fault.ReasonOf(err) != fault.NoResources || !strings.HasPrefix(err.Error(), "open it: ") {
		t.Errorf("no files left: %v", err)
	}
	if err := fault.Source("open it", at("open", syscall.EACCES)); fault.ReasonOf(err) != fault.SourceUnusable {
		t.Errorf("a source that may not be read: %v", err)
	}
}
