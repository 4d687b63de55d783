package tracer

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// look is one call that waits: who makes it, and with what. What it points to
// can be read as long as it waits.
type look struct {
	tid  int
	args [6]uint64
}

// read reads the caller's memory.
func (l *look) read(at uint64, into []byte) int {
	local := []unix.Iovec{{Base: &into[0]}}
	local[0].SetLen(len(into))
	n, err := unix.ProcessVMReadv(l.tid, local, []unix.RemoteIovec{{Base: uintptr(at), Len: len(into)}}, 0)
	if err != nil {
		return 0
	}
	return n
}

// word reads the first 8 bytes that an argument points to.
func (l *look) word(at uint64) uint64 {
	var text [8]byte
	if l.read(at, text[:]) < len(text) {
		return 0
	}
	return binary.NativeEndian.Uint64(text[:])
}

// path reads a path that an argument points to, as far as the page it is in
// goes: what follows may not be readable.
func (l *look) path(at uint64) string {
	const page = 4096
	text := make([]byte, page-at%page)
	n := l.read(at, text)
	if end := bytes.IndexByte(text[:n], 0); end >= 0 {
		return string(text[:end])
	}
	next := make([]byte, page)
	m := l.read(at+uint64(n), next)
	if end := bytes.IndexByte(next[:m], 0); end >= 0 {
		return string(text[:n]) + string(next[:end])
	}
	return "?"
}

// file names an open file of the caller.
func (l *look) file(fd uint64) string {
	name, err := os.Readlink(fmt.Sprintf("/proc/%d/fd/%d", l.tid, int32(fd)))
	if err != nil {
		return "?"
	}
	return name
}

// process returns the caller's process and its program's name.
func (l *look) process() (pid int, command string) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", l.tid))
	if err != nil {
		return 0, "?"
	}
	for line := range strings.Lines(string(text)) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), ":")
		switch name {
		case "Name":
			command = strings.TrimSpace(value)
		case "Tgid":
			_, _ = fmt.Sscan(value, &pid) // stays 0, which is nobody
		}
	}
	return pid, command
}

// describe says what the call does, for people.
func (l *look) describe(c call) string {
	if c.path >= 0 {
		return c.name + " " + l.path(l.args[c.path])
	}
	switch c.name {
	case "ioctl":
		return fmt.Sprintf("ioctl %#x on %s", l.args[1], l.file(l.args[0]))
	case "clone", "clone3", "fork", "vfork", "setns", "unshare", "kill":
		return c.name
	}
	return c.name + " " + l.file(l.args[0])
}
