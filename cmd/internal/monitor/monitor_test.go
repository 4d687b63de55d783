package monitor

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestParse(t *testing.T) {
	for _, row := range []struct {
		text   string
		remote bool
		want   string // "" if it is refused
		local  bool
		says   string
	}{
		{"127.0.0.1:9754", false, "127.0.0.1:9754", true, ""},
		{"127.9.9.9:1", false, "127.9.9.9:1", true, ""},
		{"localhost:9754", false, "127.0.0.1:9754", true, ""},
		{"[::1]:9754", false, "[::1]:9754", true, ""},
		{"[::ffff:127.0.0.1]:9754", false, "[::ffff:127.0.0.1]:9754", true, ""},
		{"unix:/run/coppice/../x.sock", false, "unix:/run/x.sock", true, ""},
		{"unix:x.sock", false, "", false, "must begin with /"},
		{"0.0.0.0:9754", false, "", false, "--metrics-allow-remote"},
		{":9754", false, "", false, "--metrics-allow-remote"},
		{"[::]:9754", false, "", false, "--metrics-allow-remote"},
		{"192.0.2.7:9754", false, "", false, "--metrics-allow-remote"},
		{"192.0.2.7:9754", true, "192.0.2.7:9754", false, ""},
		{":9754", true, ":9754", false, ""},
		{"127.0.0.1:9754", true, "127.0.0.1:9754", true, ""},
		{"example.org:9754", true, "", false, "is no address"},
		{"127.0.0.1", false, "", false, "want 127.0.0.1:9754"},
		{"127.0.0.1:http", false, "", false, "is no port"},
		{"127.0.0.1:0", false, "", false, "a different one each time"},
		{"", false, "", false, "want 127.0.0.1:9754"},
	} {
		a, err := Parse(row.text, row.remote)
		switch {
		case row.want == "" && (err == nil || !strings.Contains(err.Error(), row.says)):
			t.Errorf("%q: %v, %v; want an error that says %q", row.text, a, err, row.says)
		case row.want != "" && (err != nil || a.String() != row.want || a.Local != row.local):
			t.Errorf("%q: %v, local %v, %v", row.text, a, a.Local, err)
		}
	}
}

func TestMeant(t *testing.T) {
	for host, want := range map[string]bool{
		"127.0.0.1:9754": true, "localhost": true, "localhost:9754": true, "[::1]:9754": true, "[::1]": true, "coppice.localhost:80": true,
		"example.org": false, "example.org:9754": false, "192.0.2.7": false, "": false, "127.0.0.1.example.org": false, "notlocalhost": false,
	} {
		if got := meant(host); got != want {
			t.Errorf("%q: %v", host, got)
		}
	}
}

// room is a server that answers on a loopback address and on a unix socket.
type room struct {
	dead    error
	unready []string
	tcp     string
	unix    http.Client
}

func newRoom(t *testing.T) *room {
	t.Helper()
	r := &room{}
	registry := prometheus.NewRegistry()
	s := &Server{
		Metrics: registry, Own: registry, Log: logr.Discard(),
		Alive:   func(context.Context) error { return r.dead },
		Unready: func() []string { return r.unready },
		Page:    http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "a page") }),
	}
	s.Open()
	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "m.sock")
	unix, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	r.tcp = tcp.Addr().String()
	r.unix.Transport = &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", path)
	}}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 2)
	for _, l := range []net.Listener{tcp, unix} {
		go func() { done <- s.Serve(ctx, l, true) }()
	}
	t.Cleanup(func() {
		cancel()
		for range 2 {
			if err := <-done; err != nil {
				t.Errorf("it ended with %v", err)
			}
		}
		r.unix.CloseIdleConnections()
		http.DefaultClient.CloseIdleConnections()
	})
	return r
}

// ask sends a request, and returns the code, the text and the head of the answer.
func ask(t *testing.T, c *http.Client, method, url, host string) (int, string, http.Header) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader("something"))
	if err != nil {
		t.Fatal(err)
	}
	request.Host = host
	answer, err := c.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	var text bytes.Buffer
	if _, err := text.ReadFrom(answer.Body); err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, strings.TrimSpace(text.String()), answer.Header
}

func TestServe(t *testing.T) {
	r := newRoom(t)
	is := func(c *http.Client, method, path, host string, code int, says string) {
		t.Helper()
		got, text, head := ask(t, c, method, "http://"+r.tcp+path, host)
		if got != code || !strings.Contains(text, says) {
			t.Errorf("%s %s for %q: %d %q, want %d and %q", method, path, host, got, text, code, says)
		}
		if head.Get("Content-Security-Policy") == "" && code != http.StatusMisdirectedRequest || head.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s %s: the answer says nothing of what may be done with it: %v", method, path, head)
		}
	}
	all := http.DefaultClient
	is(all, "GET", "/metrics", "", 200, "promhttp_metric_handler_errors_total")
	is(all, "GET", "/healthz", "", 200, "ok")
	is(all, "GET", "/readyz", "localhost:99", 200, "ok")
	is(all, "GET", "/", "", 200, "a page")
	is(all, "HEAD", "/healthz", "", 200, "")
	is(all, "POST", "/metrics", "", 405, "can only be looked at")
	is(all, "DELETE", "/", "", 405, "can only be looked at")
	is(all, "GET", "/metrics", "evil.example", 421, "not the host")
	is(&r.unix, "GET", "/metrics", "whoever", 200, "promhttp_")
	r.dead, r.unready = errors.New("it has locked itself out"), []string{"one thing", "another"}
	is(all, "GET", "/healthz", "", 503, "it has locked itself out")
	is(&r.unix, "GET", "/readyz", "", 503, "one thing\nanother")
}
