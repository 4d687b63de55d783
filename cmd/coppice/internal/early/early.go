// Package early is the client of a command in a session, "coppice exec", before most of
// coppice is there.
//
// A command is often short, and most of what its client takes is the start of a large
// program: Kubernetes' types, YAML, TLS, the tree of commands. The client needs none of
// them. So it acts in this package's init function: packages are initialized in the order
// of their paths as soon as what they import is, so that one that needs little is early.
// What is imported here must need as little (TestExecIsEarly of coppice).
//
// It ends the process where the command has run and ended with a code, and that is all
// there is to say. Whatever else happens is told by main as ever: it parses anew, and comes
// to Ran, which has what was done here. Nothing is done twice: what could not be sent is
// sent by main, and what was answered is taken from here. It never prints an error, looks
// for a daemon that does not listen, or reads a status.
package early

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"path"
	"sync"

	"golang.org/x/sys/unix"

	"coppice.dev/cmd/internal/attach"
	"coppice.dev/cmd/internal/handshake"
	"coppice.dev/controller/socket/wire/frame"
)

// Result is how it went with a command.
type Result struct {
	Exited *frame.Exited
	// Passed is set if a signal was passed on.
	Passed bool
	// Err is why there is no command, or no word of its end; a *handshake.RefusedError
	// was not read.
	Err error
}

// plain reports whether there is nothing to say but a code.
func (r *Result) plain() bool {
	return r.Err == nil && (r.Exited.Signal == 0 || r.Passed)
}

// done is what was done here.
var done *Result

// Ran returns how the command of this process ended, if it was run here; nil otherwise.
func Ran() *Result { return done }

// Signals returns a context that ends with a signal that asks for an end. It is one for
// the whole process: what is heard here is not lost for main.
var Signals = sync.OnceValue(func() context.Context {
	ctx, _ := signal.NotifyContext(context.Background(), os.Interrupt, unix.SIGTERM, unix.SIGHUP)
	return ctx
})

func init() {
	if len(os.Args) == 0 {
		return
	}
	c, ok := parse(os.Args[1:])
	if !ok {
		return
	}
	// The main goroutine keeps the main thread while packages are initialized; another
	// one runs on any, which whoever waits for others does sooner.
	over := make(chan *Result)
	go func() { over <- c.run() }()
	if done = <-over; done != nil && done.plain() {
		os.Exit(done.Exited.Code)
	}
}

// run runs the command; nil is returned if nothing was sent.
func (c *call) run() *Result {
	want, ok := c.Want()
	if !ok {
		return nil
	}
	ctx := Signals()
	socket, err := dial(path.Join(c.runDir, frame.SocketName))
	if err != nil {
		return nil
	}
	std := Std()
	ways := attach.Decide(attach.Kinds(std), want, c.Input)
	conn, err := handshake.Ask(ctx, socket, c.session, c.Request(c.args, ways))
	if err != nil {
		return &Result{Err: err}
	}
	r := new(Result)
	r.Exited, r.Err = attach.Run(conn, attach.Options{Std: std, Ways: ways, Heard: func(unix.Signal) { r.Passed = true }, Note: Note})
	return r
}

// Note tells a person what is to be known of the command.
func Note(text string) { fmt.Fprintln(os.Stderr, "coppice: note: "+text) }

// dial connects to a daemon that listens; what needs patience or another path is main's.
func dial(path string) (*os.File, error) {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	if err := unix.Connect(fd, &unix.SockaddrUnix{Name: path}); err != nil {
		unix.Close(fd)
		return nil, err
	}
	return os.NewFile(uintptr(fd), path), nil
}
