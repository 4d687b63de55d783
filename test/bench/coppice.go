package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"sync"
	"time"

	"coppice.dev/controller/socket/wire"
	"coppice.dev/spec"
	"coppice.dev/status"
)

// manifest is the chroot that sessions are grown from, with the mounts that the
// bare calls make too.
const manifest = `apiVersion: coppice.dev/v1alpha1
kind: Profile
metadata: {name: bench}
spec:
  mounts:
  - {type: proc}
  - {type: sysfs}
  - {type: dev}
  - {type: devpts}
  - {type: shm}
  - {type: bind, source: %[1]s/home, target: /home}
  - {type: bind, source: %[1]s/tmp, target: /tmp}
---
apiVersion: coppice.dev/v1alpha1
kind: Chroot
metadata: {name: bench}
spec:
  source: {directory: {path: %[1]s/root}}
  profileRef: {name: bench}
---
apiVersion: coppice.dev/v1alpha1
kind: Chroot
metadata: {name: packed}
spec:
  source: {file: {path: %[1]s/root.tar}}
  profileRef: {name: bench}
`

// phases follows the statuses of all sessions, as one does who waits for them.
type phases struct {
	mu      sync.Mutex
	changed chan struct{} // closed, and replaced, at each change
	now     map[string]status.Status
}

func follow(ctx context.Context, dir string) (*phases, error) {
	changes, err := status.Watch(ctx, dir, spec.KindSession)
	if err != nil {
		return nil, err
	}
	p := &phases{now: map[string]status.Status{}, changed: make(chan struct{})}
	go func() {
		for c := range changes {
			p.mu.Lock()
			if c.File == nil {
				delete(p.now, c.Name)
			} else {
				p.now[c.Name] = c.File.Status
			}
			close(p.changed)
			p.changed = make(chan struct{})
			p.mu.Unlock()
		}
	}()
	return p, nil
}

// stuck is after which time nobody waits for a session any more.
const stuck = 2 * time.Minute

// until waits until the sessions are in that phase; "" is gone.
func (p *phases) until(ctx context.Context, want status.Phase, sessions ...string) error {
	ctx, cancel := context.WithTimeout(ctx, stuck)
	defer cancel()
	for _, session := range sessions {
		for {
			p.mu.Lock()
			now, changed := p.now[session], p.changed
			p.mu.Unlock()
			if now.Phase == want {
				break
			}
			select {
			case <-ctx.Done():
				return fmt.Errorf("session %s is %q and not %q: %+v: %w", session, now.Phase, want, now.Conditions, context.Cause(ctx))
			case <-changed:
			}
		}
	}
	return nil
}

// coppice are the ways to have a session of Coppice's.
func (p *place) coppice(ctx context.Context) ([]subject, error) {
	if err := os.WriteFile(p.path("m", "bench.yaml"), fmt.Appendf(nil, manifest, p.base), 0o644); err != nil {
		return nil, err
	}
	if err := p.start(ctx); err != nil {
		return nil, err
	}
	phases, err := follow(ctx, p.path("run", "status"))
	if err != nil {
		return nil, err
	}
	daemon, tool := dial(p.path("run", wire.SocketName)), []string{p.bin + "/coppice", "--run-dir", p.path("run")}
	exec := func(ctx context.Context, session string) error {
		return command(ctx, p.base, append(tool, "exec", session, "--", "true")...)
	}
	asked := func(chroot string) subject {
		return subject{
			begin: func(ctx context.Context, session string) error {
				err := daemon.ask(ctx, http.MethodPost, "", wire.Begin{Name: session, Chroot: chroot})
				if err == nil {
					err = phases.until(ctx, status.Ready, session)
				}
				return err
			},
			exec: exec,
			end: func(ctx context.Context, session string) error {
				err := daemon.ask(ctx, http.MethodDelete, "/"+session, nil)
				if err == nil {
					err = phases.until(ctx, "", session)
				}
				return err
			},
		}
	}
	socket, packed := asked("bench"), asked("packed")
	socket.name, socket.about = "Coppice, socket", "POST to the daemon's socket until the session's status on disk is Ready; coppice exec; DELETE until nothing is left"
	packed.name, packed.about = "Coppice, socket, archive", "the same, of an archive that is unpacked once"
	written := subject{
		name: "Coppice, manifest", about: "a manifest is put into the watched folder, and taken away",
		begin: func(ctx context.Context, session string) error {
			err := p.manifest(session)
			if err == nil {
				err = phases.until(ctx, status.Ready, session)
			}
			return err
		},
		exec: exec,
		end: func(ctx context.Context, session string) error {
			err := os.Remove(p.path("m", session+".yaml"))
			if err == nil {
				err = phases.until(ctx, "", session)
			}
			return err
		},
	}
	return []subject{
		socket, packed, written,
		{name: "coppice run", about: "coppice run CHROOT -- true", whole: func(ctx context.Context) error {
			return command(ctx, p.base, append(tool, "run", "bench", "--", "true")...)
		}},
		p.schroot("Coppice's schroot", "its command schroot, as sbuild calls it", "bench", "env", "COPPICE_RUN_DIR="+p.path("run"), p.bin+"/schroot"),
	}, nil
}

// socket is the daemon's.
type socket struct{ http.Client }

func dial(path string) *socket {
	transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", path)
	}}
	return &socket{http.Client{Transport: transport}}
}

// ask makes a request on sessions, or on one.
func (s *socket) ask(ctx context.Context, method, path string, body any) error {
	text, err := json.Marshal(body)
	if err != nil {
		return err
	}
	request, err := http.NewRequestWithContext(ctx, method, "http://coppice/v1alpha1/sessions"+path, bytes.NewReader(text))
	if err != nil {
		return err
	}
	answer, err := s.Do(request)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	said, err := io.ReadAll(answer.Body)
	if err == nil && answer.StatusCode >= http.StatusBadRequest {
		err = fmt.Errorf("%s %s: %s: %s", method, path, answer.Status, said)
	}
	return err
}

// manifest asks for a session by its manifest.
func (p *place) manifest(session string) error {
	text := fmt.Sprintf("apiVersion: coppice.dev/v1alpha1\nkind: Session\nmetadata: {name: %s}\nspec: {chrootRef: {name: bench}}\n", session)
	part := p.path("m", "."+session+".part")
	if err := os.WriteFile(part, []byte(text), 0o644); err != nil {
		return err
	}
	return os.Rename(part, p.path("m", session+".yaml"))
}
