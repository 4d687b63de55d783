package socket

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/go-logr/logr"

	"coppice.dev/controller/socket/keeper"
	"coppice.dev/controller/socket/wire"
	"coppice.dev/spec"
)

// Room is a session as somebody who is let in needs it.
type Room struct {
	// Admitted is what the session was admitted with.
	Admitted spec.Admitted
	// Namespace is its mount namespace. Whoever opened the room closes it.
	Namespace *os.File
}

// Taker is who takes a lease, and what for.
type Taker struct {
	UID     int
	User    string
	Command string
	// PID is the process that asks; 0 if this process cannot see it.
	PID int
}

// Lease is a place for one command in a session.
type Lease struct {
	ID string
	// Group, Record and Tasks are the keeper's (keeper.Order).
	Group, Record string
	Tasks         []string
	// Failure is where a failure of the command is noted; "" for nowhere.
	Failure string
}

// Host is what the server has to know of the machine and to leave on it.
type Host interface {
	// Open opens a session's room; fs.ErrNotExist if there is none.
	Open(session string) (Room, error)
	// Take takes a lease, Started notes its keeper, Release gives it back: unused,
	// or when its keeper has ended.
	Take(session string, t Taker) (Lease, error)
	Started(session string, l Lease, keeper int) error
	Release(session string, l Lease) error
	// Chroot returns a chroot by its name or an alias.
	Chroot(name string) (*spec.Chroot, bool)
	// Chroots returns all chroots, by name.
	Chroots() []*spec.Chroot
	// Known returns what asks for a session, and what it was admitted with; nil
	// for nothing, or not yet.
	Known(session string) (*spec.Session, *spec.Admitted)
	// Owner returns who began a session; ok is false if there is none.
	Owner(session string) (uid *int, ok bool)
	// Ask writes a new session's manifest; fs.ErrExist if there is one already.
	Ask(s *spec.Session) error
	// Identify returns the identity of a process, for spec.ClientAnnotation;
	// fs.ErrNotExist if it has ended.
	Identify(pid int) (string, error)
	// Save raises spec.save in the manifest of a session that somebody began, and
	// returns to what; fs.ErrNotExist if there is none.
	Save(session string) (int, error)
	// Reconcile has a session looked at right away, and its drift repaired; false if there
	// is none.
	Reconcile(session string) bool
	// Suspend has a session left as it is, and Resume takes that back.
	Suspend(session, why string) error
	Resume(session string) error
	// Foresee tells what would be done if the manifests were others; about all sessions
	// if nothing is supposed.
	Foresee(ctx context.Context, s Supposition) ([]wire.Forecast, error)
	// Withdraw takes it away. uid is who wants that; false if there is none.
	Withdraw(session string) (bool, error)
}

// Server serves the socket.
type Server struct {
	Host Host
	// Status is the folder of the status files.
	Status string
	// People looks people up.
	People People
	Log    logr.Logger
	// Decided is told of each decision who may do what; nil for nobody.
	Decided func(what string, granted bool)
	// Keep starts a keeper; keeper.Start but in tests.
	Keep func(conn, namespace *os.File, order keeper.Order) (*os.Process, error)

	identify func(*net.UnixConn) (peer, error) // lookAt but in tests
	// commands are those whose keepers run.
	commands crowd
}

// mostCommands is how many commands one user may have running at a time, root
// aside. Those that an earlier daemon started do not count.
const mostCommands = 512

// How much time a client has. An honest one needs a thousandth of it.
const (
	headTime  = 5 * time.Second  // to send a request's head
	bodyTime  = 10 * time.Second // to send its body
	writeTime = 10 * time.Second // to take a piece of an answer
	idleTime  = 30 * time.Second // between two requests
	maxHead   = 16 << 10         // bytes
)

