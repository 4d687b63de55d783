package socket

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"coppice.dev/controller/access"
	"coppice.dev/controller/socket/wire"
	"coppice.dev/spec"
	"coppice.dev/status"
)

// begin begins a session of the caller's own.
func (s *Server) begin(w http.ResponseWriter, r *http.Request) error {
	var b wire.Begin
	if err := decode(r, &b); err != nil {
		return err
	}
	who, _, err := s.caller(r.Context())
	if err != nil {
		return err
	}
	session, request, err := s.asked(b, who)
	if err != nil {
		return err
	}
	if err := s.decide(r.Context(), request); err != nil {
		return err
	}
	if b.Source && b.Folder == "" {
		if chroot, there := s.Host.Chroot(b.Chroot); there {
			if why := spec.CannotOpen(chroot.Spec); why != "" {
				return fail(http.StatusBadRequest, "Invalid", "the source of chroot %s cannot be opened: %s", chroot.Name, why)
			}
		}
	}
	if b.Bound {
		if err := s.bind(r, session); err != nil {
			return err
		}
	}
	if problems := spec.Validate(session); len(problems) > 0 {
		return fail(http.StatusBadRequest, "Invalid", "%s", problems[0])
	}
	if _, err := status.Read(s.Status, spec.KindSession, session.Name); err == nil {
		return taken(session.Name)
	} else if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := s.Host.Ask(session); errors.Is(err, fs.ErrExist) {
		return taken(session.Name)
	} else if err != nil {
		return err
	}
	answer(w, http.StatusCreated, status.File{
		TypeMeta: session.TypeMeta, Metadata: status.Metadata{Name: session.Name, Labels: session.Labels},
		Status: status.Status{Phase: status.Pending},
	})
	return nil
}

// noChroot says why there is no chroot of that name: its manifest may have
// problems.
func (s *Server) noChroot(name string) error {
	if spec.ValidName(name) {
		file, err := status.Read(s.Status, spec.KindChroot, name)
		if ready := file.Status.Condition(status.ConditionReady); err == nil && ready != nil && ready.Message != "" {
			return fail(http.StatusConflict, "NotReady", "chroot %s cannot be used: %s", name, ready.Message)
		}
	}
	return fail(http.StatusNotFound, "NotFound", "there is no chroot %q; see coppice get chroots", name)
}

// bind has a session end with the process that asks for it.
func (s *Server) bind(r *http.Request, session *spec.Session) error {
	p, known := peerOf(r.Context())
	if !known || p.pid == 0 {
		return fail(http.StatusBadRequest, "Invalid", "your process is in a pid namespace that the daemon cannot see, so it cannot know when you are gone; begin the session without that, and end it yourself")
	}
	client, err := s.Host.Identify(p.pid)
	if err != nil {
		return fmt.Errorf("bind session to who asked: %w", err)
	}
	session.Annotations[spec.ClientAnnotation] = client
	return nil
}

func taken(name string) error {
	return fail(http.StatusConflict, "AlreadyExists", "there is a session %q already; choose another name", name)
}

// asked returns the session that is asked for, and what is to be decided.
func (s *Server) asked(b wire.Begin, who access.Person) (*spec.Session, access.Request, error) {
	request := access.Request{Who: who, What: access.Begin, Chroot: b.Chroot, Source: b.Source}
	session := &spec.Session{
		TypeMeta: metav1.TypeMeta{APIVersion: spec.APIVersion, Kind: spec.KindSession},
		ObjectMeta: metav1.ObjectMeta{
			Name: b.Name, Labels: b.Labels, Annotations: map[string]string{spec.OwnerAnnotation: strconv.Itoa(who.UID)},
		},
		Spec: spec.SessionSpec{
			HookEnvironment: b.HookEnvironment, TTL: b.TTL, IdleTimeout: b.IdleTimeout, RetainOnFailure: b.RetainOnFailure,
			OpenSource: b.Source, Expose: b.Expose,
		},
	}
	if who.Name != "" {
		session.Annotations[spec.OwnerNameAnnotation] = who.Name
	}
	if err := annotate(session, b.Annotations); err != nil {
		return nil, request, err
	}
	stem := "session"
	switch {
	case (b.Chroot == "") == (b.Folder == ""):
		return nil, request, fail(http.StatusBadRequest, "Invalid", "name a chroot, or a folder, and not both")
	case (b.Folder != "" || b.Profile != "") && who.UID != 0:
		return nil, request, fail(http.StatusForbidden, "Forbidden", "only root may grow a session from any folder, or choose its profile; name a chroot")
	case b.Folder != "":
		session.Spec.Chroot = &spec.ChrootSpec{Source: spec.Source{Directory: &spec.DirectorySource{Path: b.Folder}}}
	default:
		chroot, there := s.Host.Chroot(b.Chroot)
		if !there {
			return nil, request, s.noChroot(b.Chroot)
		}
		stem, request.Chroot, request.Lists = chroot.Name, chroot.Name, chroot.Spec.Access
		request.Set, request.Variables = slices.Sorted(maps.Keys(b.HookEnvironment)), chroot.Spec.HookVariables
		session.Spec.ChrootRef = &spec.Reference{Name: b.Chroot} // which its hooks may be told
	}
	if b.Profile != "" {
		session.Spec.ProfileRef = &spec.Reference{Name: b.Profile}
	}
	if session.Name == "" {
		const room = 63 - 1 - 8 // of what a name may have
		session.Name = stem[:min(len(stem), room)] + "-" + strings.ToLower(rand.Text()[:8])
	}
	request.Session = session.Name
	spec.Default(session)
	return session, request, nil
}

// maxAnnotations is how many bytes the annotations may have that a client gives.
const maxAnnotations = 4096

// annotate puts a client's annotations on a session. Those of the daemon's own
// domain say whose it is, and are not theirs to give.
func annotate(session *spec.Session, annotations map[string]string) error {
	size := 0
	for name, value := range annotations {
		if domain, _, _ := strings.Cut(name, "/"); domain == "coppice.dev" {
			return fail(http.StatusForbidden, "Forbidden", "annotation %s: those of coppice.dev are the daemon's", name)
		}
		if size += len(name) + len(value); size > maxAnnotations || strings.ContainsRune(value, 0) {
			return fail(http.StatusBadRequest, "Invalid", "the annotations are longer than %d bytes, or are no text", maxAnnotations)
		}
		session.Annotations[name] = value
	}
	return nil
}
