package monitor

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"golang.org/x/net/netutil"
)

// Server answers those who look.
type Server struct {
	// Metrics are what there is to count, and Own takes those of this server.
	Metrics prometheus.Gatherer
	Own     prometheus.Registerer
	// Alive says why the daemon does not get on with its work; nil if it does.
	Alive func(context.Context) error
	// Unready says what keeps the daemon from knowing all there is, one line each.
	Unready func() []string
	// Page is what people see; nil for nothing.
	Page http.Handler
	Log  logr.Logger

	handler http.Handler
}

// How much those who look may take.
const (
	crowd    = 64               // connections at a time
	scrapes  = 4                // looks at the metrics at a time
	scraping = 10 * time.Second // for one of them
	headTime = 5 * time.Second  // to send a request
	readTime = 30 * time.Second // to take an answer; those who look on have theirs for each word
	idleTime = 2 * time.Minute  // between two requests; Prometheus asks each minute by default
	maxHead  = 16 << 10         // bytes
)

// Open prepares the server. It is to be called once, before Serve.
func (s *Server) Open() {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(s.Metrics, promhttp.HandlerOpts{
		Registry: s.Own, ErrorLog: complaints{s.Log}, ErrorHandling: promhttp.ContinueOnError,
		MaxRequestsInFlight: scrapes, Timeout: scraping,
	}))
	mux.HandleFunc("GET /healthz", s.healthz)
	mux.HandleFunc("GET /readyz", s.readyz)
	if s.Page != nil {
		mux.Handle("GET /", s.Page)
	}
	s.handler = mux
}

// Serve answers until the context ends. local says that nobody on another machine can
// reach the listener over a network.
func (s *Server) Serve(ctx context.Context, l net.Listener, local bool) error {
	handler := s.handler
	if _, unix := l.Addr().(*net.UnixAddr); local && !unix {
		handler = onlyMeant(handler)
	}
	server := &http.Server{
		Handler: guarded(handler), ReadHeaderTimeout: headTime, ReadTimeout: headTime, WriteTimeout: readTime, IdleTimeout: idleTime, MaxHeaderBytes: maxHead,
		BaseContext: func(net.Listener) context.Context { return ctx },
	}
	stop := context.AfterFunc(ctx, func() { server.Close() })
	defer stop()
	err := server.Serve(netutil.LimitListener(l, crowd))
	if ctx.Err() != nil || errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return fmt.Errorf("serve metrics: %w", err)
}

// guarded puts on every answer what keeps a browser from doing more with it than to
// show it, and lets nobody send anything.
func guarded(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cache-Control", "no-store")
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			h.Set("Allow", "GET, HEAD")
			http.Error(w, "everything here can only be looked at", http.StatusMethodNotAllowed)
			return
		}
		r.Body = http.NoBody
		next.ServeHTTP(w, r)
	})
}

func onlyMeant(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !meant(r.Host) {
			http.Error(w, errElsewhere.Error(), http.StatusMisdirectedRequest)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// healthz tells whether the daemon gets on with its work. One that does not is to be
// started anew, which touches no session.
func (s *Server) healthz(w http.ResponseWriter, r *http.Request) {
	if err := s.Alive(r.Context()); err != nil {
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
		return
	}
	fmt.Fprintln(w, "ok")
}

// readyz tells whether the daemon knows all there is and what is wanted.
func (s *Server) readyz(w http.ResponseWriter, _ *http.Request) {
	if lines := s.Unready(); len(lines) > 0 {
		http.Error(w, strings.Join(lines, "\n"), http.StatusServiceUnavailable)
		return
	}
	fmt.Fprintln(w, "ok")
}

// complaints passes on what is wrong with a metric.
type complaints struct{ log logr.Logger }

// Println implements promhttp.Logger.
func (c complaints) Println(words ...any) {
	c.log.Info("Metrics could not be told whole", "why", strings.TrimSpace(fmt.Sprintln(words...)))
}
