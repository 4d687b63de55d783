package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"sigs.k8s.io/yaml"

	"coppice.dev/controller"
	"coppice.dev/controller/socket"
	"coppice.dev/manifests"
	"coppice.dev/reconcile/compile"
	"coppice.dev/reconcile/kernel"
	"coppice.dev/reconcile/kernel/lease"
	"coppice.dev/reconcile/kernel/lifeline"
	"coppice.dev/reconcile/layout"
	"coppice.dev/reconcile/object"
	"coppice.dev/spec"
)

// host is what the socket knows of the machine (socket.Host): the controller for
// what is wanted, the kernel for what is there.
type host struct {
	controller *controller.Controller
	kernel     *kernel.Kernel
	layout     layout.Layout
	// dropped says that a manifest was put there, or taken away, so that it need not
	// be found by whoever watches the folder.
	dropped func(path string) bool

	// writing keeps a manifest that is changed from coming back after it went.
	writing sync.Mutex

	mu sync.Mutex
	// taken are the leases of commands that are being started, by their names.
	taken map[string]lease.Lease
}

func newHost(c *controller.Controller, k *kernel.Kernel, dropped func(path string) bool) *host {
	return &host{controller: c, kernel: k, layout: k.Layout(), dropped: dropped, taken: map[string]lease.Lease{}}
}

// Open implements socket.Host.
func (h *host) Open(session string) (socket.Room, error) {
	if !spec.ValidName(session) {
		return socket.Room{}, fs.ErrNotExist
	}
	admitted, err := h.admitted(session)
	if err != nil {
		return socket.Room{}, err
	}
	namespace, err := h.kernel.Room().Open(session)
	if err != nil {
		return socket.Room{}, err
	}
	return socket.Room{Admitted: admitted, Namespace: namespace}, nil
}

// admitted reads what a session was admitted with.
func (h *host) admitted(session string) (spec.Admitted, error) {
	text, err := os.ReadFile(h.layout.Record(session))
	if err != nil {
		return spec.Admitted{}, fmt.Errorf("read what session %s was admitted with: %w", session, err)
	}
	var home object.Home
	if err := json.Unmarshal(text, &home); err != nil {
		return spec.Admitted{}, fmt.Errorf("read what session %s was admitted with: %w", session, err)
	}
	record, err := compile.Decode(home.Admitted)
	return record.Session, err
}

// Take implements socket.Host.
func (h *host) Take(session string, t socket.Taker) (socket.Lease, error) {
	l, err := h.kernel.Leases().Take(session, lease.Record{UID: t.UID, User: t.User, Command: t.Command, Since: time.Now().UTC()})
	if err != nil {
		return socket.Lease{}, err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.taken[l.ID] = l
	failure := ""
	if s, _, _ := h.controller.Asked(session); s != nil && s.Spec.RetainOnFailure && lifeline.Is(s.Client(), t.PID) {
		failure = h.kernel.Leases().Failure(session)
	}
	return socket.Lease{ID: l.ID, Group: l.Group, Record: l.File, Tasks: l.Tasks, Failure: failure}, nil
}

// Started implements socket.Host.
func (h *host) Started(_ string, l socket.Lease, keeper int) error {
	h.mu.Lock()
	taken := h.taken[l.ID]
	h.mu.Unlock()
	return h.kernel.Leases().Begin(taken, keeper)
}

// Release implements socket.Host.
func (h *host) Release(_ string, l socket.Lease) error {
	h.mu.Lock()
	taken := h.taken[l.ID]
	delete(h.taken, l.ID)
	h.mu.Unlock()
	return h.kernel.Leases().Release(taken)
}

// Chroot implements socket.Host.
func (h *host) Chroot(name string) (*spec.Chroot, bool) { return h.controller.Chroot(name) }

// Chroots implements socket.Host.
func (h *host) Chroots() []*spec.Chroot { return h.controller.Chroots() }

// Known implements socket.Host.
func (h *host) Known(session string) (*spec.Session, *spec.Admitted) {
	if !spec.ValidName(session) {
		return nil, nil
	}
	asked, _, _ := h.controller.Asked(session)
	if asked == nil {
		asked, _ = h.begun(session)
	}
	if admitted, err := h.admitted(session); err == nil {
		return asked, &admitted
	}
	return asked, nil
}

// Owner implements socket.Host. What a session was admitted with counts; one
// that was not yet is whose its manifest says.
func (h *host) Owner(session string) (*int, bool) {
	if !spec.ValidName(session) {
		return nil, false
	}
	if admitted, err := h.admitted(session); err == nil {
		return admitted.Owner, true
	}
	if s, _, asked := h.controller.Asked(session); asked && s != nil {
		return s.Owner(), true
	} else if asked {
		return nil, true
	}
	// The controller may not have heard of it yet.
	s, there := h.begun(session)
	if s == nil {
		return nil, there
	}
	return s.Owner(), true
}

// begun reads what asks for a session that somebody began; nil if it cannot be
// read.
func (h *host) begun(session string) (*spec.Session, bool) {
	path := h.manifest(session)
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, false
	}
	documents, _ := spec.Parse(path, text) // what cannot be read names nobody
	for _, d := range documents {
		if s, is := d.Object.(*spec.Session); is && s.Name == session {
			return s, true
		}
	}
	return nil, true
}

