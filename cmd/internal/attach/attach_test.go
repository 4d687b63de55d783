package attach

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"coppice.dev/controller/socket/keeper"
	"coppice.dev/controller/socket/wire"
	"coppice.dev/test/built"
)

var moment = built.Moment(10 * time.Second)

// command starts a shell script with a real keeper, in this very namespace.
func command(t *testing.T, ways Ways, size *wire.Size, script string) *wire.Conn {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("needs root")
	}
	ours, its := pair(t)
	namespace, err := os.Open("/proc/self/ns/mnt")
	must(t, err)
	defer namespace.Close()
	file, err := its.File()
	must(t, err)
	defer file.Close()
	its.Close()
	tty := ways.Numbers(Terminal)
	process, err := keeper.Start(file, namespace, keeper.Order{
		Session: "s", Lease: "l", Args: []string{"sh", "-c", script}, Env: []string{"PATH=/bin:/usr/bin"},
		Terminal: len(tty) > 0, TTY: tty, Size: size, Grace: 100 * time.Millisecond,
	})
	must(t, err)
	t.Cleanup(func() {
		ours.Close()
		if _, err := process.Wait(); err != nil {
			t.Error(err)
		}
	})
	return wire.NewConn(ours)
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func pair(t *testing.T) (a, b *net.UnixConn) {
	t.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	must(t, err)
	end := func(fd int) *net.UnixConn {
		file := os.NewFile(uintptr(fd), "socket")
		defer file.Close()
		c, err := net.FileConn(file)
		must(t, err)
		return c.(*net.UnixConn)
	}
	return end(fds[0]), end(fds[1])
}

// person sits at a terminal.
type person struct {
	t      *testing.T
	master *os.File
	tty    *os.File
	mu     sync.Mutex
	seen   bytes.Buffer
}

func sit(t *testing.T, rows, columns uint16) *person {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY|unix.O_NONBLOCK, 0)
	must(t, err)
	t.Cleanup(func() { master.Close() })
	p := &person{t: t, master: master}
	number := 0
	control(master, func(fd int) {
		must(t, unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0))
		number, err = unix.IoctlGetInt(fd, unix.TIOCGPTN)
	})
	must(t, err)
	p.resize(rows, columns)
	p.tty, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|unix.O_NOCTTY, 0)
	must(t, err)
	t.Cleanup(func() { p.tty.Close() })
	go func() {
		buffer := make([]byte, 4096)
		for {
			n, err := master.Read(buffer)
			p.mu.Lock()
			p.seen.Write(buffer[:n])
			p.mu.Unlock()
			if err != nil {
				return
			}
		}
	}()
	return p
}

func (p *person) resize(rows, columns uint16) {
	control(p.master, func(fd int) {
		must(p.t, unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &unix.Winsize{Row: rows, Col: columns}))
	})
}

func (p *person) modes() unix.Termios {
	p.t.Helper()
	modes, err := unix.IoctlGetTermios(int(p.tty.Fd()), unix.TCGETS)
	must(p.t, err)
	return *modes
}

func (p *person) types(text string) {
	p.t.Helper()
	_, err := p.master.WriteString(text)
	must(p.t, err)
}

func (p *person) text() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.seen.String()
}

func (p *person) sees(text string) {
	p.t.Helper()
	for deadline := time.Now().Add(moment); !strings.Contains(p.text(), text); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			p.t.Fatalf("%q is not seen:\n%s", text, p.text())
		}
	}
}

func (p *person) std() [3]*os.File { return [3]*os.File{p.tty, p.tty, p.tty} }

// result is how a command ended.
type result struct {
	exited *wire.Exited
	err    error
}

// run joins in the background.
func run(conn *wire.Conn, o Options) <-chan result {
	done := make(chan result, 1)
	go func() {
		exited, err := Run(conn, o)
		done <- result{exited, err}
	}()
	return done
}

func ends(t *testing.T, done <-chan result, code int) {
	t.Helper()
	select {
	case r := <-done:
		if r.err != nil || r.exited.Code != code {
			t.Errorf("the command ended with %+v, %v, want %d", r.exited, r.err, code)
		}
	case <-time.After(moment):
		t.Fatal("the command does not end")
	}
}

