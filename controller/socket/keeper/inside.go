package keeper

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime"
	"slices"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"coppice.dev/controller/socket/wire/frame"
)

// run starts the command inside the session.
func run(namespace *os.File, o Order, std standard) (*command, error) {
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0) // looked up here: inside there may be none
	if err != nil {
		return nil, err
	}
	defer null.Close()
	r := &room{order: o, namespace: namespace, std: std, null: null}
	if o.Group != "" {
		r.group, err = os.Open(o.Group)
		if errors.Is(err, fs.ErrNotExist) {
			return nil, ending(o)
		}
		if err != nil {
			return nil, fmt.Errorf("open the lease's cgroup: %w", err)
		}
		defer r.group.Close()
	}
	var c *command
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread ends here
		err := errors.New("the command's keeper failed")
		defer func() {
			if p := recover(); p != nil {
				err = fmt.Errorf("%w: %v", err, p)
			}
			done <- err
		}()
		c, err = r.start()
	}()
	err = <-done
	return c, err
}

// room is what the command is started from: a thread that becomes, step by step,
// what the command is to be, and ends.
type room struct {
	order     Order
	namespace *os.File
	std       standard
	null      *os.File
	group     *os.File
	proc      *os.File // the thread's own folder below the host's /proc
}

// start starts the command from this thread.
func (r *room) start() (_ *command, err error) {
	o := r.order
	if r.proc, err = os.Open("/proc/thread-self/"); err != nil {
		return nil, err
	}
	defer r.proc.Close()
	for _, file := range o.Tasks {
		// "0" is the thread that writes it (cgroups(7), version 1).
		if err := os.WriteFile(file, []byte("0"), 0); err != nil {
			return nil, fmt.Errorf("join cgroup: %w", err)
		}
	}
	// setns(2) refuses a thread that shares its file system attributes.
	if err := unix.Unshare(unix.CLONE_FS); err != nil {
		return nil, fmt.Errorf("unshare file system attributes: %w", err)
	}
	if err := unix.Setns(int(r.namespace.Fd()), unix.CLONE_NEWNS); err != nil {
		return nil, fmt.Errorf("enter session %s: %w", o.Session, err)
	}
	c := &command{order: o, ended: make(chan struct{})}
	defer func() {
		if err != nil {
			c.drop()
		}
	}()
	if err := r.isolate(c); err != nil {
		return nil, err
	}
	var slave *os.File
	if o.Terminal {
		if slave, err = r.terminal(c); err != nil {
			return nil, err
		}
		if slave != nil {
			defer slave.Close()
		}
	}
	if err := plain(o); err != nil {
		return nil, err
	}
	var program string
	if err := asUser(o, func() (err error) {
		if c.folder, err = settle(o); err != nil {
			return err
		}
		choose(&r.order)
		program, err = find(r.order)
		return err
	}); err != nil {
		return nil, err
	}
	if o.NoNewPrivileges {
		if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
			return nil, fmt.Errorf("keep the command from new privileges: %w", err)
		}
	}
	if err := r.fork(c, program, slave); err != nil {
		return nil, err
	}
	return c, nil
}

// isolate gives the command namespaces of its own.
func (r *room) isolate(c *command) error {
	if r.order.Network {
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			return fmt.Errorf("make a network of the command's own: %w", err)
		}
		if err := loopbackUp(); err != nil {
			return fmt.Errorf("bring up the loopback interface: %w", err)
		}
	}
	if r.order.IPC {
		if err := unix.Unshare(unix.CLONE_NEWIPC); err != nil {
			return fmt.Errorf("make IPC objects of the command's own: %w", err)
		}
	}
	if r.order.PID {
		return r.isolatePIDs(c)
	}
	return nil
}

func loopbackUp() error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	request, err := unix.NewIfreq("lo")
	if err != nil {
		return err
	}
	request.SetUint16(unix.IFF_UP | unix.IFF_RUNNING)
	return unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, request)
}

// fork starts the program, and says why it could not be.
func (r *room) fork(c *command, program string, slave *os.File) error {
	o := r.order
	attr := &syscall.ProcAttr{
		Env: o.Env,
		Sys: &syscall.SysProcAttr{
			Setsid:     true,
			Credential: &syscall.Credential{Uid: uint32(o.UID), Gid: uint32(o.GID), Groups: numbers(o.Groups)},
		},
	}
	for i, file := range r.std {
		if file == nil {
			file = r.null
			if slave != nil && r.isTerminal(i) {
				file = slave
				if !attr.Sys.Setctty {
					attr.Sys.Setctty, attr.Sys.Ctty = true, i
				}
			}
		}
		attr.Files = append(attr.Files, file.Fd())
	}
	if r.group != nil {
		attr.Sys.UseCgroupFD, attr.Sys.CgroupFD = true, int(r.group.Fd())
	}
	args := slices.Clone(o.Args)
	if o.Login {
		args[0] = "-" + args[0][strings.LastIndexByte(args[0], '/')+1:]
	}
	if err := known(o.Resources); err != nil {
		return err
	}
	attr.Sys.Ptrace = len(o.Resources) > 0 // it stops before it runs, for them
	var err error
	c.pid, err = syscall.ForkExec(program, args, attr)
	switch {
	case err == nil && attr.Sys.Ptrace:
		return c.limit()
	case err == nil:
		return nil
	case errors.Is(err, unix.ENOENT):
		return notExecutable("%s: the program that it is to be run by, named in its first line or its head, is not in session %s", program, o.Session)
	case errors.Is(err, unix.ENOEXEC):
		return caused(notExecutable("%s: it is no program, or one for another machine; a script begins with #! and the path of its interpreter", program), err)
	case errors.Is(err, unix.EACCES):
		return caused(notExecutable("%s: permission denied", program), err)
	case errors.Is(err, unix.E2BIG):
		return notExecutable("%s: its arguments and environment are too long", program)
	case errors.Is(err, unix.EINVAL), errors.Is(err, unix.ELIBBAD), errors.Is(err, unix.ETXTBSY), errors.Is(err, unix.EISDIR), errors.Is(err, unix.ELOOP):
		return caused(notExecutable("%s: %v", program, err), err)
	case errors.Is(err, unix.EAGAIN):
		return invalid("%s: cannot be started: the most processes that the user, the session or the machine may have are running", program)
	case errors.Is(err, unix.ENODEV):
		return ending(o)
	}
	return fmt.Errorf("run %s: %w", program, err)
}

func ending(o Order) error {
	return &refusal{frame.Failed{Error: frame.Error{Reason: "NotReady", Message: fmt.Sprintf("session %s is just being ended", o.Session)}}}
}

func numbers(list []int) []uint32 {
	converted := make([]uint32, 0, len(list))
	for _, n := range list {
		converted = append(converted, uint32(n))
	}
	return converted
}

// isTerminal reports whether a standard file that was not sent is to be the
// terminal.
func (r *room) isTerminal(number int) bool {
	if r.std[number] != nil {
		return false
	}
	return len(r.order.TTY) == 0 || slices.Contains(r.order.TTY, number)
}

// open opens a file that this thread has open once more, with other rights.
func (r *room) open(fd, flags int) (int, error) {
	return unix.Openat(int(r.proc.Fd()), fmt.Sprintf("fd/%d", fd), flags|unix.O_CLOEXEC, 0)
}
