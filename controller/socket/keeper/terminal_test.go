package keeper

import (
	"errors"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"coppice.dev/controller/socket/wire"
)

// screen is a terminal's master, and what was read from it.
type screen struct {
	*os.File
	text strings.Builder
}

// expect reads until the words have come.
func (s *screen) expect(t *testing.T, words string) {
	t.Helper()
	if err := s.SetReadDeadline(time.Now().Add(30 * time.Second)); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 1)
	for !strings.Contains(s.text.String(), words) {
		if _, err := s.Read(b); err != nil {
			t.Fatalf("no %q on the screen, but %q: %v", words, s.text.String(), err)
		}
		s.text.Write(b)
	}
	s.text.Reset()
}

func (s *screen) enter(t *testing.T, words string) {
	t.Helper()
	if _, err := s.WriteString(words); err != nil {
		t.Fatal(err)
	}
}

// atTerminal starts a command on a terminal of its own.
func atTerminal(t *testing.T, namespace *os.File, o Order, files map[int]*os.File) (*client, *screen, wire.Started) {
	t.Helper()
	o.Terminal = true
	c := start(t, namespace, o)
	f, riding := c.begin(t, files)
	if f.Started == nil || len(riding) != 1 {
		t.Fatalf("%+v, with %d files", f.Failed, len(riding))
	}
	fd, err := unix.Dup(int(riding[0].Fd()))
	if err != nil {
		t.Fatal(err)
	}
	riding[0].Close()
	if err := unix.SetNonblock(fd, true); err != nil { // for deadlines
		t.Fatal(err)
	}
	unix.CloseOnExec(fd)
	s := &screen{File: os.NewFile(uintptr(fd), "master")}
	t.Cleanup(func() { s.Close() })
	return c, s, *f.Started
}

func TestTerminal(t *testing.T) {
	s := session(t)
	o := person("")
	o.Args, o.Size = []string{"/bin/bash", "--norc", "-i"}, &wire.Size{Rows: 33, Columns: 77}
	o.Env = []string{"PATH=/usr/bin:/bin", "PS1=> ", "TERM=dumb"}
	c, screen, started := atTerminal(t, s, o, nil)
	if started.Note != "" {
		t.Errorf("the note is %q", started.Note)
	}
	screen.expect(t, "> ")
	screen.enter(t, "stty size; tty; stat -c '%u %g %a' $(tty)\n")
	screen.expect(t, "33 77\r\n")
	screen.expect(t, "/dev/pts/0\r\n")
	screen.expect(t, "54321 5 620\r\n")
	if err := unix.IoctlSetWinsize(int(screen.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: 12, Col: 34}); err != nil {
		t.Fatal(err)
	}
	if err := unix.SetNonblock(int(screen.Fd()), true); err != nil {
		t.Fatal(err)
	}
	screen.enter(t, "stty size\n")
	screen.expect(t, "12 34\r\n")
	// Ctrl-C ends what is in the foreground, and not the shell.
	screen.enter(t, "trap 'echo no' INT; sh -c 'echo be$((1)); exec sleep 1000'; echo code $?\n")
	screen.expect(t, "be1\r\n")
	screen.enter(t, "\x03")
	screen.expect(t, "code 130\r\n")
	// Ctrl-Z stops it, and it goes on in the foreground.
	screen.enter(t, "trap - INT; sh -c 'echo run$((1)); exec sleep 1001'\n")
	screen.expect(t, "run1\r\n")
	screen.enter(t, "\x1a")
	screen.expect(t, "Stopped")
	screen.enter(t, "jobs\n")
	screen.expect(t, "Stopped")
	screen.enter(t, "kill -KILL %1; disown -a; exit 6\n")
	if f, _ := c.next(t); f.Exited == nil || f.Exited.Code != 6 {
		t.Errorf("%+v", f)
	}
}

func TestTerminalWithProcessesOfItsOwn(t *testing.T) {
	s := session(t)
	o := person("tty; ps -o pid=,tpgid= -p $$ | tr -s ' '; exit 4")
	o.PID = true
	c, screen, _ := atTerminal(t, s, o, nil)
	screen.expect(t, "/dev/pts/0\r\n 2 2\r\n")
	if f, _ := c.next(t); f.Exited == nil || f.Exited.Code != 4 {
		t.Errorf("%+v", f)
	}
}

func TestTerminalHangsUp(t *testing.T) {
	s := session(t)
	_, screen, started := atTerminal(t, s, person("echo ready; sleep 1000"), nil)
	screen.expect(t, "ready")
	screen.Close() // the connection is still there
	eventually(t, "the command goes with its terminal", func() bool { return !alive(started.PID) })
}

func TestTerminalBeside(t *testing.T) {
	s := session(t)
	files, in, out := pipes(t)
	o := person("cat; test -t 0 || echo in; test -t 1 || echo out; test -t 2 && echo err >&2")
	o.TTY = []int{2}
	c, screen, _ := atTerminal(t, s, o, map[int]*os.File{0: files[0], 1: files[1]})
	files[0].Close()
	files[1].Close()
	if _, err := in.WriteString("words\n"); err != nil {
		t.Fatal(err)
	}
	in.Close()
	screen.expect(t, "err\r\n")
	if text, err := io.ReadAll(out); err != nil || string(text) != "words\nin\nout\n" {
		t.Errorf("through the pipes came %q, %v", text, err)
	}
	if f, _ := c.next(t); f.Exited == nil || f.Exited.Code != 0 {
		t.Errorf("%+v", f)
	}
	// When all are sent there is nothing left to be a terminal.
	c = start(t, s, Order{Args: []string{"true"}, Terminal: true})
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	if f, riding := c.begin(t, map[int]*os.File{0: null, 1: null, 2: null}); f.Started == nil || len(riding) > 0 {
		t.Errorf("%+v, with %d files", f.Failed, len(riding))
	}
}

func TestTerminalOfTheHost(t *testing.T) {
	s := session(t, "/dev/pts")
	_, screen, started := atTerminal(t, s, person("test -t 0 && echo a terminal; read x"), nil)
	screen.expect(t, "a terminal")
	if started.Note != borrowed {
		t.Errorf("the note is %q", started.Note)
	}
	screen.Close()
}

// What the keeper has of a terminal goes with the command: the client reads to
// the end.
func TestTerminalEnds(t *testing.T) {
	s := session(t)
	c, screen, _ := atTerminal(t, s, person("echo last words"), nil)
	screen.expect(t, "last words\r\n")
	if _, err := screen.Read(make([]byte, 1)); !errors.Is(err, unix.EIO) && !errors.Is(err, io.EOF) {
		t.Errorf("after the end: %v", err)
	}
	if f, _ := c.next(t); f.Exited == nil {
		t.Errorf("%+v", f)
	}
}
