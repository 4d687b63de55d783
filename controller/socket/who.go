package socket

import (
	"context"
	"errors"
	"net/http"
	"slices"

	"coppice.dev/controller/access"
)

// caller returns who asks: the number is the kernel's word, the name and those
// of the groups are the host's.
func (s *Server) caller(ctx context.Context) (access.Person, Account, error) {
	p, known := peerOf(ctx)
	if !known {
		return access.Person{}, Account{}, fail(http.StatusForbidden, "Forbidden", "nobody knows who you are")
	}
	account, err := s.People.ByID(ctx, p.uid)
	if errors.Is(err, ErrNobody) {
		account, err = Account{UID: p.uid}, nil
	}
	if err != nil {
		return access.Person{}, Account{}, err
	}
	// The groups are those of the process that asks: somebody may have been put
	// into one since, or have left one.
	account.GID, account.Groups = p.gid, p.groups
	who := access.Person{UID: p.uid, Name: account.Name}
	for _, gid := range append([]int{p.gid}, p.groups...) {
		if name := s.People.GroupName(ctx, gid); name != "" && !slices.Contains(who.Groups, name) {
			who.Groups = append(who.Groups, name)
		}
	}
	return who, account, nil
}

// decide decides, and notes what was decided.
func (s *Server) decide(ctx context.Context, r access.Request) error {
	if r.Owner != nil && *r.Owner != r.Who.UID {
		if owner, err := s.People.ByID(ctx, *r.Owner); err == nil {
			r.OwnerName = owner.Name
		}
	}
	err := access.Decide(r)
	s.Decided(string(r.What), err == nil)
	line := s.Log.WithName("access").WithValues("who", r.Who.String(), "what", string(r.What), "session", r.Session, "chroot", r.Chroot)
	if r.Source {
		line = line.WithValues("source", true)
	}
	if r.What == access.Enter {
		line = line.WithValues("as", r.As.String())
	}
	if err != nil {
		line.Info("refused", "why", err.Error())
		return fail(http.StatusForbidden, "Forbidden", "%v", err)
	}
	line.Info("granted")
	return nil
}
