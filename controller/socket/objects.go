package socket

import (
	"encoding/json"
	"errors"
	"io/fs"
	"net/http"
	"strings"
	"time"

	"coppice.dev/controller/access"
	"coppice.dev/controller/socket/wire"
	"coppice.dev/spec"
	"coppice.dev/status"
)

// kinds are the words of paths.
var kinds = map[string]string{
	"sessions": spec.KindSession, "chroots": spec.KindChroot, "profiles": spec.KindProfile, "manifests": status.KindManifest,
}

func kindOf(r *http.Request) (string, error) {
	kind, known := kinds[r.PathValue("kind")]
	if !known {
		return "", fail(http.StatusNotFound, "NotFound", "there is no kind %q; there are sessions, chroots, profiles and manifests", r.PathValue("kind"))
	}
	return kind, nil
}

// list tells of all objects of a kind, and of changes if that is wanted. What
// there is everybody may know: the status files can be read by all.
func (s *Server) list(w http.ResponseWriter, r *http.Request) error {
	kind, err := kindOf(r)
	if err != nil {
		return err
	}
	if r.URL.Query().Get("watch") == "true" {
		return s.watch(w, r, kind)
	}
	items, err := status.List(s.Status, kind)
	if err != nil {
		return err
	}
	if items == nil {
		items = []status.File{}
	}
	answer(w, http.StatusOK, wire.List{Items: items})
	return nil
}

// watch tells of each object and then of each change, a line each. Whoever does
// not read is left.
func (s *Server) watch(w http.ResponseWriter, r *http.Request, kind string) error {
	changes, err := status.Watch(r.Context(), s.Status, kind)
	if err != nil {
		return err
	}
	control := http.NewResponseController(w)
	_ = control.SetReadDeadline(time.Time{}) // nothing more is expected of them
	w.Header().Set("Content-Type", "application/x-ndjson")
	lines := json.NewEncoder(w)
	there := control.Flush() == nil
	for change := range changes {
		_ = control.SetWriteDeadline(time.Now().Add(writeTime))
		there = there && lines.Encode(wire.Change{Kind: kind, Name: change.Name, Object: change.File}) == nil && control.Flush() == nil
		if !there {
			break // whoever asked is gone, or does not read
		}
	}
	return nil
}

func (s *Server) get(w http.ResponseWriter, r *http.Request) error {
	kind, err := kindOf(r)
	if err != nil {
		return err
	}
	if err := s.named(r, kind); err != nil {
		return err
	}
	file, err := status.Read(s.Status, kind, r.PathValue("name"))
	if errors.Is(err, fs.ErrNotExist) {
		return fail(http.StatusNotFound, "NotFound", "there is no %s %q", kind, r.PathValue("name"))
	}
	if err != nil {
		return err
	}
	answer(w, http.StatusOK, file)
	return nil
}

// named refuses a name that no object can have: it might lead elsewhere. Those
// of manifests are paths, which the statuses' files are named by safely.
func (s *Server) named(r *http.Request, kind string) error {
	if name := r.PathValue("name"); kind != status.KindManifest && !spec.ValidName(name) {
		return fail(http.StatusNotFound, "NotFound", "there is no %s %q", strings.ToLower(kind), name)
	}
	return nil
}

// end ends a session that somebody began.
func (s *Server) end(w http.ResponseWriter, r *http.Request) error {
	name := r.PathValue("name")
	if err := s.named(r, spec.KindSession); err != nil {
		return err
	}
	who, _, err := s.caller(r.Context())
	if err != nil {
		return err
	}
	owner, there := s.Host.Owner(name)
	if !there {
		return fail(http.StatusNotFound, "NotFound", "there is no session %q", name)
	}
	if err := s.decide(r.Context(), access.Request{Who: who, What: access.End, Session: name, Owner: owner}); err != nil {
		return err
	}
	if err := s.suspended(name); err != nil {
		return err
	}
	was, err := s.Host.Withdraw(name)
	if err != nil {
		return err
	}
	if !was {
		return fail(http.StatusConflict, "Forbidden", "session %s was asked for by a manifest in a folder that is not the daemon's; take that away", name)
	}
	answer(w, http.StatusOK, struct{}{})
	return nil
}