func TestDecide(t *testing.T) {
	plain, ttys, journal := [3]Kind{}, [3]Kind{TTY, TTY, TTY}, [3]Kind{Plain, Journal, Journal}
	for _, row := range []struct {
		kinds [3]Kind
		want  Want
		input bool
		ways  Ways
	}{
		{plain, Auto, false, Ways{Direct, Direct, Direct}},
		{ttys, Auto, false, Ways{Terminal, Terminal, Terminal}},
		{[3]Kind{TTY, TTY, Plain}, Auto, false, Ways{Terminal, Terminal, Direct}},
		{[3]Kind{TTY, Plain, TTY}, Auto, false, Ways{Nothing, Direct, Copied}},
		{[3]Kind{TTY, Plain, TTY}, Auto, true, Ways{Copied, Direct, Copied}},
		{[3]Kind{Plain, TTY, TTY}, Auto, true, Ways{Direct, Copied, Copied}},
		{ttys, Never, false, Ways{Nothing, Copied, Copied}},
		{plain, Always, false, Ways{Terminal, Terminal, Direct}},
		{[3]Kind{Plain, TTY, TTY}, Always, false, Ways{Terminal, Terminal, Terminal}},
		{journal, Auto, false, Ways{Direct, Copied, Copied}},
		{journal, Never, true, Ways{Direct, Copied, Copied}},
		{journal, Always, false, Ways{Terminal, Terminal, Copied}},
		{[3]Kind{TTY, TTY, Journal}, Auto, false, Ways{Terminal, Terminal, Copied}},
		{[3]Kind{Plain, Plain, Journal}, Auto, false, Ways{Direct, Direct, Copied}},
		{[3]Kind{TTY, Journal, TTY}, Auto, false, Ways{Nothing, Copied, Copied}},
		{[3]Kind{Journal, Plain, Plain}, Auto, true, Ways{Direct, Direct, Direct}},
	} {
		if got := Decide(row.kinds, row.want, row.input); got != row.ways {
			t.Errorf("%v, %v, %v: %v, want %v", row.kinds, row.want, row.input, got, row.ways)
		}
	}
}

func TestFilesAreHandedOn(t *testing.T) {
	dir := t.TempDir()
	var std [3]*os.File
	for i, name := range []string{"in", "out", "err"} {
		file, err := os.OpenFile(dir+"/"+name, os.O_RDWR|os.O_CREATE, 0o600)
		must(t, err)
		defer file.Close()
		std[i] = file
	}
	_, err := std[0].WriteAt([]byte("hello\n"), 0)
	must(t, err)
	done := run(command(t, Ways{}, nil, "cat; readlink /proc/self/fd/1; echo oh >&2; exit 3"), Options{Std: std})
	ends(t, done, 3)
	out, err := os.ReadFile(dir + "/out")
	must(t, err)
	oh, err := os.ReadFile(dir + "/err")
	must(t, err)
	if string(out) != "hello\n"+dir+"/out\n" || string(oh) != "oh\n" {
		t.Errorf("out %q, err %q", out, oh)
	}
}

func TestTerminal(t *testing.T) {
	p := sit(t, 33, 99)
	before := p.modes()
	ways := Decide(Kinds(p.std()), Auto, false)
	conn := command(t, ways, Size(p.std()), "stty size; read x; echo got $x; while [ \"$(stty size)\" = '33 99' ]; do sleep 0.02; done; stty size; cat; exit 7")
	done := run(conn, Options{Std: p.std(), Ways: ways})
	p.sees("33 99")
	if p.modes() == before {
		t.Error("the terminal is not in raw mode")
	}
	p.resize(44, 111)
	must(t, unix.Kill(os.Getpid(), unix.SIGWINCH))
	p.types("hello\r")
	p.sees("got hello")
	p.sees("44 111")
	p.types("\x04")
	ends(t, done, 7)
	if p.modes() != before {
		t.Error("the terminal is not what it was")
	}
}

func TestKeysOfTheTerminal(t *testing.T) {
	for keys, code := range map[string]int{"\x03": 128 + 2, "\x1c": 128 + 3} {
		p := sit(t, 24, 80)
		ways := Ways{Terminal, Terminal, Terminal}
		done := run(command(t, ways, nil, "ulimit -c 0; echo ready; exec sleep 100"), Options{Std: p.std(), Ways: ways})
		p.sees("ready")
		p.types(keys)
		ends(t, done, code)
	}
}

func TestAllOfItIsShown(t *testing.T) {
	const script = "i=0; while [ $i -lt 20000 ]; do echo out $i; i=$((i+1)); done; sleep 100 & echo the end; exit 0"
	for name, ways := range map[string]Ways{"terminal": {Terminal, Terminal, Terminal}, "pipe": {Nothing, Copied, Copied}} {
		t.Run(name, func(t *testing.T) {
			p := sit(t, 24, 80)
			ends(t, run(command(t, ways, nil, script), Options{Std: p.std(), Ways: ways}), 0)
			p.sees("out 19999")
			p.sees("the end")
			if n := strings.Count(p.text(), "out "); n != 20000 {
				t.Errorf("%d lines of 20000 are seen", n)
			}
		})
	}
}

