package keeper

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"runtime"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"coppice.dev/controller/socket/wire/frame"
)

const (
	// patience is how long a client has to send its files, or to take a frame.
	patience = 30 * time.Second // of a machine that a thousand commands begin on
	// defaultGrace is the time between HUP and KILL if the order does not say.
	defaultGrace = 5 * time.Second
)

// A program that imports this package becomes a keeper if it was started as one, here
// and not in main: the packages of the standard library that a keeper needs are
// initialized by now, and most of what else the daemon is made of is not. That makes up
// for most of the time that its start takes. What is imported here must need as
// little (TestKeeperIsEarly of package socket).
//
// The main thread must end with nothing but the process: the runtime parks it
// for good when a goroutine that was locked to it ends, and the kernel takes its
// view of the world for that of the process. An init function runs on it.
func init() {
	runtime.LockOSThread()
	if len(os.Args) == 0 || os.Args[0] != Name {
		return
	}
	// Whatever the daemon was started with beside: not for the command.
	err := unix.CloseRange(fdConn, math.MaxUint32, unix.CLOSE_RANGE_CLOEXEC)
	switch given := (gift{fdConn, fdNamespace, fdOrder}); {
	case err != nil:
	case len(os.Args) > 1 && strings.HasPrefix(os.Args[1], idle):
		if given, err = wait(); err == nil && given != (gift{}) {
			err = keep(given)
		}
	default:
		err = keep(given)
	}
	if err != nil {
		os.Exit(1)
	}
	os.Exit(0)
}

// gift is what a keeper is given to work with: files, by their numbers.
type gift struct{ conn, namespace, order int }

// keep runs the command and waits for it. What went wrong is told to the client,
// who is the only one there.
func keep(given gift) (err error) {
	conn, err := connection(given.conn)
	if err != nil {
		return err
	}
	defer conn.Close()
	defer func() { // the client is the only one who can be told
		if p := recover(); p != nil {
			err = tell(conn, fmt.Errorf("the command's keeper failed: %v", p))
		}
	}()
	namespace := os.NewFile(uintptr(given.namespace), "the session's namespace")
	order, err := read(os.NewFile(uintptr(given.order), "order"))
	if err != nil {
		return tell(conn, err)
	}
	defer order.leave()
	if err := forget(); err != nil {
		return tell(conn, err)
	}
	call(order)
	files, err := receive(conn)
	if err != nil {
		return tell(conn, err)
	}
	c, err := run(namespace, order, files)
	namespace.Close()
	for _, file := range files {
		if file != nil {
			file.Close()
		}
	}
	if err != nil {
		order.failed(err.Error())
		return tell(conn, err)
	}
	return c.stay(conn)
}

func connection(fd int) (*frame.Conn, error) {
	if err := unix.SetNonblock(fd, true); err != nil {
		return nil, fmt.Errorf("take connection: %w", err)
	}
	return frame.NewConn(os.NewFile(uintptr(fd), "connection")), nil
}

// read reads the order.
func read(file *os.File) (Order, error) {
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return Order{}, fmt.Errorf("read order: %w", err)
	}
	text := make([]byte, info.Size())
	if _, err := file.ReadAt(text, 0); err != nil {
		return Order{}, fmt.Errorf("read order: %w", err)
	}
	return parse(text)
}

// parse reads an order and fills in what has a default.
func parse(text []byte) (Order, error) {
	var o Order
	if err := json.Unmarshal(text, &o); err != nil {
		return o, fmt.Errorf("read order: %w", err)
	}
	if o.AsShell && len(o.Shells) == 0 || !o.AsShell && len(o.Args) == 0 || len(o.Args) > 0 && o.Args[0] == "" {
		return o, errors.New("read order: it names no command")
	}
	if o.UID < 0 || o.GID < 0 || o.UID > math.MaxUint32-1 || o.GID > math.MaxUint32-1 {
		return o, fmt.Errorf("read order: user %d and group %d are not to be had", o.UID, o.GID)
	}
	if o.Grace <= 0 {
		o.Grace = defaultGrace
	}
	return o, nil
}

// tell tells the client that there is no command.
func tell(conn *frame.Conn, err error) error {
	failed := frame.Failed{Error: frame.Error{Reason: "Internal", Message: err.Error()}}
	if r, is := errors.AsType[*refusal](err); is {
		failed = r.failed
	}
	_ = conn.SetWriteDeadline(time.Now().Add(patience)) // a client that is gone is not told
	_ = conn.Send(frame.Frame{Failed: &failed})
	return err
}

// refusal is an error with more to it than a message.
type refusal struct{ failed frame.Failed }

func (r *refusal) Error() string { return r.failed.Message }

func invalid(format string, args ...any) error {
	return &refusal{frame.Failed{Error: frame.Error{Reason: "Invalid", Message: fmt.Sprintf(format, args...)}}}
}

func notFound(format string, args ...any) error {
	return &refusal{frame.Failed{Error: frame.Error{Reason: "NotFound", Message: fmt.Sprintf(format, args...)}, NotFound: true}}
}

func notExecutable(format string, args ...any) error {
	return &refusal{frame.Failed{Error: frame.Error{Reason: "Invalid", Message: fmt.Sprintf(format, args...)}, NotExecutable: true}}
}

// caused adds the system's own word to a refusal.
func caused(err, cause error) error {
	r, refused := errors.AsType[*refusal](err)
	number, is := errors.AsType[unix.Errno](cause)
	if refused && is {
		r.failed.Cause = number.Error()
	}
	return err
}
