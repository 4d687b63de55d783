package socket

import (
	"net"
	"sync"
)

// share is how many connections one user may have open at a time, root aside.
// Commands do not count: they are their keepers'.
const share = 256

// gate accepts connections. Whoever has their share already is shown out at
// once, so that nobody can take all that the daemon has.
type gate struct {
	*net.UnixListener
	// identify tells who is at the other end.
	identify func(*net.UnixConn) (peer, error)
	open     crowd
}

func newGate(l *net.UnixListener, identify func(*net.UnixConn) (peer, error)) *gate {
	return &gate{UnixListener: l, identify: identify}
}

// guest is a connection whose other end is known.
type guest struct {
	*net.UnixConn
	peer  peer
	leave func()
}

// Accept implements net.Listener.
func (g *gate) Accept() (net.Conn, error) {
	for {
		conn, err := g.AcceptUnix()
		if err != nil {
			return nil, err
		}
		p, err := g.identify(conn)
		if err != nil || !g.open.enter(p.uid, share) {
			conn.Close()
			continue
		}
		return &guest{conn, p, sync.OnceFunc(func() { g.open.left(p.uid) })}, nil
	}
}

// Close implements net.Conn.
func (c *guest) Close() error {
	c.leave()
	return c.UnixConn.Close()
}
