package lvm

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"coppice.dev/reconcile/fault"
)

// Patience is how long is waited for lvm(8). Whoever kills it half-way may leave
// metadata that does not fit what the kernel has; so a command that takes longer
// is left at work, and until it has ended no other is begun in its volume group.
const Patience = 40 * time.Second

// Tool runs lvm(8). There is one for all drivers, since commands in a volume group
// take turns.
type Tool struct {
	// Program is the path of lvm; where it is looked for if empty is Places.
	Program string
	// Patience is that of the package, if zero.
	Patience time.Duration

	mu   sync.Mutex
	busy map[string]*command // by volume group; "" and "report of GROUP" are those of reports
}

// Places is where lvm is looked for beside the PATH, which may lack them for
// those who are not root.
var Places = []string{"/usr/sbin/lvm", "/sbin/lvm"}

// command is one that has begun.
type command struct {
	words []string
	since time.Time
	pid   int
	ended chan struct{}
}

// Failed is an lvm command that said no.
type Failed struct { //nolint:errname // what it is, not that it is an error
	Command string // the first word
	Code    int
	Said    string // its words, warnings left out, on one line
}

// Error implements error.
func (f *Failed) Error() string {
	if f.Said == "" {
		return fmt.Sprintf("%s: exit code %d", f.Command, f.Code)
	}
	return f.Command + ": " + f.Said
}

// Installed reports whether there is an lvm to run.
func (t *Tool) Installed() bool {
	_, err := t.find()
	return err == nil
}

func (t *Tool) find() (string, error) {
	if t.Program != "" {
		return t.Program, nil
	}
	path, err := exec.LookPath("lvm")
	for _, place := range Places {
		if err == nil {
			return path, nil
		}
		path, err = exec.LookPath(place)
	}
	if err != nil {
		return "", &fault.Fault{Reason: fault.ToolMissing, Doing: "look for lvm", Err: err, Hint: "install the package lvm2"}
	}
	return path, nil
}

// run runs a command when its volume group is free, and returns what it printed.
func (t *Tool) run(ctx context.Context, group string, words ...string) ([]byte, error) {
	program, err := t.find()
	if err != nil {
		return nil, err
	}
	patience := t.Patience
	if patience == 0 {
		patience = Patience
	}
	limit := time.NewTimer(patience)
	defer limit.Stop()
	turn := &command{words: words, since: time.Now(), ended: make(chan struct{})}
	for {
		before := t.take(group, turn)
		if before == nil {
			break
		}
		// A long queue is no trouble, as long as each in it ends in time.
		left := patience - time.Since(before.since)
		if left <= 0 {
			return nil, before.overdue()
		}
		limit.Reset(left)
		select {
		case <-before.ended:
		case <-limit.C:
			return nil, before.overdue()
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
	out, said, wait, err := start(program, words, turn)
	if err != nil {
		t.free(group, turn)
		return nil, fault.Disk("start lvm "+words[0], err)
	}
	done := make(chan error, 1)
	go func() {
		done <- wait()
		t.free(group, turn)
	}()
	limit.Reset(patience)
	select {
	case err := <-done:
		defer out.Close()
		defer said.Close()
		return result(words[0], out, said, err)
	case <-limit.C:
		err = turn.overdue()
	case <-ctx.Done():
		err = context.Cause(ctx)
	}
	go func() {
		<-turn.ended
		out.Close()
		said.Close()
	}()
	return nil, err
}

// take gives a command its turn in a volume group, or returns the one that has it.
func (t *Tool) take(group string, turn *command) *command {
	t.mu.Lock()
	defer t.mu.Unlock()
	if before := t.busy[group]; before != nil {
		return before
	}
	if t.busy == nil {
		t.busy = map[string]*command{}
	}
	turn.since = time.Now()
	t.busy[group] = turn
	return nil
}

func (t *Tool) free(group string, turn *command) {
	t.mu.Lock()
	delete(t.busy, group)
	t.mu.Unlock()
	close(turn.ended)
}

// overdue says that a command has been at work for too long.
func (c *command) overdue() error {
	return &fault.Fault{
		Reason: fault.TimedOut, Doing: "wait for lvm " + c.words[0],
		Err:  fmt.Errorf("pid %d has been at work for %s", c.pid, time.Since(c.since).Round(time.Second)),
		Hint: "it is not killed, since that could damage the volume group: look for a disk that does not answer (dmesg, dmsetup info), or another lvm command that holds the lock",
	}
}

// start starts lvm so that it goes on if this program ends: its words go to files
// in memory and not into pipes, and no signal for this one's group or terminal
// reaches it.
func start(program string, words []string, turn *command) (out, said *os.File, wait func() error, err error) {
	if out, err = memory("lvm's report"); err != nil {
		return nil, nil, nil, err
	}
	if said, err = memory("lvm's words"); err != nil {
		out.Close()
		return nil, nil, nil, err
	}
	cmd := exec.Command(program, words...) //nolint:noctx // it is never killed
	cmd.Stdout, cmd.Stderr = out, said
	cmd.Dir = "/"
	cmd.Env = append(os.Environ(), "LC_ALL=C", "LVM_SUPPRESS_FD_WARNINGS=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err = cmd.Start(); err != nil {
		out.Close()
		said.Close()
		return nil, nil, nil, err
	}
	turn.pid = cmd.Process.Pid
	return out, said, cmd.Wait, nil
}

// memory returns a file that is nowhere on a disk (memfd_create(2)).
func memory(name string) (*os.File, error) {
	fd, err := unix.MemfdCreate(name, unix.MFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("make a file in memory: %w", err)
	}
	return os.NewFile(uintptr(fd), name), nil
}

// most is how much of a report is read, in bytes: some hundred thousand volumes.
const most = 256 << 20

func result(command string, out, said *os.File, ended error) ([]byte, error) {
	printed, err := io.ReadAll(io.NewSectionReader(out, 0, most))
	words, readErr := io.ReadAll(io.NewSectionReader(said, 0, 64<<10))
	if ended == nil {
		return printed, errors.Join(err, readErr)
	}
	if exit, is := errors.AsType[*exec.ExitError](ended); is {
		return nil, &Failed{Command: command, Code: exit.ExitCode(), Said: gist(string(words))}
	}
	return nil, fmt.Errorf("%s: %w", command, ended)
}

// gist puts what lvm said on one line, without its warnings: they are about other
// things, and long.
func gist(words string) string {
	var lines []string
	for line := range strings.Lines(words) {
		line = strings.TrimSuffix(strings.TrimSpace(line), ".")
		if line == "" || strings.HasPrefix(line, "WARNING:") || strings.HasPrefix(line, "Run `") {
			continue
		}
		lines = append(lines, line)
	}
	const most = 4
	if len(lines) > most {
		lines = append(lines[:most], "...")
	}
	return strings.Join(lines, "; ")
}