// Serve serves connections until the context ends; those that are open then are
// closed. Commands go on: they are their keepers'.
func (s *Server) Serve(ctx context.Context, listener *net.UnixListener) error {
	if s.Keep == nil {
		s.Keep = keeper.Start
	}
	if s.identify == nil {
		s.identify = lookAt
	}
	if s.Decided == nil {
		s.Decided = func(string, bool) {}
	}
	server := &http.Server{
		Handler: s.handler(), ReadHeaderTimeout: headTime, IdleTimeout: idleTime, MaxHeaderBytes: maxHead,
		ErrorLog:    nil,
		ConnContext: withPeer,
		BaseContext: func(net.Listener) context.Context { return ctx },
	}
	stop := context.AfterFunc(ctx, func() { server.Close() })
	defer stop()
	err := server.Serve(newGate(listener, s.identify))
	if ctx.Err() != nil || errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return fmt.Errorf("serve the socket: %w", err)
}

func (s *Server) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+wire.Version+"/{kind}", s.answering(s.list))
	mux.HandleFunc("GET "+wire.Version+"/{kind}/{name}", s.answering(s.get))
	mux.HandleFunc("GET "+wire.Version+"/specs/chroots", s.answering(s.chroots))
	mux.HandleFunc("GET "+wire.Version+"/specs/chroots/{name}", s.answering(s.chroot))
	mux.HandleFunc("GET "+wire.Version+"/specs/sessions", s.answering(s.sessions))
	mux.HandleFunc("GET "+wire.Version+"/specs/sessions/{name}", s.answering(s.session))
	mux.HandleFunc("POST "+wire.Version+"/sessions", s.answering(s.begin))
	mux.HandleFunc("DELETE "+wire.Version+"/sessions/{name}", s.answering(s.end))
	mux.HandleFunc("POST "+wire.Version+"/sessions/{name}/save", s.answering(s.save))
	mux.HandleFunc("POST "+wire.Version+"/sessions/{name}/reconcile", s.answering(s.reconcile))
	mux.HandleFunc("POST "+wire.Version+"/sessions/{name}/suspend", s.answering(s.suspend))
	mux.HandleFunc("POST "+wire.Version+"/sessions/{name}/resume", s.answering(s.resume))
	mux.HandleFunc("POST "+wire.Version+"/plan", s.answering(s.plan))
	mux.HandleFunc("POST "+wire.Version+"/sessions/{name}/exec", s.answering(s.exec))
	mux.HandleFunc("/", s.answering(func(http.ResponseWriter, *http.Request) error {
		return &failure{http.StatusNotFound, wire.Error{Reason: "NotFound", Message: "there is no such path; this daemon speaks " + wire.Version}}
	}))
	return mux
}

// failure is an answer that is an error.
type failure struct {
	code int
	says wire.Error
}

// Error implements error.
func (f *failure) Error() string { return f.says.Message }

func fail(code int, reason, format string, args ...any) error {
	return &failure{code, wire.Error{Reason: reason, Message: fmt.Sprintf(format, args...)}}
}

// answering turns an error into an answer.
func (s *Server) answering(f func(http.ResponseWriter, *http.Request) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(bodyTime)) // every connection has deadlines
		most := int64(wire.MaxBody)
		if r.URL.Path == wire.Version+"/plan" {
			most = wire.MaxPlan
		}
		r.Body = http.MaxBytesReader(w, r.Body, most)
		err := f(w, r)
		if err == nil {
			return
		}
		known, is := errors.AsType[*failure](err)
		if !is {
			s.Log.Error(err, "A request failed", "method", r.Method, "path", r.URL.Path)
			known = &failure{http.StatusInternalServerError, wire.Error{Reason: "Internal", Message: err.Error()}}
		}
		answer(w, known.code, known.says)
	}
}

// answer writes a value as JSON.
func answer(w http.ResponseWriter, code int, value any) {
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(writeTime))
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(value) // whoever asked may be gone
}

// decode reads a request's body.
func decode(r *http.Request, into any) error {
	d := json.NewDecoder(r.Body)
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		if over, is := errors.AsType[*http.MaxBytesError](err); is {
			return fail(http.StatusRequestEntityTooLarge, "Invalid", "the request is longer than %d bytes", over.Limit)
		}
		return fail(http.StatusBadRequest, "Invalid", "the request cannot be read: %v", err)
	}
	if d.More() {
		return fail(http.StatusBadRequest, "Invalid", "something follows the request")
	}
	return nil
}
