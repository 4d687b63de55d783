package socket

import (
	"fmt"
	"net/http"
	"strings"
	"time"

	"coppice.dev/controller/access"
	"coppice.dev/controller/socket/wire"
	"coppice.dev/spec"
	"coppice.dev/status"
)

// govern lets those through who may say what becomes of a session.
func (s *Server) govern(r *http.Request) (name string, who access.Person, err error) {
	name = r.PathValue("name")
	if err := s.named(r, spec.KindSession); err != nil {
		return "", access.Person{}, err
	}
	who, _, err = s.caller(r.Context())
	if err != nil {
		return "", access.Person{}, err
	}
	if err := s.decide(r.Context(), access.Request{Who: who, What: access.Govern, Session: name}); err != nil {
		return "", access.Person{}, err
	}
	if _, there := s.Host.Owner(name); there {
		return name, who, nil
	}
	if _, err := status.Read(s.Status, spec.KindSession, name); err == nil {
		return name, who, nil // its manifest is gone, and its record cannot be read
	}
	return "", access.Person{}, fail(http.StatusNotFound, "NotFound", "there is no session %q", name)
}

// reconcile has a session looked at right away, and put right.
func (s *Server) reconcile(w http.ResponseWriter, r *http.Request) error {
	name, _, err := s.govern(r)
	if err != nil {
		return err
	}
	if err := s.suspended(name); err != nil {
		return err
	}
	if !s.Host.Reconcile(name) {
		return fail(http.StatusNotFound, "NotFound", "there is no session %q", name)
	}
	answer(w, http.StatusAccepted, struct{}{})
	return nil
}

// suspend has a session left as it is.
func (s *Server) suspend(w http.ResponseWriter, r *http.Request) error {
	name, who, err := s.govern(r)
	if err != nil {
		return err
	}
	var asked wire.Suspend
	if err := decode(r, &asked); err != nil {
		return err
	}
	if len(asked.Why) > mostWhy || strings.ContainsFunc(asked.Why, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return fail(http.StatusBadRequest, "Invalid", "why: must be one line, of %d bytes at most", mostWhy)
	}
	why := fmt.Sprintf("it was suspended by %s at %s", who.Name, time.Now().Format(time.DateTime))
	if asked.Why != "" {
		why += ": " + asked.Why
	}
	if err := s.Host.Suspend(name, why); err != nil {
		return err
	}
	answer(w, http.StatusOK, struct{}{})
	return nil
}

// mostWhy is how long the reason for a suspension may be, in bytes.
const mostWhy = 500

// resume takes that back.
func (s *Server) resume(w http.ResponseWriter, r *http.Request) error {
	name, _, err := s.govern(r)
	if err != nil {
		return err
	}
	if err := s.Host.Resume(name); err != nil {
		return err
	}
	answer(w, http.StatusOK, struct{}{})
	return nil
}

// plan tells what would be done. It looks at whatever manifests name, as root.
func (s *Server) plan(w http.ResponseWriter, r *http.Request) error {
	who, _, err := s.caller(r.Context())
	if err != nil {
		return err
	}
	if err := s.decide(r.Context(), access.Request{Who: who, What: access.Govern}); err != nil {
		return err
	}
	var asked wire.Plan
	if err := decode(r, &asked); err != nil {
		return err
	}
	supposed := Supposition{Without: asked.Without, Lasting: asked.Lasting}
	for i, text := range asked.Manifests {
		documents, problems := spec.Parse(fmt.Sprintf("manifest %d", i+1), []byte(text))
		if len(problems) > 0 {
			return fail(http.StatusBadRequest, "Invalid", "%s", problems[0])
		}
		for _, d := range documents {
			if d.Object != nil {
				supposed.Given = append(supposed.Given, d.Object)
			}
		}
	}
	items, err := s.Host.Foresee(r.Context(), supposed)
	if err != nil {
		return fmt.Errorf("look what would be done: %w", err)
	}
	if items == nil {
		items = []wire.Forecast{}
	}
	answer(w, http.StatusOK, wire.Forecasts{Items: items})
	return nil
}

// Supposition is what is supposed to stand in the manifests, beside what does.
type Supposition struct {
	// Given are objects that are there, Without those that are deleted.
	Given   []spec.Object
	Without []wire.Key
	// Lasting is set if what is new of it would outlive a reboot.
	Lasting bool
}

// suspended refuses what would come to nothing, since a session is left as it is.
func (s *Server) suspended(name string) error {
	file, err := status.Read(s.Status, spec.KindSession, name)
	if err == nil && file.Status.Suspended() { // of one that is not known others tell
		why := file.Status.Condition(status.ConditionSuspended).Message
		return fail(http.StatusConflict, "Suspended", "session %s is suspended, so nothing is done about it: %s", name, why)
	}
	return nil
}
