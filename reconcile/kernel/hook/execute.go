package hook

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"coppice.dev/reconcile/fault"
	"coppice.dev/reconcile/kernel/enter"
	"coppice.dev/reconcile/object"
)

const (
	// outputKept is how many bytes of the end of a hook's output are kept.
	outputKept = 4 << 10
	// stopping is how long a hook has between TERM and KILL when its time is over.
	stopping = 2 * time.Second
)

// execute runs one command of a hook and waits for it.
func (d Driver) execute(ctx context.Context, session, pin string, spec object.Hook, phase string, command []string) error {
	doing := fmt.Sprintf("run hook %s (%s)", spec.Name, strings.Join(command, " "))
	ctx, cancel := context.WithTimeoutCause(ctx, spec.Timeout, errOutOfTime)
	defer cancel()
	null, err := os.Open(os.DevNull) // looked up here: inside there may be none
	if err != nil {
		return err
	}
	defer null.Close()
	group, err := d.Groups.JoinHook(session)
	if err != nil {
		return err
	}
	var output tail
	cmd := exec.CommandContext(ctx, command[0], command[1:]...)
	cmd.Dir, cmd.Stdin, cmd.Stdout, cmd.Stderr = "/", null, &output, &output
	cmd.Env = append([]string{
		"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
		"COPPICE_SESSION=" + session, "COPPICE_PHASE=" + phase, "COPPICE_NAMESPACE=" + pin, "COPPICE_HOOK=" + spec.Name,
	}, spec.Env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if group != nil {
		defer group.Close()
		cmd.SysProcAttr.UseCgroupFD, cmd.SysProcAttr.CgroupFD = true, int(group.Fd())
	}
	// A hook's children are in its process group; end them with it.
	cmd.Cancel = func() error { return unix.Kill(-cmd.Process.Pid, unix.SIGTERM) }
	cmd.WaitDelay = stopping
	if err := d.start(session, spec.Inside, cmd); err != nil {
		return failed(doing, err, "")
	}
	err = cmd.Wait()
	if errors.Is(err, exec.ErrWaitDelay) && ctx.Err() == nil {
		err = nil // it went well; a child that holds its output is no failure
	}
	if err == nil {
		return nil
	}
	// Wait has killed the hook itself; this is for its children.
	if killErr := unix.Kill(-cmd.Process.Pid, unix.SIGKILL); killErr != nil && !errors.Is(killErr, unix.ESRCH) {
		err = errors.Join(err, killErr)
	}
	if cause := context.Cause(ctx); cause != nil {
		err = fmt.Errorf("%w after %s", cause, spec.Timeout)
	}
	return failed(doing, err, output.String())
}

var errOutOfTime = errors.New("it was still running")

func (d Driver) start(session string, inside bool, cmd *exec.Cmd) error {
	if !inside {
		return cmd.Start()
	}
	namespace, err := d.Rooms.Open(session)
	if err != nil {
		return err
	}
	defer namespace.Close()
	return enter.Start(namespace, cmd)
}

func failed(doing string, err error, output string) error {
	f := &fault.Fault{Reason: fault.HookFailed, Doing: doing, Err: err, Output: output}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		f.Hint = "there is no such program; install it, or change the hook"
	case errors.Is(err, fs.ErrPermission):
		f.Hint = "it may not be executed; chmod +x it"
	case errors.Is(err, errOutOfTime):
		f.Hint = "give it a longer timeout, or find out what it waits for"
	case output != "":
		f.Err = fmt.Errorf("%w, saying %q", err, lastLine(output))
	}
	return f
}

func lastLine(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return lines[len(lines)-1]
}

// tail keeps the end of what is written to it.
type tail struct {
	mu   sync.Mutex
	kept []byte
}

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.kept = append(t.kept, p...)
	if over := len(t.kept) - outputKept; over > 0 {
		t.kept = append([]byte(nil), t.kept[over:]...)
	}
	return len(p), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return strings.ToValidUTF8(string(t.kept), "?")
}
