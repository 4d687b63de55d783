package socket

import (
	"errors"
	"io/fs"
	"net/http"

	"coppice.dev/controller/access"
	"coppice.dev/controller/socket/wire"
	"coppice.dev/spec"
)

// save asks for what was written into an archive to be packed into its place.
func (s *Server) save(w http.ResponseWriter, r *http.Request) error {
	name := r.PathValue("name")
	if err := s.named(r, spec.KindSession); err != nil {
		return err
	}
	who, _, err := s.caller(r.Context())
	if err != nil {
		return err
	}
	_, admitted := s.Host.Known(name)
	if admitted == nil {
		return s.notReady(name, "it is not there yet, or not any more")
	}
	if err := s.decide(r.Context(), access.Request{
		Who: who, What: access.Save, Session: name, Owner: admitted.Owner,
		Chroot: admitted.ChrootName, Source: true, Lists: admitted.Chroot.Access,
	}); err != nil {
		return err
	}
	if !admitted.Session.OpenSource || admitted.Chroot.Source.File == nil {
		return fail(http.StatusBadRequest, "Invalid", "session %s has no archive open for writing, so there is nothing to save", name)
	}
	if err := s.suspended(name); err != nil {
		return err
	}
	n, err := s.Host.Save(name)
	if errors.Is(err, fs.ErrNotExist) {
		return fail(http.StatusConflict, "Forbidden", "session %s was asked for by a manifest in a folder that is not the daemon's; raise spec.save there", name)
	}
	if err != nil {
		return err
	}
	answer(w, http.StatusAccepted, wire.Saved{Save: n})
	return nil
}
