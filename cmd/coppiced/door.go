package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/fsnotify/fsnotify"
	"github.com/go-logr/logr"

	"coppice.dev/controller"
	"coppice.dev/controller/socket"
	"coppice.dev/controller/socket/wire"
	"coppice.dev/reconcile/fault"
)

const (
	// reopening is the pause before the socket is opened again.
	reopening = time.Second
	// glancing is how often it is looked whether the socket is still there, and
	// glancingToo where the kernel tells of that: nobody is woken up for nothing.
	glancing    = 2 * time.Second
	glancingToo = 5 * time.Minute
)

// door is the socket for as long as the daemon lives. What keeps it from being
// opened keeps no session from being tended, so it is told and tried again; and a
// socket that somebody has taken away is made anew.
type door struct {
	options *options
	log     logr.Logger
	// trouble shows people what is wrong with the socket, or by nil that nothing is.
	trouble func(path, reason string, err error)
	// given says that systemd has opened it, who looks after it.
	given bool
	told  bool
}

// open opens the socket once; nil if that fails.
func (d *door) open() *net.UnixListener {
	l, err := d.options.listen()
	if err != nil {
		d.tell(fault.Known(err))
		return nil
	}
	d.tell(nil)
	return l
}

// tell says what is wrong, and when it is over.
func (d *door) tell(err error) {
	switch {
	case err != nil && !d.told:
		d.log.Error(err, "Nobody can be let in by the socket; sessions are kept all the same, and it is tried again")
	case err == nil && d.told:
		d.log.Info("The socket is open again")
	}
	if err != nil || d.told {
		d.trouble(d.path(), controller.ReasonSocket, err)
	}
	d.told = err != nil
}

func (d *door) path() string { return filepath.Join(d.options.runDir, wire.SocketName) }

// keep serves the socket, which may be open already, until the context ends.
func (d *door) keep(ctx context.Context, s *socket.Server, l *net.UnixListener) {
	for ctx.Err() == nil {
		if l == nil {
			l = d.open()
		}
		if l != nil {
			if err := d.serve(ctx, s, l); err != nil {
				d.tell(fault.Known(err))
			}
			l = nil
		}
		select {
		case <-ctx.Done():
		case <-time.After(reopening):
		}
	}
}

// errTaken is how serving ends when the socket is no longer where it was.
var errTaken = errors.New("somebody has taken the socket away; it is made anew")

// serve serves a socket as long as people can find it.
func (d *door) serve(ctx context.Context, s *socket.Server, l *net.UnixListener) error {
	defer l.Close()
	ctx, leave := context.WithCancelCause(ctx)
	defer leave(nil)
	if !d.given {
		go d.glance(ctx, leave)
	}
	err := s.Serve(ctx, l)
	if cause := context.Cause(ctx); errors.Is(cause, errTaken) {
		return cause
	}
	return err
}

// glance leaves when the socket is no longer where it was made. The kernel tells what
// happens in its folder. Of what is mounted over that it does not, so there is a look
// now and then, and often where nothing is told.
func (d *door) glance(ctx context.Context, leave context.CancelCauseFunc) {
	every, events, lost := glancing, make(chan fsnotify.Event), make(chan error)
	if watcher, err := fsnotify.NewWatcher(); err == nil {
		defer watcher.Close()
		if watcher.Add(d.options.runDir) == nil {
			every, events, lost = glancingToo, watcher.Events, watcher.Errors
		}
	}
	was, err := os.Lstat(d.path())
	if err != nil {
		leave(fmt.Errorf("%w (%w)", errTaken, err))
		return
	}
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		case <-events:
		case <-lost: //nolint:errcheck // something was not told, so there is a look
		}
		if now, err := os.Lstat(d.path()); err != nil || !os.SameFile(was, now) {
			leave(errTaken)
			return
		}
	}
}
