// Package attach joins the caller's standard files, terminal and signals with a
// command that runs inside a session, for as long as it runs.
//
// Files and pipes are handed on as they are; but for the journal's streams, which are
// written here, in the caller's name. For a terminal, the command has one
// of the session's own; its other end comes here, and what is typed and shown is
// copied between it and the caller's, which is in raw mode meanwhile: Ctrl-C and
// Ctrl-Z are read by the terminal inside. However this ends, the caller's terminal
// is as before.
package attach

import (
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"coppice.dev/controller/socket/wire/frame"
)

// ErrLost says that the connection ended without a word of how the command did.
var ErrLost = errors.New("the connection to the command was lost")

// ErrHangup says that the caller's terminal is gone, or whoever read the output;
// the command is told by a hangup, as by a terminal.
var ErrHangup = errors.New("the terminal is gone")

// FailedError says why there is no command.
type FailedError struct{ Failed frame.Failed }

// Error implements error.
func (e *FailedError) Error() string { return e.Failed.Message }

// Options say what is joined.
type Options struct {
	// Std are the caller's standard input, output and error.
	Std  [3]*os.File
	Ways Ways
	// Heard is told of each signal that is passed on, if it is set.
	Heard func(unix.Signal)
	// Note is told what the person at the terminal is to know, if it is set.
	Note func(string)
	// Started is told that the command runs, if it is set.
	Started func(frame.Started)
}

// attachment is a caller joined with a command.
type attachment struct {
	Options
	conn    *frame.Conn
	display *display // the caller's terminal; nil if the command has none
	flows   []flow
	hangup  chan struct{} // there is nobody to type, or to read
	began   bool
}

// received is a frame with what rides on it.
type received struct {
	frame frame.Frame
	files []*os.File
	err   error
}

// Run joins until the command ends, closes the connection, and says how it
// ended. The errors are *FailedError, ErrLost, ErrHangup and those of the files.
func Run(conn *frame.Conn, o Options) (*frame.Exited, error) {
	a := &attachment{Options: o, conn: conn, hangup: make(chan struct{}, len(o.Std)+1)}
	signals, forget := listen()
	defer forget()
	defer a.close()
	if err := a.hand(); err != nil {
		return nil, err
	}
	frames := make(chan received)
	done := make(chan struct{})
	defer close(done)
	go a.guarded(func() { receive(conn, frames, done) })
	for {
		select {
		case s := <-signals:
			a.hear(s)
		case <-a.hangup:
			return nil, ErrHangup
		case r := <-frames:
			exited, err := a.take(r)
			if exited != nil || err != nil {
				return exited, err
			}
		}
	}
}

// receive passes on what comes, to the last of it.
func receive(conn *frame.Conn, frames chan<- received, done <-chan struct{}) {
	for {
		frame, files, err := conn.Receive()
		select {
		case frames <- received{frame, files, err}:
		case <-done:
			for _, file := range files {
				file.Close()
			}
			return
		}
		if err != nil {
			return
		}
	}
}

// take does what a frame says.
func (a *attachment) take(r received) (*frame.Exited, error) {
	switch f := r.frame; {
	case errors.Is(r.err, io.EOF), errors.Is(r.err, io.ErrUnexpectedEOF), errors.Is(r.err, unix.ECONNRESET):
		return nil, ErrLost
	case r.err != nil:
		return nil, r.err
	case f.Failed != nil:
		return nil, &FailedError{*f.Failed}
	case f.Exited != nil:
		for _, f := range a.flows {
			if a.began {
				f.finish()
			}
		}
		return f.Exited, nil
	case f.Started != nil && !a.began:
		a.began = true
		if f.Started.Note != "" && a.Note != nil {
			a.Note(f.Started.Note)
		}
		if a.Started != nil {
			a.Started(*f.Started)
		}
		return nil, a.begin(r.files)
	}
	for _, file := range r.files {
		file.Close()
	}
	return nil, nil //nolint:nilnil // it goes on; later daemons may say more
}

// untilHangup is how long the terminal of a command that has ended is read for
// its end: the kernel hangs it up at once, unless it was given to another.
const untilHangup = 500 * time.Millisecond

// begin lets the terminal and the pipes flow.
func (a *attachment) begin(files []*os.File) error {
	if len(a.Ways.Numbers(Terminal)) > 0 {
		if len(files) != 1 {
			return fmt.Errorf("the command has no terminal: %d files came with the word that it runs", len(files))
		}
		master, err := pollable(files[0])
		if err != nil {
			return fmt.Errorf("take the terminal: %w", err)
		}
		a.display = &display{std: a.Std, master: master}
		a.display.fit()
		if err := a.display.raw(); err != nil {
			return fmt.Errorf("switch the terminal to raw mode: %w", err)
		}
		typed, err := typing(a.Std[0], master)
		if err != nil {
			return err
		}
		typed.terminal = true
		a.flows = append(a.flows, showing(master, a.Std[1], untilHangup), typed)
	}
	for _, f := range a.flows {
		go a.guarded(func() { f.run(a.hangup) })
	}
	return nil
}

// guarded runs f; a panic in it leaves the caller's terminal as it was.
func (a *attachment) guarded(f func()) {
	defer func() {
		if p := recover(); p != nil {
			a.display.restore()
			panic(p)
		}
	}()
	f()
}

// close lets go of everything. A command that still runs finds its terminal and
// the connection hung up.
func (a *attachment) close() {
	for _, f := range a.flows {
		f.stop()
	}
	a.display.close()
	a.conn.Close()
}
