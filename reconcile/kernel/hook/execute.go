package hook

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"coppice.dev/reconcile/fault"
	"coppice.dev/reconcile/kernel/enter"
	"coppice.dev/reconcile/kernel/journal"
	"coppice.dev/reconcile/object"
)

const (
	// defaultTimeout ends a hook that does not say when.
	defaultTimeout = time.Minute
	// outputKept is how many bytes of the end of a hook's output are kept.
	outputKept = 4 << 10
	// stopping is how long a hook has between TERM and KILL when its time is over.
	stopping = 2 * time.Second
)

// program is what is run of a hook: the hook itself, or what undoes it.
type program struct {
	name  string // of its cgroup
	pin   string // of the session's namespace
	phase string
	args  []string
}

// errUntrusted says that others than root decide what a program of the host does.
var errUntrusted = errors.New("others than root may write to it, and could have anything run as root")

// trusted refuses what others may write to, as manifests are refused that name it. That
// it is not there is for whoever starts it to say.
func trusted(program string) error {
	var st unix.Stat_t
	if err := unix.Stat(program, &st); errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENOTDIR) {
		return nil
	} else if err != nil {
		return fmt.Errorf("look at %s: %w", program, err)
	}
	if st.Uid != 0 && int(st.Uid) != os.Geteuid() || st.Mode&0o022 != 0 {
		return fmt.Errorf("%s: %w", program, errUntrusted)
	}
	return nil
}

var (
	errOutOfTime = errors.New("it was still running")
	errNoRoot    = errors.New("the session has no root to run it in")
)

// execute runs one program of a hook and waits for it. What it leaves when it
// fails is ended, too.
func (d Driver) execute(ctx context.Context, e *journal.Entry, p program) error {
	session, spec := e.Object.Owner.Name, e.Object.Spec.(object.Hook)
	doing := fmt.Sprintf("run hook %s (%s)", spec.Name, strings.Join(p.args, " "))
	timeout := cmp.Or(spec.Timeout, defaultTimeout)
	ctx, cancel := context.WithTimeoutCause(ctx, timeout, errOutOfTime)
	defer cancel()
	if !spec.Inside {
		if err := trusted(p.args[0]); err != nil {
			return failed(doing, err, "")
		}
	}
	null, err := os.Open(os.DevNull) // looked up here: inside there may be none
	if err != nil {
		return err
	}
	defer null.Close()
	group, err := d.Groups.JoinHook(session, p.name)
	if err != nil {
		return err
	}
	if group != nil {
		defer group.Close()
	}
	output := &speech{say: func(line string) {
		if d.Said != nil {
			d.Said(session, spec.Name, p.phase, line)
		}
	}}
	defer output.end()
	cmd := command(ctx, session, spec, p, group)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = null, output, output
	if err := d.start(session, spec.Inside, cmd); fault.OfMachine(err) {
		return fault.Disk(doing, err)
	} else if err != nil {
		return failed(doing, err, "")
	}
	var left *journal.Process
	if group == nil {
		left = d.mark(e, cmd.Process.Pid)
	}
	err = cmd.Wait()
	if errors.Is(err, exec.ErrWaitDelay) && ctx.Err() == nil {
		err = nil // it went well; a child that holds its output is no failure
	}
	if err == nil {
		return d.Groups.LeaveHook(session, p.name)
	}
	if cause := context.Cause(ctx); errors.Is(cause, errOutOfTime) {
		err = fmt.Errorf("%w after %s", errOutOfTime, timeout)
	} else if cause != nil {
		err = cause
	}
	// Wait has ended the hook itself; this is for its children.
	err = errors.Join(err, d.clear(journal.Entry{Object: e.Object, Process: left}, p.name))
	return failed(doing, err, output.String())
}

// command is the program as it is to be started.
func command(ctx context.Context, session string, spec object.Hook, p program, group *os.File) *exec.Cmd {
	cmd := exec.CommandContext(ctx, p.args[0], p.args[1:]...) // an absolute path, as the manifest's rules have it
	cmd.Dir = "/"
	cmd.Env = append([]string{
		"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
		"COPPICE_SESSION=" + session, "COPPICE_PHASE=" + p.phase, "COPPICE_NAMESPACE=" + p.pin, "COPPICE_HOOK=" + spec.Name,
	}, spec.Env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if group != nil {
		cmd.SysProcAttr.UseCgroupFD, cmd.SysProcAttr.CgroupFD = true, int(group.Fd())
	}
	// A hook's children are in its process group; they hear of its end with it.
	cmd.Cancel = func() error { return unix.Kill(-cmd.Process.Pid, unix.SIGTERM) }
	cmd.WaitDelay = stopping
	return cmd
}

// mark notes which process does the task, where no cgroup tells. If it cannot be
// noted, then it is only not found again after a crash.
func (d Driver) mark(e *journal.Entry, pid int) *journal.Process {
	p, err := identify(pid)
	if err != nil {
		return nil // it has ended already
	}
	e.Process = &p
	if err := d.Journal.Write(*e); err != nil {
		e.Process = nil
	}
	return &p
}

// start starts the command on the host or inside. It gets nothing that depends
// on how the controller was started: no umask, no open files.
func (d Driver) start(session string, inside bool, cmd *exec.Cmd) error {
	begin := func(enter.Thread) error {
		unix.Umask(0o022) // of this thread and its children alone
		if err := unix.CloseRange(3, math.MaxUint32, unix.CLOSE_RANGE_CLOEXEC); err != nil {
			return fmt.Errorf("keep open files from the hook: %w", err)
		}
		return cmd.Start()
	}
	if !inside {
		return enter.Alone(begin)
	}
	namespace, err := d.Rooms.Open(session)
	if err != nil {
		return fmt.Errorf("%w: %w", errNoRoot, err)
	}
	defer namespace.Close()
	return enter.Do(namespace, begin)
}

func failed(doing string, err error, output string) error {
	f := &fault.Fault{Reason: fault.HookFailed, Doing: doing, Err: err, Output: output}
	switch {
	case errors.Is(err, errNoRoot):
		f.Hint = "its namespace was taken away; end the session, or wait until its root is made again"
	case errors.Is(err, errUntrusted):
		f.Hint = "look at what it does, then: chown root, and chmod go-w"
	case errors.Is(err, fs.ErrNotExist):
		f.Hint = "there is no such program, or not the one that it names after #!; install it, or change the hook"
	case errors.Is(err, fs.ErrPermission):
		f.Hint = "it may not be executed; chmod +x it"
	case errors.Is(err, unix.ENOEXEC):
		f.Hint = "it is no program; a script begins with #! and the path of its interpreter"
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
