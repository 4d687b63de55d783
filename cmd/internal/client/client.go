// Package client asks the daemon things over its socket (package wire): it lists,
// begins and ends sessions, and has commands run inside of them. It prints
// nothing and knows no terminal; what a command's frames mean for the caller's
// own files is for package attach.
//
// A refusal comes back as *wire.Error, whose message is for people. Where no
// daemon answers, the error is ErrAbsent.
package client

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"coppice.dev/cmd/internal/handshake"
	"coppice.dev/cmd/internal/presence"
	"coppice.dev/controller/socket/wire"
)

// ErrAbsent says that nobody listens on the socket.
var ErrAbsent = errors.New("no daemon answers")

// Client talks to the daemon of one run-time folder. It keeps no connection
// between two calls.
type Client struct{ runDir string }

// New returns a client for the daemon of a run-time folder.
func New(runDir string) *Client { return &Client{runDir} }

// Socket returns the path of the daemon's socket.
func (c *Client) Socket() string { return filepath.Join(c.runDir, wire.SocketName) }

// longest is the most bytes that the path of a socket may have (unix(7)).
const longest = 107

// dial connects. The path of a run-time folder may be longer than the kernel
// takes for a socket; it is then reached through the folder, held open.
func (c *Client) dial(ctx context.Context) (*net.UnixConn, error) {
	path := c.Socket()
	if len(path) > longest {
		folder, err := os.OpenFile(c.runDir, os.O_RDONLY|unix.O_PATH|unix.O_DIRECTORY, 0)
		if err != nil {
			return nil, c.unreached(err)
		}
		defer folder.Close()
		path = filepath.Join("/proc/self/fd", strconv.Itoa(int(folder.Fd())), wire.SocketName)
	}
	var d net.Dialer
	for deadline := time.Now().Add(starting); ; {
		conn, err := d.DialContext(ctx, "unix", path)
		if err == nil {
			return conn.(*net.UnixConn), nil
		}
		if err = c.unreached(err); !errors.Is(err, ErrAbsent) || !c.starts() || time.Now().After(deadline) {
			return nil, err
		}
		select {
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-time.After(pause):
		}
	}
}

// starting is how long a daemon is waited for that is there and does not listen
// yet: one that was just restarted. pause is the time between two tries.
const (
	starting = 5 * time.Second
	pause    = 20 * time.Millisecond
)

// starts reports whether there is a daemon.
func (c *Client) starts() bool {
	_, running, err := presence.Look(c.runDir)
	return err == nil && running
}

// unreached says why the socket could not be reached.
func (c *Client) unreached(err error) error {
	switch {
	case errors.Is(err, unix.ENOENT), errors.Is(err, unix.ENOTDIR), errors.Is(err, unix.ECONNREFUSED):
		return fmt.Errorf("connect to %s: %w", c.Socket(), ErrAbsent)
	case errors.Is(err, unix.EACCES):
		return fmt.Errorf("you may not use the socket %s; whoever runs coppiced gives its group the right to", c.Socket())
	}
	return fmt.Errorf("connect to %s: %w", c.Socket(), err)
}

// encode returns a request's body.
func encode(value any) ([]byte, error) {
	if value == nil {
		return nil, nil
	}
	if _, is := value.(wire.Plan); is {
		return handshake.Body(value, wire.MaxPlan, "ask about fewer manifests at a time")
	}
	return handshake.Body(value, wire.MaxBody, handshake.TooLong)
}
