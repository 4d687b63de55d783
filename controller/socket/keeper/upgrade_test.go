package keeper

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"coppice.dev/controller/socket/wire"
)

// A connection that net/http gives up works in a keeper, files riding on frames
// and all, when the server has let go of it, and of everything.
func TestUpgradedConnection(t *testing.T) {
	s := session(t)
	path := filepath.Join(t.TempDir(), "socket")
	listener, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	keepers := make(chan *os.Process, 1)
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var e wire.Exec
		if err := json.NewDecoder(r.Body).Decode(&e); err != nil {
			t.Error(err)
		}
		_, _ = io.Copy(io.Discard, r.Body) // to its end
		conn, buffered, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		if n := buffered.Reader.Buffered(); n > 0 {
			t.Errorf("%d bytes were read ahead", n)
		}
		fmt.Fprintf(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: %s\r\n\r\n", wire.Upgrade)
		file, err := conn.(*net.UnixConn).File()
		if err != nil {
			t.Error(err)
			return
		}
		defer file.Close()
		process, err := Start(file, s, Order{Session: "s", Lease: "1", Args: e.Args, Env: []string{"PATH=/usr/bin:/bin"}, UID: uid, GID: gid})
		if err != nil {
			t.Error(err)
			return
		}
		keepers <- process
	})}
	go func() { _ = server.Serve(listener) }() // until it is closed

	conn, err := (&net.Dialer{}).DialContext(t.Context(), "unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	body, err := json.Marshal(wire.Exec{Args: []string{"sh", "-c", "cat; exit 3"}})
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(conn, "POST /v1alpha1/sessions/s/exec HTTP/1.1\r\nHost: coppice\r\nConnection: Upgrade\r\nUpgrade: %s\r\nContent-Length: %d\r\n\r\n%s", wire.Upgrade, len(body), body)
	var head strings.Builder
	for b := make([]byte, 1); !strings.HasSuffix(head.String(), "\r\n\r\n"); {
		if _, err := io.ReadFull(conn, b); err != nil {
			t.Fatal(err)
		}
		head.Write(b)
	}
	if !strings.HasPrefix(head.String(), "HTTP/1.1 101 ") {
		t.Fatal(head.String())
	}
	process := <-keepers
	defer func() { _, _ = process.Wait() }()
	if err := server.Shutdown(context.WithoutCancel(t.Context())); err != nil {
		t.Error(err)
	}
	c := &client{Conn: wire.NewConn(conn.(*net.UnixConn)), keeper: process}
	files, in, out := pipes(t)
	if f, _ := c.begin(t, files); f.Started == nil {
		t.Fatalf("%+v", f.Failed)
	}
	files[0].Close()
	files[1].Close()
	if _, err := in.WriteString("words"); err != nil {
		t.Fatal(err)
	}
	in.Close()
	if text, err := io.ReadAll(out); err != nil || string(text) != "words" {
		t.Errorf("%q, %v", text, err)
	}
	if f, _ := c.next(t); f.Exited == nil || f.Exited.Code != 3 {
		t.Errorf("%+v", f)
	}
}
