package attach

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// journal is a stream as systemd gives one to a service: whoever reads it is told by
// the kernel who wrote.
func journal(t *testing.T) (stream, read *os.File) {
	t.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	must(t, err)
	stream, read = os.NewFile(uintptr(fds[0]), "stream"), os.NewFile(uintptr(fds[1]), "journal")
	t.Cleanup(func() { stream.Close(); read.Close() })
	must(t, unix.SetsockoptInt(fds[1], unix.SOL_SOCKET, unix.SO_PASSCRED, 1))
	var stat unix.Stat_t
	must(t, unix.Fstat(fds[0], &stat))
	t.Setenv(streamVariable, fmt.Sprintf("%d:%d", stat.Dev, stat.Ino))
	return stream, read
}

// noted reads to the end, and returns what was written and by whom.
func noted(t *testing.T, read *os.File) (text string, writers map[int32]bool) {
	t.Helper()
	writers = map[int32]bool{}
	for {
		buffer, control := make([]byte, 4096), make([]byte, unix.CmsgSpace(unix.SizeofUcred))
		n, m, _, _, err := unix.Recvmsg(int(read.Fd()), buffer, control, 0)
		must(t, err)
		if n == 0 {
			return text, writers
		}
		text += string(buffer[:n])
		messages, err := unix.ParseSocketControlMessage(control[:m])
		must(t, err)
		for _, message := range messages {
			who, err := unix.ParseUnixCredentials(&message)
			must(t, err)
			writers[who.Pid] = true
		}
	}
}

// TestTheJournalIsWrittenByTheCaller says it of both files, whose lines stay in order.
func TestTheJournalIsWrittenByTheCaller(t *testing.T) {
	stream, read := journal(t)
	std := [3]*os.File{os.Stdin, stream, stream}
	ways := Decide(Kinds(std), Auto, false)
	if ways[1] != Copied || ways[2] != Copied {
		t.Fatalf("the journal's stream is handed on: %v", ways)
	}
	ends(t, run(command(t, ways, nil, "for i in 1 2 3; do echo o$i; echo e$i >&2; done; exit 3"), Options{Std: std, Ways: ways}), 3)
	stream.Close()
	text, writers := noted(t, read)
	if strings.Join(strings.Fields(text), " ") != "o1 e1 o2 e2 o3 e3" {
		t.Errorf("noted: %q", text)
	}
	if len(writers) != 1 || !writers[int32(os.Getpid())] {
		t.Errorf("written by %v, want %d", writers, os.Getpid())
	}
}

// TestOtherSocketsAreHandedOn says that a socket is no journal by being one, and that a
// journal whose name is not known is none.
func TestOtherSocketsAreHandedOn(t *testing.T) {
	stream, read := journal(t)
	if got, want := Kinds([3]*os.File{read, read, stream}), [3]Kind{Plain, Plain, Journal}; got != want {
		t.Errorf("%v, want %v", got, want)
	}
	for _, name := range []string{"", "8", "8:", "journal"} {
		t.Setenv(streamVariable, name)
		if got := Kinds([3]*os.File{read, stream, stream}); got != [3]Kind{} {
			t.Errorf("%q: %v", name, got)
		}
	}
}
