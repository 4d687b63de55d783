package socket

import (
	"context"
	"errors"
	"io/fs"
	"net/http"

	"coppice.dev/controller/access"
	"coppice.dev/controller/socket/wire"
	"coppice.dev/spec"
	"coppice.dev/status"
)

// chroots tells of all chroots, and chroot of one, by its name or an alias. Who
// may use them, and what they are made of, everybody may know.
func (s *Server) chroots(w http.ResponseWriter, _ *http.Request) error {
	list := wire.Chroots{Items: []wire.Chroot{}}
	for _, c := range s.Host.Chroots() {
		list.Items = append(list.Items, shownChroot(c))
	}
	answer(w, http.StatusOK, list)
	return nil
}

func (s *Server) chroot(w http.ResponseWriter, r *http.Request) error {
	c, there := s.Host.Chroot(r.PathValue("name"))
	if !there {
		return fail(http.StatusNotFound, "NotFound", "there is no chroot %q; see coppice get chroots", r.PathValue("name"))
	}
	answer(w, http.StatusOK, shownChroot(c))
	return nil
}

func shownChroot(c *spec.Chroot) wire.Chroot {
	c = c.DeepCopy()
	spec.Default(c)
	return wire.Chroot{Name: c.Name, Annotations: c.Annotations, Spec: shown(c.Spec)}
}

// shown is a chroot without what is for those inside alone.
func shown(c spec.ChrootSpec) spec.ChrootSpec {
	if c.Environment != nil {
		c.Environment = &spec.Environment{Filter: c.Environment.Filter}
	}
	return c
}

// sessions tells of all sessions, and session of one.
func (s *Server) sessions(w http.ResponseWriter, r *http.Request) error {
	files, err := status.List(s.Status, spec.KindSession)
	if err != nil {
		return err
	}
	list := wire.Sessions{Items: []wire.Session{}}
	for _, file := range files {
		if one, there := s.shownSession(r.Context(), file.Metadata.Name, file.Status); there {
			list.Items = append(list.Items, one)
		}
	}
	answer(w, http.StatusOK, list)
	return nil
}

func (s *Server) session(w http.ResponseWriter, r *http.Request) error {
	name := r.PathValue("name")
	if err := s.named(r, spec.KindSession); err != nil {
		return err
	}
	file, err := status.Read(s.Status, spec.KindSession, name)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	one, there := s.shownSession(r.Context(), name, file.Status)
	if !there {
		return fail(http.StatusNotFound, "NotFound", "there is no session %q", name)
	}
	answer(w, http.StatusOK, one)
	return nil
}

// shownSession returns what a session is made of; of one that was not admitted
// yet, what it is to be made of.
func (s *Server) shownSession(ctx context.Context, name string, now status.Status) (wire.Session, bool) {
	owner, there := s.Host.Owner(name)
	if !there {
		return wire.Session{}, false
	}
	one := wire.Session{Name: name, Owner: owner, Root: now.Root}
	asked, admitted := s.Host.Known(name)
	if asked != nil {
		one.Annotations, one.Source = asked.Annotations, asked.Spec.OpenSource
	}
	switch {
	case admitted != nil:
		one.Chroot, one.Spec, one.Source = admitted.ChrootName, shown(admitted.Chroot), admitted.Session.OpenSource
	case asked != nil && asked.Spec.Chroot != nil:
		one.Spec = shown(*asked.Spec.Chroot)
	case asked != nil && asked.Spec.ChrootRef != nil:
		one.Chroot = asked.Spec.ChrootRef.Name
		if c, there := s.Host.Chroot(one.Chroot); there {
			one.Spec = shownChroot(c).Spec
		}
	}
	if owner != nil {
		who := s.person(ctx, *owner)
		one.OwnerName = who.Name
		one.OwnerIsRoot = access.Decide(access.Request{
			Who: who, What: access.Enter, Session: name, Chroot: one.Chroot, Lists: one.Spec.Access, Source: one.Source, Owner: owner,
		}) == nil
	}
	return one, true
}

// person looks somebody up who is not there, as far as the host knows them.
func (s *Server) person(ctx context.Context, uid int) access.Person {
	who := access.Person{UID: uid}
	account, err := s.People.ByID(ctx, uid)
	if err != nil {
		return who
	}
	who.Name = account.Name
	for _, gid := range account.Groups {
		who.Groups = append(who.Groups, s.People.GroupName(ctx, gid))
	}
	return who
}
