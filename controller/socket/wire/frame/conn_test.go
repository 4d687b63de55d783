package frame

import (
	"encoding/binary"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

// pair returns the two ends of a connection.
func pair(t testing.TB) (a, b *net.UnixConn) {
	t.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	end := func(fd int) *net.UnixConn {
		file := os.NewFile(uintptr(fd), "socket")
		defer file.Close()
		c, err := net.FileConn(file)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		return c.(*net.UnixConn)
	}
	return end(fds[0]), end(fds[1])
}

func TestFramesArrive(t *testing.T) {
	a, b := pair(t)
	from, to := NewConn(a), NewConn(b)
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	frames := []Frame{
		{Files: []int{1}},
		{Signal: &Signal{Number: 15}},
		{Failed: &Failed{Error: Error{Reason: "Invalid", Message: strings.Repeat("long ", 10000)}, NotFound: true}},
	}
	go func() {
		for i, f := range frames {
			var files []*os.File
			if i == 0 {
				files = append(files, w)
			}
			if err := from.Send(f, files...); err != nil {
				t.Error(err)
			}
		}
		w.Close()
		from.Close()
	}()
	for i, want := range frames {
		got, files, err := to.Receive()
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("frame %d (-sent +received):\n%s", i, diff)
		}
		if len(files) != len(want.Files) {
			t.Fatalf("frame %d: %d files, want %d", i, len(files), len(want.Files))
		}
		for _, file := range files {
			if _, err := file.WriteString("through it"); err != nil {
				t.Error(err)
			}
			file.Close()
		}
	}
	if text, err := io.ReadAll(r); err != nil || string(text) != "through it" {
		t.Errorf("the file that rode on the frame brought %q, %v", text, err)
	}
	if _, _, err := to.Receive(); !errors.Is(err, io.EOF) {
		t.Errorf("after the end: %v, want io.EOF", err)
	}
}

func TestWrongFramesAreRefused(t *testing.T) {
	length := func(n uint32, text string) string {
		return string(binary.LittleEndian.AppendUint32(nil, n)) + text
	}
	for name, bytes := range map[string]string{
		"nothing":      length(0, ""),
		"too much":     length(MaxFrame+1, ""),
		"the most":     length(1<<32-1, ""),
		"half":         length(100, `{"signal"`),
		"half a head":  "\x01\x00",
		"no JSON":      length(3, "abc"),
		"another type": length(15, `{"signal":"no"}`),
	} {
		a, b := pair(t)
		if _, err := a.Write([]byte(bytes)); err != nil {
			t.Fatal(err)
		}
		a.Close()
		if f, _, err := NewConn(b).Receive(); err == nil || errors.Is(err, io.EOF) {
			t.Errorf("%s: received %+v, %v", name, f, err)
		}
	}
}

func TestTooManyFilesAreClosed(t *testing.T) {
	a, b := pair(t)
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if err := NewConn(a).Send(Frame{Files: []int{0, 1, 2, 3}}, w, w, w, w); err != nil {
		t.Fatal(err)
	}
	w.Close()
	if _, files, err := NewConn(b).Receive(); err == nil || len(files) > 0 {
		t.Errorf("received %d files, %v", len(files), err)
	}
	if _, err := io.ReadAll(r); err != nil { // it would hang if one were still open
		t.Error(err)
	}
}

func FuzzReceive(f *testing.F) {
	f.Add([]byte("\x02\x00\x00\x00{}"))
	f.Add([]byte("\x0f\x00\x00\x00{\"files\":[0,1]}"))
	f.Fuzz(func(t *testing.T, data []byte) {
		a, b := pair(t)
		go func() {
			_, _ = a.Write(data) // the other side may not want all of it
			a.Close()
		}()
		c := NewConn(b)
		for range 10 {
			if _, _, err := c.Receive(); err != nil {
				return
			}
		}
	})
}
