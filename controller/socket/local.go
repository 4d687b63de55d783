package socket

import (
	"context"
	"slices"

	"github.com/moby/sys/user"
)

// The host's own files, passwd(5) and group(5).
const (
	passwdFile = "/etc/passwd"
	groupFile  = "/etc/group"
)

// Local looks people up in the host's own files first, which takes no process;
// who is not in them is looked for by the next.
type Local struct{ Next People }

// ByID implements People. Groups that only a directory service knows are not
// among the account's: those of whoever asks are the kernel's word anyway.
func (l Local) ByID(ctx context.Context, uid int) (Account, error) {
	found, err := user.ParsePasswdFileFilter(passwdFile, func(u user.User) bool { return u.Uid == uid })
	if err != nil || len(found) == 0 {
		return l.Next.ByID(ctx, uid)
	}
	u := found[0]
	a := Account{UID: u.Uid, GID: u.Gid, Name: u.Name, Home: u.Home, Shell: u.Shell, Groups: []int{u.Gid}}
	groups, err := user.ParseGroupFileFilter(groupFile, func(g user.Group) bool { return slices.Contains(g.List, u.Name) })
	if err != nil {
		return l.Next.ByID(ctx, uid)
	}
	for _, g := range groups {
		a.Groups = append(a.Groups, g.Gid)
	}
	slices.Sort(a.Groups)
	a.Groups = slices.Compact(a.Groups)
	return a, nil
}

// ByName implements People. Whoever becomes somebody else has all of their
// groups, so the next is asked first, who knows them.
func (l Local) ByName(ctx context.Context, name string) (Account, error) {
	a, err := l.Next.ByName(ctx, name)
	if err == nil {
		return a, nil
	}
	found, mistake := user.ParsePasswdFileFilter(passwdFile, func(u user.User) bool { return u.Name == name })
	if mistake != nil || len(found) == 0 {
		return a, err
	}
	return l.ByID(ctx, found[0].Uid)
}

// GroupName implements People.
func (l Local) GroupName(ctx context.Context, gid int) string {
	found, err := user.ParseGroupFileFilter(groupFile, func(g user.Group) bool { return g.Gid == gid })
	if err == nil && len(found) > 0 {
		return found[0].Name
	}
	return l.Next.GroupName(ctx, gid)
}
