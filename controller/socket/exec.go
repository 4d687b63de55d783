package socket

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"coppice.dev/controller/access"
	"coppice.dev/controller/socket/wire"
	"coppice.dev/spec"
	"coppice.dev/status"
)

// exec lets somebody into a session with a command, and hands the connection on
// to a keeper.
func (s *Server) exec(w http.ResponseWriter, r *http.Request) error {
	if !strings.EqualFold(r.Header.Get("Upgrade"), wire.Upgrade) {
		return fail(http.StatusUpgradeRequired, "Invalid", "a command needs an upgrade of the connection to %s", wire.Upgrade)
	}
	var e wire.Exec
	if err := decode(r, &e); err != nil {
		return err
	}
	name := r.PathValue("name")
	if err := s.named(r, spec.KindSession); err != nil {
		return err
	}
	who, account, err := s.caller(r.Context())
	if err != nil {
		return err
	}
	room, err := s.Host.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return s.notReady(name, "it is not there yet, or not any more")
	}
	if err != nil {
		return err
	}
	defer room.Namespace.Close()
	as, err := s.target(r.Context(), e, room.Admitted, account)
	if err != nil {
		return err
	}
	if err := s.decide(r.Context(), access.Request{
		Who: who, What: access.Enter, Session: name, As: access.Person{UID: as.UID, Name: as.Name},
		Chroot: room.Admitted.ChrootName, Source: room.Admitted.Session.OpenSource, Lists: room.Admitted.Chroot.Access, Owner: room.Admitted.Owner,
	}); err != nil {
		return err
	}
	if err := s.ready(name); err != nil {
		return err
	}
	order, err := orderOf(e, room.Admitted, as)
	if err != nil {
		return fail(http.StatusBadRequest, "Invalid", "%v", err)
	}
	if !s.commands.enter(who.UID, mostCommands) {
		return fail(http.StatusTooManyRequests, "TooMany", "%s has %d commands running in sessions, which is the most that one user may have; wait for one to end", who, mostCommands)
	}
	left := func() { s.commands.left(who.UID) }
	defer func() { left() }()
	lease, err := s.Host.Take(name, Taker{UID: who.UID, User: who.Name, Command: called(e, order.Args), PID: pidOf(r)})
	if err != nil {
		return s.notReady(name, err.Error())
	}
	order.Session, order.Lease = name, lease.ID
	order.Group, order.Record, order.Tasks, order.Failure = lease.Group, lease.Record, lease.Tasks, lease.Failure
	// It may have begun to end before the lease was there to be seen.
	if err := s.ready(name); err != nil {
		return errors.Join(err, s.Host.Release(name, lease))
	}
	conn, err := hijack(w)
	if err != nil {
		return errors.Join(err, s.Host.Release(name, lease))
	}
	defer conn.Close()
	process, err := s.hand(conn, func(theirs *os.File) (*os.Process, error) { return s.Keep(theirs, room.Namespace, order) })
	if err != nil {
		err = errors.Join(err, s.Host.Release(name, lease))
		s.Log.Error(err, "A command could not be started", "session", name)
		_ = wire.NewConn(conn).Send(wire.Frame{Failed: &wire.Failed{Error: wire.Error{Reason: "Internal", Message: err.Error()}}}) // they may be gone
		return nil
	}
	if err := s.Host.Started(name, lease, process.Pid); err != nil {
		s.Log.Error(err, "A command's keeper could not be noted", "session", name)
	}
	leave := left
	left = func() {} // when it has ended
	go func() {
		defer leave()
		_, _ = process.Wait() // it says itself how it went
		// Mostly it has done this itself; one that was killed has not.
		if err := s.Host.Release(name, lease); err != nil {
			s.Log.Error(err, "A lease whose keeper has ended could not be given back", "session", name)
		}
	}()
	return nil
}

// pidOf returns the process that asks; 0 if it cannot be seen.
func pidOf(r *http.Request) int {
	p, _ := peerOf(r.Context())
	return p.pid
}

// called is what a command is called among those inside.
func called(e wire.Exec, args []string) string {
	const most = 200
	name := e.Name
	switch {
	case name != "":
	case len(e.Args) == 0:
		name = "a shell"
	default:
		name = strings.Join(args, " ")
	}
	return strings.ToValidUTF8(name[:min(len(name), most)], "?")
}

// ready fails unless commands may be run in a session.
func (s *Server) ready(name string) error {
	file, err := status.Read(s.Status, spec.KindSession, name)
	if errors.Is(err, fs.ErrNotExist) {
		return s.notReady(name, "nothing is known of it")
	}
	if err != nil {
		return err
	}
	c := file.Status.Condition(status.ConditionReady)
	switch {
	case file.Status.Phase == status.Terminating:
		return s.notReady(name, "it is being taken down")
	case c == nil:
		return s.notReady(name, "it is new")
	case c.Status != metav1.ConditionTrue:
		return s.notReady(name, c.Message)
	}
	return nil
}

func (s *Server) notReady(name, why string) error {
	if _, there := s.Host.Owner(name); !there {
		if _, err := status.Read(s.Status, spec.KindSession, name); errors.Is(err, fs.ErrNotExist) {
			return fail(http.StatusNotFound, "NotFound", "there is no session %q", name)
		}
	}
	return fail(http.StatusConflict, "NotReady", "session %s is not ready: %s; wait for it with coppice wait session/%s", name, why, name)
}

// target returns who a command is to run as.
func (s *Server) target(ctx context.Context, e wire.Exec, admitted spec.Admitted, caller Account) (Account, error) {
	name := e.User
	if name == "" {
		name = admitted.Session.User
	}
	switch name {
	case "", caller.Name:
		if caller.Home == "" {
			caller.Home = "/"
		}
		return caller, nil
	}
	account, err := s.People.ByName(ctx, name)
	if errors.Is(err, ErrNobody) {
		return Account{}, fail(http.StatusNotFound, "NotFound", "the host knows no user %q", name)
	}
	return account, err
}

// hijack takes the connection from the HTTP server.
func hijack(w http.ResponseWriter) (*net.UnixConn, error) {
	taken, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return nil, fmt.Errorf("take the connection over: %w", err)
	}
	g, is := taken.(*guest)
	if !is || buffered.Reader.Buffered() > 0 {
		// What was sent too soon may have had files riding on it, which are lost.
		taken.Close()
		return nil, errors.New("take the connection over: something was sent before it was upgraded")
	}
	g.leave()
	_ = g.SetDeadline(time.Time{}) // an open connection takes any
	return g.UnixConn, nil
}

// hand answers the client and gives a copy of the connection away.
func (s *Server) hand(conn *net.UnixConn, start func(*os.File) (*os.Process, error)) (*os.Process, error) {
	_ = conn.SetWriteDeadline(time.Now().Add(writeTime)) // an open connection takes any
	const head = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: " + wire.Upgrade + "\r\n\r\n"
	if _, err := conn.Write([]byte(head)); err != nil {
		return nil, fmt.Errorf("answer: %w", err)
	}
	_ = conn.SetWriteDeadline(time.Time{})
	theirs, err := conn.File()
	if err != nil {
		return nil, fmt.Errorf("copy the connection: %w", err)
	}
	defer theirs.Close()
	return start(theirs)
}
