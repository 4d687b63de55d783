package socket

import (
	"context"
	"os/user"
	"strconv"
)

// Local looks people up in the host's own files first, which takes no process;
// who is not in them is looked for by the next.
type Local struct{ Next People }

// ByID implements People.
func (l Local) ByID(ctx context.Context, uid int) (Account, error) {
	u, err := user.LookupId(strconv.Itoa(uid))
	if err != nil {
		return l.Next.ByID(ctx, uid)
	}
	return l.account(ctx, u)
}

// ByName implements People.
func (l Local) ByName(ctx context.Context, name string) (Account, error) {
	u, err := user.Lookup(name)
	if err != nil {
		return l.Next.ByName(ctx, name)
	}
	return l.account(ctx, u)
}

// account fills in what the files say. Groups that only a directory service
// knows are not among them: those of the caller are the kernel's word anyway.
func (l Local) account(ctx context.Context, u *user.User) (Account, error) {
	a := Account{Name: u.Username, Home: u.HomeDir}
	var err error
	if a.UID, err = strconv.Atoi(u.Uid); err == nil {
		a.GID, err = strconv.Atoi(u.Gid)
	}
	if err != nil {
		return l.Next.ByName(ctx, u.Username)
	}
	ids, err := u.GroupIds()
	if err != nil {
		return l.Next.ByName(ctx, u.Username)
	}
	for _, id := range ids {
		gid, err := strconv.Atoi(id)
		if err != nil {
			return l.Next.ByName(ctx, u.Username)
		}
		a.Groups = append(a.Groups, gid)
	}
	return a, nil
}

// GroupName implements People.
func (l Local) GroupName(ctx context.Context, gid int) string {
	if g, err := user.LookupGroupId(strconv.Itoa(gid)); err == nil {
		return g.Name
	}
	return l.Next.GroupName(ctx, gid)
}
