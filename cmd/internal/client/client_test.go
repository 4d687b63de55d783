package client

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"coppice.dev/controller/socket/wire"
	"coppice.dev/status"
)

// standIn answers on the socket of a run-time folder.
func standIn(t *testing.T, runDir string, answer http.HandlerFunc) *Client {
	t.Helper()
	// The listener too has to get round the length that a path may have.
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	t.Chdir(runDir)
	l, err := net.Listen("unix", wire.SocketName)
	if err != nil {
		t.Fatal(err)
	}
	t.Chdir(here)
	l.(*net.UnixListener).SetUnlinkOnClose(false)
	server := &http.Server{Handler: answer, ReadHeaderTimeout: time.Minute}
	go func() { _ = server.Serve(l) }() // it ends with Close
	t.Cleanup(func() { server.Close() })
	return New(runDir)
}

func TestObjects(t *testing.T) {
	far := filepath.Join(t.TempDir(), strings.Repeat("far", 30), strings.Repeat("away", 20))
	if err := os.MkdirAll(far, 0o755); err != nil {
		t.Fatal(err)
	}
	for name, runDir := range map[string]string{"near": t.TempDir(), "a path longer than sockets may have": far} {
		t.Run(name, func(t *testing.T) {
			var asked []string
			c := standIn(t, runDir, func(w http.ResponseWriter, r *http.Request) {
				body, _ := io.ReadAll(r.Body)
				asked = append(asked, r.Method+" "+r.URL.EscapedPath()+" "+string(body))
				switch {
				case r.URL.Path == "/v1alpha1/sessions" && r.Method == http.MethodGet:
					_ = json.NewEncoder(w).Encode(wire.List{Items: []status.File{{Metadata: status.Metadata{Name: "a"}}}})
				case r.Method == http.MethodDelete:
					w.WriteHeader(http.StatusNoContent)
				default:
					_ = json.NewEncoder(w).Encode(status.File{Metadata: status.Metadata{Name: "b"}})
				}
			})
			ctx := t.Context()
			if list, err := c.List(ctx, "sessions"); err != nil || len(list) != 1 || list[0].Metadata.Name != "a" {
				t.Errorf("list: %v, %v", list, err)
			}
			if file, err := c.Get(ctx, "sessions", "../b c"); err != nil || file.Metadata.Name != "b" {
				t.Errorf("get: %v, %v", file, err)
			}
			if file, err := c.Begin(ctx, wire.Begin{Chroot: "x"}); err != nil || file.Metadata.Name != "b" {
				t.Errorf("begin: %v, %v", file, err)
			}
			if err := c.End(ctx, "b"); err != nil {
				t.Errorf("end: %v", err)
			}
			want := []string{"GET /v1alpha1/sessions ", "GET /v1alpha1/sessions/..%2Fb%20c ", `POST /v1alpha1/sessions {"chroot":"x"}`, "DELETE /v1alpha1/sessions/b "}
			if strings.Join(asked, "\n") != strings.Join(want, "\n") {
				t.Errorf("asked %q, want %q", asked, want)
			}
		})
	}
}

func TestRefusals(t *testing.T) {
	c := standIn(t, t.TempDir(), func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusForbidden)
		if strings.Contains(r.URL.Path, "plain") {
			_, _ = io.WriteString(w, "no\x1b[2J")
			return
		}
		_ = json.NewEncoder(w).Encode(wire.Error{Reason: "Forbidden", Message: "ask root"})
	})
	_, err := c.Get(t.Context(), "sessions", "a")
	if refusal, is := errors.AsType[*wire.Error](err); !is || refusal.Reason != "Forbidden" || refusal.Message != "ask root" {
		t.Errorf("get: %v", err)
	}
	if _, err := c.Exec(t.Context(), "a", wire.Exec{}); err == nil || err.Error() != "ask root" {
		t.Errorf("exec: %v", err)
	}
	if err := c.End(t.Context(), "plain"); err == nil || strings.Contains(err.Error(), "\x1b") || !strings.Contains(err.Error(), "403") {
		t.Errorf("what is no refusal of ours: %v", err)
	}
	if _, err := c.Exec(t.Context(), "a", wire.Exec{Args: []string{strings.Repeat("x", wire.MaxBody)}}); err == nil || !strings.Contains(err.Error(), "too long") {
		t.Errorf("a request that is too long: %v", err)
	}
}

func TestPlansMayBeLong(t *testing.T) {
	var had int
	c := standIn(t, t.TempDir(), func(w http.ResponseWriter, r *http.Request) {
		var asked wire.Plan
		if err := json.NewDecoder(r.Body).Decode(&asked); err != nil {
			t.Error(err)
		}
		had = len(asked.Manifests)
		_ = json.NewEncoder(w).Encode(wire.Forecasts{Items: []wire.Forecast{{Session: "a"}}})
	})
	manifest := strings.Repeat("x", wire.MaxBody/2)
	list, err := c.Plan(t.Context(), wire.Plan{Manifests: []string{manifest, manifest, manifest}})
	if err != nil || len(list) != 1 || had != 3 {
		t.Errorf("plan of 3 manifests: %v, %v; the daemon had %d", list, err, had)
	}
	many := make([]string, 2*wire.MaxPlan/wire.MaxBody)
	for i := range many {
		many[i] = manifest
	}
	if _, err := c.Plan(t.Context(), wire.Plan{Manifests: many}); err == nil || !strings.Contains(err.Error(), "fewer manifests") {
		t.Errorf("a plan that is too long: %v", err)
	}
}