// Identify implements socket.Host.
func (h *host) Identify(pid int) (string, error) { return lifeline.Identify(pid) }

// manifest is the path of the file that asks for a session that somebody began.
func (h *host) manifest(session string) string {
	return filepath.Join(h.layout.Manifests(), manifests.FileName(manifests.Key{Kind: spec.KindSession, Name: session}))
}

// tenants are those whom sessions were begun for (controller.Tenants).
type tenants struct {
	*lifeline.Lines
	host *host
}

// Withdraw implements controller.Tenants. Only what Coppice itself wrote is taken
// away, and not if somebody else has begun a session of that name meanwhile.
func (t tenants) Withdraw(s *spec.Session, manifest string) (bool, error) {
	h := t.host
	h.writing.Lock()
	defer h.writing.Unlock()
	if manifest != h.manifest(s.Name) {
		return false, nil
	}
	if now, there := h.begun(s.Name); there && (now == nil || now.Client() != s.Client()) {
		return true, nil
	}
	_, err := manifests.Withdraw(h.layout.Manifests(), manifests.Key{Kind: spec.KindSession, Name: s.Name})
	return err == nil, err
}

// Ask implements socket.Host.
func (h *host) Ask(s *spec.Session) error {
	text, err := yaml.Marshal(s)
	if err != nil {
		return fmt.Errorf("write manifest: %w", err)
	}
	if err := manifests.DropNew(h.layout.Manifests(), manifests.Key{Kind: spec.KindSession, Name: s.Name}, text); err != nil {
		return err
	}
	h.dropped(h.manifest(s.Name)) // else it is found a little later
	return nil
}

// Save implements socket.Host.
func (h *host) Save(session string) (int, error) {
	h.writing.Lock()
	defer h.writing.Unlock()
	s, there := h.begun(session)
	if !there {
		return 0, fs.ErrNotExist
	}
	if s == nil {
		return 0, fmt.Errorf("the manifest of session %s cannot be read", session)
	}
	s.Spec.Save++
	text, err := yaml.Marshal(s)
	if err == nil {
		_, err = manifests.Drop(h.layout.Manifests(), manifests.Key{Kind: spec.KindSession, Name: session}, text)
	}
	if err != nil {
		return 0, fmt.Errorf("write manifest: %w", err)
	}
	h.dropped(h.manifest(session))
	return s.Spec.Save, nil
}

// Withdraw implements socket.Host.
func (h *host) Withdraw(session string) (bool, error) {
	if !spec.ValidName(session) {
		return false, nil
	}
	h.writing.Lock()
	defer h.writing.Unlock()
	there, err := manifests.Withdraw(h.layout.Manifests(), manifests.Key{Kind: spec.KindSession, Name: session})
	if there {
		h.dropped(h.manifest(session))
	}
	if err != nil || there {
		return there, err
	}
	// It is going already if no manifest asks for it any more; the controller may
	// not have heard yet that the one in this folder is gone.
	_, manifest, asked := h.controller.Asked(session)
	if asked && manifest == h.manifest(session) {
		return true, nil
	}
	_, err = h.admitted(session)
	return !asked && !errors.Is(err, fs.ErrNotExist), nil
}
