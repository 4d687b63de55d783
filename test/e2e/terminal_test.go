package e2e

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// person sits at a terminal and runs coppice in it.
type person struct {
	h      *host
	master *os.File
	tty    *os.File
	cmd    *exec.Cmd
	over   chan struct{} // closed when nothing more can be seen

	mu   sync.Mutex
	seen bytes.Buffer
	read int // how much of it was waited for
}

// sits starts coppice in a terminal of its own.
func (h *host) sits(rows, columns uint16, who *syscall.Credential, args ...string) *person {
	h.t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY|unix.O_NONBLOCK, 0)
	must(h.t, err)
	h.t.Cleanup(func() { master.Close() })
	p := &person{h: h, master: master, over: make(chan struct{})}
	number := 0
	p.control(func(fd int) error {
		if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
			return err
		}
		number, err = unix.IoctlGetInt(fd, unix.TIOCGPTN)
		return err
	})
	p.resize(rows, columns)
	p.tty, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|unix.O_NOCTTY, 0)
	must(h.t, err)
	h.t.Cleanup(func() { p.tty.Close() })
	p.cmd = exec.Command(bin+"/coppice", append([]string{"--run-dir", h.run}, args...)...)
	p.cmd.Env = append(os.Environ(), "TERM=vt100")
	p.cmd.Stdin, p.cmd.Stdout, p.cmd.Stderr = p.tty, p.tty, p.tty
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true, Credential: who}
	must(h.t, p.cmd.Start())
	h.t.Cleanup(func() { _ = p.cmd.Process.Kill() }) // it may have ended
	go func() {
		defer close(p.over)
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

func (p *person) control(f func(fd int) error) {
	p.h.t.Helper()
	raw, err := p.master.SyscallConn()
	must(p.h.t, err)
	var failed error
	must(p.h.t, raw.Control(func(fd uintptr) { failed = f(int(fd)) }))
	must(p.h.t, failed)
}

func (p *person) resize(rows, columns uint16) {
	p.h.t.Helper()
	p.control(func(fd int) error {
		return unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &unix.Winsize{Row: rows, Col: columns})
	})
}

func (p *person) modes() unix.Termios {
	p.h.t.Helper()
	modes, err := unix.IoctlGetTermios(int(p.tty.Fd()), unix.TCGETS)
	must(p.h.t, err)
	return *modes
}

func (p *person) types(text string) {
	p.h.t.Helper()
	_, err := p.master.WriteString(text)
	must(p.h.t, err)
}

// all is what was shown until now.
func (p *person) all() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.seen.String()
}

// sees waits until a text is shown, after what was waited for before.
func (p *person) sees(text string) {
	p.h.t.Helper()
	for deadline := time.Now().Add(moment); ; time.Sleep(5 * time.Millisecond) {
		p.mu.Lock()
		all := p.seen.String()
		at := strings.Index(all[p.read:], text)
		if at >= 0 {
			p.read += at + len(text)
		}
		p.mu.Unlock()
		if at >= 0 {
			return
		}
		if time.Now().After(deadline) {
			p.h.t.Fatalf("%q is not shown:\n%q", text, all)
		}
	}
}

// leaves waits until coppice has ended, and returns its code.
func (p *person) leaves() int {
	p.h.t.Helper()
	ended := make(chan error, 1)
	go func() { ended <- p.cmd.Wait() }()
	select {
	case err := <-ended:
		if failed, is := errors.AsType[*exec.ExitError](err); is {
			return failed.ExitCode()
		}
		must(p.h.t, err)
		return 0
	case <-time.After(moment):
		p.h.t.Fatalf("coppice does not end:\n%s", p.seen.String())
		return -1
	}
}

// furnished makes a root with more tools than root has.
func (h *host) furnished(name string, tools ...string) string {
	h.t.Helper()
	path := h.root(name)
	for _, tool := range append(tools, "id", "tty", "stty", "readlink", "mkdir", "setsid", "chmod", "seq", "wc") {
		must(h.t, os.Symlink("busybox", path+"/bin/"+tool))
	}
	must(h.t, os.MkdirAll(path+"/tmp", 0o755))
	must(h.t, os.Chmod(path+"/tmp", 0o777|os.ModeSticky))
	return path
}