func TestNobodyAnswers(t *testing.T) {
	dir := t.TempDir()
	if _, err := New(dir).List(t.Context(), "sessions"); !errors.Is(err, ErrAbsent) {
		t.Errorf("no socket: %v", err)
	}
	l, err := net.Listen("unix", filepath.Join(dir, wire.SocketName))
	if err != nil {
		t.Fatal(err)
	}
	l.(*net.UnixListener).SetUnlinkOnClose(false)
	l.Close()
	if _, err := New(dir).Exec(t.Context(), "a", wire.Exec{}); !errors.Is(err, ErrAbsent) {
		t.Errorf("a socket that nobody listens on: %v", err)
	}
	if _, err := New(filepath.Join(dir, strings.Repeat("long", 60))).List(t.Context(), "sessions"); !errors.Is(err, ErrAbsent) {
		t.Errorf("no folder: %v", err)
	}
}

func TestWatch(t *testing.T) {
	c := standIn(t, t.TempDir(), func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("watch") != "true" {
			t.Errorf("asked for %s", r.URL)
		}
		_, _ = io.WriteString(w, `{"kind":"Session","name":"a","object":{"metadata":{"name":"a"},"status":{"phase":"Ready","leases":null}}}`+"\n")
		_, _ = io.WriteString(w, `{"kind":"Session","name":"a"}`+"\n")
	})
	var said []string
	for change, err := range c.Watch(t.Context(), "sessions") {
		switch {
		case errors.Is(err, io.EOF):
			said = append(said, "end")
		case err != nil:
			t.Fatal(err)
		case change.Object == nil:
			said = append(said, change.Name+" gone")
		default:
			said = append(said, change.Name+" "+string(change.Object.Status.Phase))
		}
	}
	if got := strings.Join(said, ", "); got != "a Ready, a gone, end" {
		t.Errorf("watched: %s", got)
	}
}

// upgraded answers a request for a command, with what comes after the head.
func upgraded(t *testing.T, head string, then func(*net.UnixConn)) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		conn, _, err := w.(http.Hijacker).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		_, _ = io.WriteString(conn, head)
		then(conn.(*net.UnixConn))
	}
}

const switching = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: " + wire.Upgrade + "\r\n\r\n"

func TestNothingIsReadAhead(t *testing.T) {
	c := standIn(t, t.TempDir(), upgraded(t, switching, func(conn *net.UnixConn) {
		null, err := os.Open(os.DevNull)
		if err != nil {
			t.Error(err)
			return
		}
		defer null.Close()
		if err := wire.NewConn(conn).Send(wire.Frame{Started: &wire.Started{PID: 7}}, null); err != nil {
			t.Error(err)
		}
		_, _ = io.Copy(io.Discard, conn) // until the client goes
	}))
	conn, err := c.Exec(t.Context(), "a", wire.Exec{})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	frame, files, err := conn.Receive()
	if err != nil || frame.Started == nil || len(files) != 1 {
		t.Fatalf("received %+v with %d files, %v", frame, len(files), err)
	}
	var st unix.Stat_t
	if err := unix.Fstat(int(files[0].Fd()), &st); err != nil || st.Rdev != unix.Mkdev(1, 3) {
		t.Errorf("another file than was sent: %v, %v", st.Rdev, err)
	}
	files[0].Close()
}

func TestWrongAnswers(t *testing.T) {
	for name, head := range map[string]string{
		"nothing":          "",
		"half a head":      "HTTP/1.1 101 Switching",
		"no HTTP":          "hello\r\n\r\n",
		"another protocol": "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: other\r\n\r\n",
		"no end":           "HTTP/1.1 200 OK\r\nX: " + strings.Repeat("x", 64<<10) + "\r\n\r\n",
	} {
		c := standIn(t, t.TempDir(), upgraded(t, head, func(*net.UnixConn) {}))
		if conn, err := c.Exec(t.Context(), "a", wire.Exec{}); err == nil {
			conn.Close()
			t.Errorf("%s: it was taken for an answer", name)
		}
	}
}

func TestNobodyHasToWait(t *testing.T) {
	asked := make(chan struct{})
	c := standIn(t, t.TempDir(), upgraded(t, "", func(conn *net.UnixConn) {
		close(asked)
		_, _ = io.Copy(io.Discard, conn)
	}))
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-asked
		cancel()
	}()
	if _, err := c.Exec(ctx, "a", wire.Exec{}); !errors.Is(err, context.Canceled) {
		t.Errorf("exec: %v", err)
	}
}