func TestOutputAndErrorsStayInOrder(t *testing.T) {
	p := sit(t, 24, 80)
	ways := Ways{Nothing, Copied, Copied}
	ends(t, run(command(t, ways, nil, "for i in 1 2 3 4 5; do echo o$i; echo e$i >&2; done; [ ! -t 1 ] && cat"), Options{Std: p.std(), Ways: ways}), 0)
	p.sees("e5")
	if got := strings.Fields(p.text()); strings.Join(got, " ") != "o1 e1 o2 e2 o3 e3 o4 e4 o5 e5" {
		t.Errorf("seen: %v", got)
	}
}

func TestWhatIsTypedReachesAPipe(t *testing.T) {
	p := sit(t, 24, 80)
	ways := Decide(Kinds(p.std()), Never, true)
	done := run(command(t, ways, nil, "echo ready; read x; echo got $x; cat; exit 4"), Options{Std: p.std(), Ways: ways})
	p.sees("ready")
	p.types("hello\r")
	p.sees("got hello")
	p.types("\x04")
	ends(t, done, 4)
}

func TestATerminalForWhatIsNone(t *testing.T) {
	r, w, err := os.Pipe()
	must(t, err)
	defer r.Close()
	in, typed, err := os.Pipe()
	must(t, err)
	defer in.Close()
	_, err = io.WriteString(typed, "half a line")
	must(t, err)
	typed.Close()
	ways := Ways{Terminal, Terminal, Direct}
	done := run(command(t, ways, nil, "tty; cat; exit 5"), Options{Std: [3]*os.File{in, w, os.Stderr}, Ways: ways})
	ends(t, done, 5)
	w.Close()
	text, err := io.ReadAll(r)
	if err != nil || !strings.Contains(string(text), "/dev/pts/") || strings.Count(string(text), "half a line") != 2 {
		t.Errorf("shown: %q, %v", text, err)
	}
}

func TestSignalsArePassedOn(t *testing.T) {
	r, w, err := os.Pipe()
	must(t, err)
	defer r.Close()
	var heard unix.Signal
	done := run(command(t, Ways{}, nil, "trap 'exit 9' USR1; echo ready; while :; do sleep 0.05; done"),
		Options{Std: [3]*os.File{os.Stdin, w, os.Stderr}, Heard: func(s unix.Signal) { heard = s }})
	_, err = r.Read(make([]byte, 10))
	must(t, err)
	must(t, unix.Kill(os.Getpid(), unix.SIGUSR1))
	ends(t, done, 9)
	w.Close()
	if heard != unix.SIGUSR1 {
		t.Errorf("told of %v", heard)
	}
}

func TestWhatHasNoCommand(t *testing.T) {
	std := [3]*os.File{os.Stdin, os.Stdout, os.Stderr}
	ours, its := pair(t)
	defer its.Close()
	must(t, wire.NewConn(its).Send(wire.Frame{Failed: &wire.Failed{Error: wire.Error{Message: "no such thing"}, NotFound: true}}))
	_, err := Run(wire.NewConn(ours), Options{Std: std})
	if failed, is := errors.AsType[*FailedError](err); !is || !failed.Failed.NotFound || err.Error() != "no such thing" {
		t.Errorf("refused: %v", err)
	}
	ours, its = pair(t)
	go func() {
		_, files, _ := wire.NewConn(its).Receive()
		for _, file := range files {
			file.Close()
		}
		its.Close()
	}()
	if _, err := Run(wire.NewConn(ours), Options{Std: std}); !errors.Is(err, ErrLost) {
		t.Errorf("an end without a word: %v", err)
	}
}

func TestTheTerminalGoes(t *testing.T) {
	p := sit(t, 24, 80)
	mark := t.TempDir() + "/hup"
	ways := Ways{Terminal, Terminal, Terminal}
	done := run(command(t, ways, nil, "trap 'echo hup > "+mark+"; exit' HUP; echo ready; while :; do sleep 0.05; done"), Options{Std: p.std(), Ways: ways})
	p.sees("ready")
	must(t, p.master.Close())
	select {
	case r := <-done:
		if !errors.Is(r.err, ErrHangup) {
			t.Errorf("ended with %+v, %v", r.exited, r.err)
		}
	case <-time.After(moment):
		t.Fatal("nobody noticed")
	}
	for deadline := time.Now().Add(moment); ; time.Sleep(5 * time.Millisecond) {
		if _, err := os.Stat(mark); err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("the command was not told")
		}
	}
}
