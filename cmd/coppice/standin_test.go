package main

import (
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"coppice.dev/controller/socket/keeper"
	"coppice.dev/controller/socket/wire"
	"coppice.dev/status"
)

func TestMain(m *testing.M) {
	if os.Args[0] == "coppice" {
		os.Exit(run(os.Args[1:]))
	}
	os.Exit(m.Run())
}

// daemon stands in for the one that lets people in: its sessions are this very
// machine, with real keepers. Each has programs of its own.
type daemon struct {
	t      *testing.T
	runDir string
	path   map[string]string // the PATH of each session

	mu     sync.Mutex
	refuse *wire.Error // the answer to everything, if it is set
	heard  []string
	execs  []wire.Exec
}

// asked returns what was asked for since the last time.
func (d *daemon) asked() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	asked := d.heard
	d.heard = nil
	return asked
}

// commands returns the commands that were asked for.
func (d *daemon) commands() []wire.Exec {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.execs
}

// refuses makes this the answer to everything.
func (d *daemon) refuses(e *wire.Error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.refuse = e
}

func newDaemon(t *testing.T) *daemon {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("needs root")
	}
	d := &daemon{t: t, runDir: t.TempDir(), path: map[string]string{"full": "/usr/bin:/bin"}}
	l, err := net.Listen("unix", filepath.Join(d.runDir, wire.SocketName))
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: d, ReadHeaderTimeout: time.Minute}
	go func() { _ = server.Serve(l) }() // it ends with Close
	t.Cleanup(func() { server.Close() })
	return d
}

// programs makes a session that has these programs only.
func (d *daemon) programs(session string, names ...string) {
	d.t.Helper()
	dir := d.t.TempDir()
	for _, name := range names {
		at, err := exec.LookPath(name)
		if err == nil {
			err = os.Symlink(at, filepath.Join(dir, name))
		}
		if err != nil {
			d.t.Fatal(err)
		}
	}
	d.path[session] = dir
}

// script makes a session with one program, a script.
func (d *daemon) script(session, name, text string) {
	d.t.Helper()
	d.programs(session)
	if err := os.WriteFile(filepath.Join(d.path[session], name), []byte("#!/bin/sh\n"+text), 0o755); err != nil {
		d.t.Fatal(err)
	}
}

func (d *daemon) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	d.mu.Lock()
	d.heard = append(d.heard, strings.TrimSpace(r.Method+" "+strings.TrimPrefix(r.URL.Path, wire.Version)+" "+string(body)))
	refusal := d.refuse
	d.mu.Unlock()
	session, isExec := strings.CutSuffix(strings.TrimPrefix(r.URL.Path, wire.Version+"/sessions/"), "/exec")
	switch {
	case refusal != nil:
		w.WriteHeader(http.StatusForbidden)
		_ = json.NewEncoder(w).Encode(refusal)
	case isExec:
		var e wire.Exec
		if err := json.Unmarshal(body, &e); err != nil {
			d.t.Error(err)
		}
		d.exec(w, session, e)
	case r.Method == http.MethodPost:
		var b wire.Begin
		_ = json.Unmarshal(body, &b)
		d.settle(b.Name, status.Ready)
		_ = json.NewEncoder(w).Encode(status.File{Metadata: status.Metadata{Name: b.Name}})
	case r.Method == http.MethodDelete:
		_ = os.Remove(filepath.Join(d.runDir, "status/session", session+".yaml"))
		w.WriteHeader(http.StatusAccepted)
	default:
		_ = json.NewEncoder(w).Encode(wire.List{Items: []status.File{
			{Metadata: status.Metadata{Name: "a"}, Status: status.Status{Leases: []status.Lease{
				{ID: "1", PID: 42, User: "games", Command: "ev\x1b[2Jil", Since: metav1.NewTime(time.Now().Add(-time.Hour))},
			}}},
			{Metadata: status.Metadata{Name: "b"}},
		}})
	}
}

// settle writes the status of a session, as the controller does.
func (d *daemon) settle(name string, phase status.Phase) {
	w, err := status.New(filepath.Join(d.runDir, "status"))
	if err == nil {
		err = w.Put(status.File{
			TypeMeta: metav1.TypeMeta{Kind: "Session"}, Metadata: status.Metadata{Name: name},
			Status: status.Status{Phase: phase, Conditions: []metav1.Condition{{Type: status.ConditionReady, Status: "True"}}},
		})
	}
	if err != nil {
		d.t.Error(err)
	}
}

func (d *daemon) exec(w http.ResponseWriter, session string, e wire.Exec) {
	d.mu.Lock()
	d.execs = append(d.execs, e)
	d.mu.Unlock()
	conn, _, err := w.(http.Hijacker).Hijack()
	if err != nil {
		d.t.Error(err)
		return
	}
	defer conn.Close()
	_, _ = io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: "+wire.Upgrade+"\r\n\r\n")
	file, err := conn.(*net.UnixConn).File()
	if err != nil {
		d.t.Error(err)
		return
	}
	defer file.Close()
	namespace, err := os.Open("/proc/self/ns/mnt")
	if err != nil {
		d.t.Error(err)
		return
	}
	defer namespace.Close()
	path := d.path[session]
	if path == "" {
		path = d.path["full"]
	}
	process, err := keeper.Start(file, namespace, keeper.Order{
		Session: session, Args: e.Args, Env: append([]string{"PATH=" + path}, e.Env...),
		Folders: []string{e.Folder}, Terminal: e.Terminal, TTY: e.TTY, Size: e.Size, Grace: 100 * time.Millisecond,
	})
	if err != nil {
		d.t.Error(err)
		return
	}
	go func() { _, _ = process.Wait() }()
}

// coppice runs the command, and returns what it said and its exit code.
func (d *daemon) coppice(args ...string) (out, errOut string, code int) {
	d.t.Helper()
	cmd := exec.CommandContext(d.t.Context(), "/proc/self/exe")
	cmd.Args = append([]string{"coppice", "--run-dir", d.runDir}, args...)
	var o, e strings.Builder
	cmd.Stdout, cmd.Stderr = &o, &e
	err := cmd.Run()
	if failed, is := errors.AsType[*exec.ExitError](err); is {
		return o.String(), e.String(), failed.ExitCode()
	}
	if err != nil {
		d.t.Fatal(err)
	}
	return o.String(), e.String(), 0
}
