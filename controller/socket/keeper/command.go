package keeper

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"coppice.dev/controller/socket/wire/frame"
)

// command is the one that runs.
type command struct {
	order  Order
	pid    int
	master *os.File // the terminal's; nil if there is none
	note   string
	folder string // where it runs
	// first is the first process of a pid namespace of the command's own, which
	// ends when life is closed; 0 if there is none.
	first int
	life  *os.File

	mu     sync.Mutex
	reaped bool
	status unix.WaitStatus
	ended  chan struct{} // closed when it was reaped
}

// stay stays with the command until it ends, or until the client goes and it is
// ended.
func (c *command) stay(conn *frame.Conn) error {
	defer c.drop()
	waited := make(chan error, 1)
	go func() { waited <- c.wait() }()
	started := frame.Started{PID: c.pid, Lease: c.order.Lease, Note: c.note, Folder: c.folder}
	var riding []*os.File
	if c.master != nil {
		riding = append(riding, c.master)
	}
	err := say(conn, frame.Frame{Started: &started}, riding...)
	if c.master != nil {
		c.master.Close() // so that the terminal hangs up when the client goes
		c.master = nil
	}
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		if err == nil {
			c.listen(conn)
		}
	}()
	select {
	case err := <-waited:
		if err != nil {
			return tell(conn, err)
		}
		// Before the client hears of it, who may then be gone at once.
		switch e := exited(c.status); {
		case e.Signal != 0:
			c.order.failed("signal " + unix.SignalName(unix.Signal(e.Signal)))
		case e.Code != 0:
			c.order.failed("exit code " + strconv.Itoa(e.Code))
		}
		return say(conn, frame.Frame{Exited: exited(c.status)})
	case <-gone:
		c.order.failed("its client went away")
		c.end()
		return errors.New("the client has gone")
	}
}

func say(conn *frame.Conn, f frame.Frame, files ...*os.File) error {
	if err := conn.SetWriteDeadline(time.Now().Add(patience)); err != nil {
		return err
	}
	return conn.Send(f, files...)
}

// listen passes signals on until the client goes, or says what it must not.
func (c *command) listen(conn *frame.Conn) {
	for {
		said, files, err := conn.Receive()
		for _, file := range files {
			file.Close()
		}
		if err != nil {
			return
		}
		if s := said.Signal; s != nil && s.Number > 0 && s.Number <= 64 {
			c.signal(unix.Signal(s.Number))
		}
	}
}

// signal sends a signal to the command's process group. Until it is reaped, the
// number is nobody else's.
func (c *command) signal(s unix.Signal) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.reaped {
		_ = unix.Kill(-c.pid, s) // a group that is gone hears nothing
	}
}

// limit gives the command limits of its own before it runs.
func (c *command) limit() error {
	status, err := limit(c.pid, c.order)
	if status.Exited() || status.Signaled() { // it was ended before
		c.reaped, c.status = true, status
	}
	return err
}

