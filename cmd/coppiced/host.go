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

	mu sync.Mutex
	// taken are the leases of commands that are being started, by their names.
	taken map[string]lease.Lease
}

func newHost(c *controller.Controller, k *kernel.Kernel) *host {
	return &host{controller: c, kernel: k, layout: k.Layout(), taken: map[string]lease.Lease{}}
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
	return socket.Lease{ID: l.ID, Group: l.Group, Record: l.File, Tasks: l.Tasks}, nil
}

// Started implements socket.Host.
func (h *host) Started(_ string, l socket.Lease, keeper int) error {
	return h.kernel.Leases().Begin(h.handed(l.ID), keeper)
}

// Release implements socket.Host.
func (h *host) Release(_ string, l socket.Lease) error {
	return h.kernel.Leases().Release(h.handed(l.ID))
}

// handed returns a lease that was taken, once.
func (h *host) handed(id string) lease.Lease {
	h.mu.Lock()
	defer h.mu.Unlock()
	l := h.taken[id]
	delete(h.taken, id)
	return l
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
		asked = h.asked(session)
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
	return h.justAsked(session)
}

// justAsked reads who asked for a session of which the controller has not heard
// yet.
func (h *host) justAsked(session string) (*int, bool) {
	name := manifests.FileName(manifests.Key{Kind: spec.KindSession, Name: session})
	if _, err := os.Stat(filepath.Join(h.layout.Manifests(), name)); err != nil {
		return nil, false
	}
	if s := h.asked(session); s != nil {
		return s.Owner(), true
	}
	return nil, true
}

// asked reads the manifest that was written for somebody who asked for a session;
// nil if there is none, or none that can be read.
func (h *host) asked(session string) *spec.Session {
	name := manifests.FileName(manifests.Key{Kind: spec.KindSession, Name: session})
	text, err := os.ReadFile(filepath.Join(h.layout.Manifests(), name))
	if err != nil {
		return nil
	}
	documents, _ := spec.Parse(name, text) // what cannot be read names nobody
	for _, d := range documents {
		if s, is := d.Object.(*spec.Session); is && s.Name == session {
			return s
		}
	}
	return nil
}

// Ask implements socket.Host.
func (h *host) Ask(s *spec.Session) error {
	text, err := yaml.Marshal(s)
	if err != nil {
		return fmt.Errorf("write manifest: %w", err)
	}
	return manifests.DropNew(h.layout.Manifests(), manifests.Key{Kind: spec.KindSession, Name: s.Name}, text)
}

// Withdraw implements socket.Host.
func (h *host) Withdraw(session string) (bool, error) {
	if !spec.ValidName(session) {
		return false, nil
	}
	there, err := manifests.Remove(h.layout.Manifests(), manifests.Key{Kind: spec.KindSession, Name: session})
	if err != nil || there {
		return there, err
	}
	// It is going already if no manifest asks for it any more.
	_, _, asked := h.controller.Asked(session)
	_, err = h.admitted(session)
	return !asked && !errors.Is(err, fs.ErrNotExist), nil
}