// TestTerminal is a person at a shell inside.
func TestTerminal(t *testing.T) {
	h := newHost(t)
	h.start()
	h.write("a.yaml", session("s", directory(h.furnished("root", "vi", "less"))))
	h.ready("s")
	p := h.sits(33, 99, nil, "exec", "-d", "/tmp", "s")
	before := p.modes()
	p.sees("# ")
	p.types("stty size; tty\r")
	p.sees("33 99")
	p.sees("/dev/pts/0")
	p.sees("# ")
	// The window grows.
	p.resize(44, 111)
	p.types("while [ \"$(stty size)\" = '33 99' ]; do sleep 0.05; done; stty size\r")
	p.sees("44 111")
	// Ctrl-C ends what runs inside, not the client.
	p.types("sh -c 'echo go; sleep 100'\r") // whose process says that it is there
	p.sees("go\r\n")
	p.types("\x03")
	p.sees("# ")
	p.types("echo rc=$?\r")
	p.sees("rc=130")
	// Ctrl-Z stops it; fg goes on with it.
	p.types("sh -c 'echo go; sleep 100'\r") // whose process says that it is there
	p.sees("go\r\n")
	p.types("\x1a")
	p.sees("Stopped")
	p.types("jobs; fg\r")
	p.sees("Stopped")
	p.sees("sleep 100")
	p.types("\x03")
	p.sees("# ")
	// Programs that use the whole screen.
	p.types("vi file\r")
	p.sees("\x1b[")
	p.sees("file")
	p.types("i")
	p.sees("I file") // it inserts
	p.types("hello from inside")
	p.sees("inside")
	p.types("\x1b")
	p.sees("- file")
	p.types(":wq\r")
	p.sees("# ")
	p.types("echo text=$(cat file)\r")
	p.sees("text=hello from inside")
	p.types("seq 1000 | less\r")
	p.sees("K40")
	p.types("G")
	p.sees("1000")
	p.types("q")
	p.sees("# ")
	if p.modes() == before {
		t.Error("the terminal is not in raw mode")
	}
	// On a slow machine the interrupt after fg may have come before the job was back.
	p.types("kill -9 %1 2>/dev/null; wait; exit 7\r")
	if code := p.leaves(); code != 7 {
		t.Errorf("exit code %d, want 7", code)
	}
	if p.modes() != before {
		t.Error("the terminal is not what it was")
	}
	h.remove("a.yaml")
	h.gone("s")
	h.nothingLeft()
}

// TestTerminalIsRestored ends coppice in all ways that leave it a chance.
func TestTerminalIsRestored(t *testing.T) {
	patient(t)
	h := newHost(t)
	h.start()
	h.write("a.yaml", session("s", directory(h.furnished("root"))))
	h.ready("s")
	for name, row := range map[string]struct {
		end  func(p *person)
		code int
	}{
		"the command is killed": {func(p *person) { p.types("kill -9 $$\r") }, 128 + 9},
		"SIGTERM":               {func(p *person) { must(t, p.cmd.Process.Signal(syscall.SIGTERM)) }, 128 + 15},
		"SIGHUP":                {func(p *person) { must(t, p.cmd.Process.Signal(syscall.SIGHUP)) }, 128 + 1},
		"it stops and goes on": {func(p *person) {
			before := p.modes()
			must(t, p.cmd.Process.Signal(syscall.SIGTSTP))
			h.until("it has stopped, with the terminal as it was", func() bool { return p.modes() != before })
			must(t, p.cmd.Process.Signal(syscall.SIGCONT))
			h.until("it goes on, in raw mode", func() bool { return p.modes() == before })
			p.types("exit 3\r")
		}, 3},
	} {
		p := h.sits(24, 80, nil, "exec", "s", "--", "sh", "-c", "echo ready; read x; eval $x; exit 9")
		before := unix.Termios{}
		h.until("it is in raw mode", func() bool { before = p.modes(); return before.Lflag&unix.ICANON == 0 })
		p.sees("ready")
		row.end(p)
		if code := p.leaves(); code != row.code {
			t.Errorf("%s: exit code %d, want %d", name, code, row.code)
		}
		if now := p.modes(); now.Lflag&unix.ICANON == 0 || now.Oflag&unix.OPOST == 0 {
			t.Errorf("%s: the terminal is in raw mode", name)
		}
	}
	// The session ends under a shell, which is told.
	p := h.sits(24, 80, nil, "exec", "s")
	p.sees("# ")
	h.remove("a.yaml")
	p.sees("session/s was ended")
	if code := p.leaves(); code != 128+9 && code != 128+15 && code != 128+1 {
		t.Errorf("the session ended: exit code %d", code)
	}
	if now := p.modes(); now.Lflag&unix.ICANON == 0 {
		t.Error("the session ended: the terminal is in raw mode")
	}
	h.gone("s")
	h.nothingLeft()
}
