package attach

import (
	"os"
	"os/signal"

	"golang.org/x/sys/unix"

	"coppice.dev/controller/socket/wire/frame"
)

// passed are the signals that the command hears of.
var passed = []os.Signal{unix.SIGTERM, unix.SIGHUP, unix.SIGINT, unix.SIGQUIT, unix.SIGUSR1, unix.SIGUSR2}

// listen returns the signals that are heard. Those that the caller was told to
// ignore, as by nohup(1), stay ignored.
func listen() (<-chan os.Signal, func()) {
	var heard []os.Signal
	for _, s := range append([]os.Signal{unix.SIGTSTP}, passed...) {
		if !signal.Ignored(s) {
			heard = append(heard, s)
		}
	}
	// A broken pipe is an error to be dealt with, not the end: see flow.
	heard = append(heard, unix.SIGCONT, unix.SIGWINCH, unix.SIGPIPE)
	signals := make(chan os.Signal, 16)
	signal.Notify(signals, heard...)
	return signals, func() { signal.Stop(signals) }
}

// hear does what a signal asks for.
func (a *attachment) hear(s os.Signal) {
	number, is := s.(unix.Signal)
	if !is {
		return
	}
	switch number {
	case unix.SIGPIPE:
	case unix.SIGWINCH:
		a.display.fit()
	case unix.SIGTSTP:
		// With a terminal, Ctrl-Z stops what runs inside; this signal was sent by
		// somebody and stops the client alone. Without one they stop together:
		// by SIGSTOP, since nobody inside has job control over the command.
		if a.display == nil {
			a.send(unix.SIGSTOP)
		}
		a.display.restore()
		_ = unix.Kill(os.Getpid(), unix.SIGSTOP)
	case unix.SIGCONT:
		if a.display == nil {
			a.send(unix.SIGCONT)
			return
		}
		_ = a.display.raw() // it worked before
		a.display.fit()
	default:
		a.send(number)
		if a.Heard != nil {
			a.Heard(number)
		}
	}
}

// send passes a signal on. If it cannot be, the connection is gone, which is
// found out by receiving.
func (a *attachment) send(s unix.Signal) {
	_ = a.conn.Send(frame.Frame{Signal: &frame.Signal{Number: int(s)}})
}
