// Package access decides who may do what with sessions. It is one plain function
// over values: it looks nobody up, asks nothing and remembers nothing.
//
//   - Root of the host may do everything.
//   - Who is in a chroot's users or groups may begin sessions of it, and run
//     commands as themselves in those that are theirs, and in those that nobody
//     began: sessions that a manifest of root's asks for.
//   - Who is in its rootUsers or rootGroups may do so as root, too.
//   - Of sessions that open the chroot's source itself, all that is decided by its
//     source's lists of these names instead: who may use a chroot may not change it.
//   - A session that somebody began is theirs alone.
//   - Nobody but root of the host becomes a third person.
package access

import (
	"fmt"
	"slices"
	"strings"

	"coppice.dev/spec"
)

// Person is somebody of the host.
type Person struct {
	UID  int
	Name string
	// Groups are the names of the groups that the person is in.
	Groups []string
}

// String returns "alice (1000)".
func (p Person) String() string {
	if p.Name == "" {
		return fmt.Sprintf("user %d", p.UID)
	}
	return fmt.Sprintf("%s (%d)", p.Name, p.UID)
}

// Action is what somebody wants to do.
type Action string

// The actions.
const (
	Begin Action = "begin" // a session of a chroot
	Enter Action = "enter" // run a command in a session
	End   Action = "end"   // end a session
	Save  Action = "save"  // what was written into an archive that it has open
	// Govern is to say that a session is left as it is, or put right, and to see what
	// would be done: the host's own matter.
	Govern Action = "govern"
)

// Request is what is to be decided on.
type Request struct {
	Who  Person
	What Action
	// Session is the session's name, for End and Enter.
	Session string
	// As is who the command is to run as, for Enter.
	As Person
	// Chroot is the chroot's name, and Lists are who may use it; nil is nobody.
	Chroot string
	Lists  *spec.Access
	// Source is set for a session that opens the chroot's source for writing.
	Source bool
	// Set are the variables that the hooks are to be told, for Begin, and Variables
	// are those that may be set.
	Set       []string
	Variables *spec.HookVariables
	// Owner is the number of the user who began the session; nil if nobody did.
	Owner *int
	// OwnerName is what they are called, if anybody knows.
	OwnerName string
}

// RefusedError says why something may not be done.
type RefusedError struct{ Why string }

// Error implements error.
func (r *RefusedError) Error() string { return r.Why }

// Decide returns nil if the request is granted, else a *RefusedError.
func Decide(r Request) error {
	if r.Who.UID == 0 {
		return nil
	}
	if r.What == Govern {
		return refuse("only root may say what becomes of sessions, and see what would")
	}
	if r.What != Begin && r.Owner != nil && *r.Owner != r.Who.UID {
		return refuse("session %s belongs to %s, who alone may %s it, beside root", r.Session, Person{UID: *r.Owner, Name: r.OwnerName}, r.What)
	}
	switch {
	case r.What == End && r.Owner == nil:
		return refuse("session %s was asked for by a manifest, and ends when root takes that away", r.Session)
	case r.What == Save && r.Owner == nil:
		return refuse("session %s was asked for by a manifest; what was written in it is saved when root raises spec.save there", r.Session)
	case r.What == End:
		return nil
	case r.What == Enter && r.As.UID != r.Who.UID && r.As.UID != 0:
		return refuse("%s may run commands as themselves, or as root where they are listed for that; to run one as %s be root of the host", r.Who, r.As)
	}
	lists := r.lists()
	asRoot := listed(r.Who, lists.RootUsers, lists.RootGroups)
	if r.What == Enter && r.As.UID == 0 {
		if asRoot {
			return nil
		}
		return r.missing(" as root", "rootUsers", lists.RootUsers, "rootGroups", lists.RootGroups)
	}
	if asRoot || listed(r.Who, lists.Users, lists.Groups) {
		return r.maySet(asRoot)
	}
	return r.missing("", "users", lists.Users, "groups", lists.Groups)
}

// maySet decides on the variables that hooks are to be told.
func (r Request) maySet(asRoot bool) error {
	var may spec.HookVariables
	if r.Variables != nil {
		may = *r.Variables
	}
	for _, name := range r.Set {
		switch {
		case slices.Contains(may.Users, name), asRoot && slices.Contains(may.RootUsers, name):
		case slices.Contains(may.RootUsers, name):
			return refuse("%s may not set %s for the hooks of a session of chroot %s: only who may be root in it may; have root add you to one of its lists for that", r.Who, name, r.Chroot)
		default:
			return refuse("%s may not set %s for the hooks of a session of chroot %s: its hookVariables do not name it; have root add it", r.Who, name, r.Chroot)
		}
	}
	return nil
}

// lists returns who may do that; nobody if nobody says so.
func (r Request) lists() spec.Access {
	switch {
	case r.Lists == nil, r.Source && r.Lists.Source == nil:
		return spec.Access{}
	case r.Source:
		s := r.Lists.Source
		return spec.Access{Users: s.Users, Groups: s.Groups, RootUsers: s.RootUsers, RootGroups: s.RootGroups}
	}
	return *r.Lists
}

func listed(p Person, users, groups []string) bool {
	return slices.Contains(users, p.Name) && p.Name != "" || slices.ContainsFunc(p.Groups, func(g string) bool {
		return g != "" && slices.Contains(groups, g)
	})
}

// missing says which lists somebody is not in, and what is in them.
func (r Request) missing(as, users string, names []string, groups string, groupNames []string) error {
	session := "session " + r.Session
	if r.Chroot != "" {
		session = "a session of chroot " + r.Chroot
	}
	if r.Source {
		session += " that opens its source"
		users, groups = "access.source."+users, "access.source."+groups
	}
	return refuse("%s may not %s %s%s: %s, and %s; have root add you to one of them",
		r.Who, r.What, session, as, unlisted("not in", users, names), unlisted("in none of", groups, groupNames))
}

// unlisted says that somebody is not in a list, and who is.
func unlisted(where, list string, names []string) string {
	if len(names) == 0 {
		return "its " + list + " are empty"
	}
	return fmt.Sprintf("%s its %s (%s)", where, list, strings.Join(names, ", "))
}

func refuse(format string, args ...any) error { return &RefusedError{fmt.Sprintf(format, args...)} }