// wait waits for the command, and reaps it.
func (c *command) wait() error {
	defer close(c.ended)
	if c.reaped {
		return nil
	}
	for {
		err := unix.Waitid(unix.P_PID, c.pid, nil, unix.WEXITED|unix.WNOWAIT, nil)
		if err == nil {
			break
		}
		if !errors.Is(err, unix.EINTR) {
			return fmt.Errorf("wait for the command: %w", err)
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	_, err := unix.Wait4(c.pid, &c.status, 0, nil)
	c.reaped = true
	if err != nil {
		return fmt.Errorf("wait for the command: %w", err)
	}
	return nil
}

// exited says how a command ended, as a shell would.
func exited(s unix.WaitStatus) *frame.Exited {
	if s.Signaled() {
		return &frame.Exited{Code: 128 + int(s.Signal()), Signal: int(s.Signal()), Core: s.CoreDump()}
	}
	return &frame.Exited{Code: s.ExitStatus()}
}

// end ends the command and all that is in the lease: who reads from a terminal
// or a pipe that is gone mostly ends by itself.
func (c *command) end() {
	c.signal(unix.SIGHUP)
	c.signal(unix.SIGCONT) // who is stopped hears of it only when it goes on
	if !c.gone(c.order.Grace) {
		c.kill()
		c.gone(patience)
	}
}

// gone waits until nobody is left of the command, and tells whether that is so.
func (c *command) gone(within time.Duration) bool {
	deadline := time.Now().Add(within)
	for wait := time.Millisecond; c.anyone(); wait = min(2*wait, 50*time.Millisecond) {
		if time.Now().After(deadline) {
			return false
		}
		time.Sleep(wait)
	}
	return true
}

// anyone reports whether somebody is left of the command.
func (c *command) anyone() bool {
	select {
	case <-c.ended:
	default:
		return true
	}
	if c.order.Group == "" {
		return len(c.session()) > 0
	}
	return populated(c.order.Group)
}

// populated reports whether somebody is in a cgroup or below.
func populated(group string) bool {
	text, err := os.ReadFile(path.Join(group, "cgroup.events"))
	return err == nil && strings.Contains(string(text), "populated 1")
}

// kill ends all that is left of it at once.
func (c *command) kill() {
	c.signal(unix.SIGKILL)
	if c.order.Group == "" {
		for _, pid := range c.session() {
			c.killOne(pid, func() bool { return sessionOf(pid) == c.pid })
		}
		return
	}
	err := os.WriteFile(path.Join(c.order.Group, "cgroup.kill"), []byte("1"), 0) // 5.14
	if !errors.Is(err, fs.ErrNotExist) {
		return
	}
	text, _ := os.ReadFile(path.Join(c.order.Group, "cgroup.procs"))
	for field := range strings.FieldsSeq(string(text)) {
		if pid, err := strconv.Atoi(field); err == nil {
			c.killOne(pid, func() bool {
				now, err := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", pid))
				return err == nil && strings.Contains(string(now), path.Base(c.order.Group))
			})
		}
	}
}

// killOne ends a process, held so that its number cannot become another's.
func (c *command) killOne(pid int, still func() bool) {
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return
	}
	defer unix.Close(fd)
	if still() {
		_ = unix.PidfdSendSignal(fd, unix.SIGKILL, nil, 0)
	}
}

// session returns the processes of the command's session (setsid(2)), which is
// what is known of it where there are no cgroups.
func (c *command) session() []int {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil
	}
	var pids []int
	for _, e := range entries {
		if pid, err := strconv.Atoi(e.Name()); err == nil && sessionOf(pid) == c.pid {
			pids = append(pids, pid)
		}
	}
	return pids
}

// sessionOf reads field 6 of proc_pid_stat(5); 0 if the process is gone or has
// ended and was not waited for.
func sessionOf(pid int) int {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0
	}
	fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
	if len(fields) < 4 || fields[0] == "Z" {
		return 0
	}
	session, err := strconv.Atoi(fields[3])
	if err != nil {
		return 0
	}
	return session
}

// drop lets go of what was made for the command.
func (c *command) drop() {
	if c.master != nil {
		c.master.Close()
	}
	if c.life != nil {
		c.life.Close()
	}
	if c.first > 0 {
		var s unix.WaitStatus
		for {
			if _, err := unix.Wait4(c.first, &s, 0, nil); !errors.Is(err, unix.EINTR) {
				return
			}
		}
	}
}

// failed notes that the command failed, and how, for those who want to know.
func (o Order) failed(how string) {
	if o.Failure != "" {
		_ = os.WriteFile(o.Failure, []byte(how), 0o600) // there may be no room; nobody else can be told
	}
}

// leave removes the lease's cgroup and its record, if nobody is left in it.
// Otherwise the daemon does when they are gone.
func (o Order) leave() {
	if o.Group != "" {
		err := unix.Rmdir(o.Group)
		// Whoever ended just now may still be leaving.
		for range 20 {
			if !errors.Is(err, unix.EBUSY) || populated(o.Group) {
				break
			}
			time.Sleep(time.Millisecond)
			err = unix.Rmdir(o.Group)
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return
		}
	}
	if o.Record != "" {
		_ = os.Remove(o.Record)
	}
}
