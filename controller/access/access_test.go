package access

import (
	"strings"
	"testing"

	"coppice.dev/spec"
)

var (
	root  = Person{UID: 0, Name: "root"}
	alice = Person{UID: 1000, Name: "alice", Groups: []string{"alice", "sbuild"}}
	bob   = Person{UID: 1001, Name: "bob", Groups: []string{"bob", "admins"}}
	carol = Person{UID: 1002, Name: "carol", Groups: []string{"carol"}}
	ghost = Person{UID: 4242} // the host knows no name of this one
)

// TestTheSourceHasListsOfItsOwn: who may use a chroot may not change it, nor the
// other way round.
func TestTheSourceHasListsOfItsOwn(t *testing.T) {
	uses := &spec.Access{Users: []string{"alice"}, RootUsers: []string{"alice"}, RootGroups: []string{"admins"}}
	keeps := &spec.Access{Source: &spec.SourceAccess{Groups: []string{"sbuild"}, RootGroups: []string{"admins"}}}
	for _, row := range []struct {
		name   string
		who    Person
		what   Action
		as     Person
		lists  *spec.Access
		source bool
		want   string // part of the refusal
	}{
		{"who uses it begins", alice, Begin, Person{}, uses, false, ""},
		{"who uses it opens the source", alice, Begin, Person{}, uses, true, "a session of chroot c that opens its source: its access.source.users are empty"},
		{"who uses it as root enters", alice, Enter, root, uses, true, "as root: its access.source.rootUsers are empty"},
		{"who keeps it begins", alice, Begin, Person{}, keeps, false, "its users are empty"},
		{"who keeps it opens the source", alice, Begin, Person{}, keeps, true, ""},
		{"who keeps it enters", alice, Enter, alice, keeps, true, ""},
		{"who keeps it enters as root", alice, Enter, root, keeps, true, "in none of its access.source.rootGroups (admins)"},
		{"who keeps it as root enters", bob, Enter, root, keeps, true, ""},
		{"somebody opens the source", carol, Begin, Person{}, keeps, true, "in none of its access.source.groups (sbuild)"},
		{"nobody is listed", alice, Begin, Person{}, nil, true, "access.source.users are empty"},
		{"root opens the source", root, Begin, Person{}, nil, true, ""},
		{"root saves", root, Save, Person{}, nil, true, ""},
		{"who keeps it saves what a manifest asks for", alice, Save, Person{}, keeps, true, "asked for by a manifest"},
	} {
		err := Decide(Request{Who: row.who, What: row.what, Session: "s", As: row.as, Chroot: "c", Lists: row.lists, Source: row.source})
		if (err == nil) != (row.want == "") || err != nil && !strings.Contains(err.Error(), row.want) {
			t.Errorf("%s: %v, want %q", row.name, err, row.want)
		}
	}
}

// TestSaveIsForWhoBeganIt and may still change the source.
func TestSaveIsForWhoBeganIt(t *testing.T) {
	keeps := &spec.Access{Source: &spec.SourceAccess{Groups: []string{"sbuild"}}}
	for _, row := range []struct {
		who   Person
		owner int
		want  string // part of the refusal
	}{
		{alice, 1000, ""}, {alice, 1001, "belongs to user 1001"}, {carol, 1002, "access.source.users"}, {root, 1000, ""},
	} {
		err := Decide(Request{Who: row.who, What: Save, Session: "s", Chroot: "c", Lists: keeps, Source: true, Owner: &row.owner})
		if (err == nil) != (row.want == "") || err != nil && !strings.Contains(err.Error(), row.want) {
			t.Errorf("%s saves what is of user %d: %v, want %q", row.who, row.owner, err, row.want)
		}
	}
}

func TestDecide(t *testing.T) {
	lists := &spec.Access{Users: []string{"dave"}, Groups: []string{"sbuild"}, RootUsers: []string{"erin"}, RootGroups: []string{"admins"}}
	users := &spec.Access{Users: []string{"alice"}}
	rootUsers := &spec.Access{RootUsers: []string{"alice"}}
	uid := func(n int) *int { return &n }
	const granted = ""
	for _, row := range []struct {
		name  string
		who   Person
		what  Action
		as    Person
		lists *spec.Access
		owner *int
		want  string // part of the refusal
	}{
		{"root begins", root, Begin, Person{}, nil, nil, granted},
		{"root enters as root", root, Enter, root, nil, nil, granted},
		{"root enters as anybody", root, Enter, carol, nil, nil, granted},
		{"root enters what is somebody's", root, Enter, root, lists, uid(1000), granted},
		{"root ends what a manifest asks for", root, End, Person{}, nil, nil, granted},
		{"root ends what is somebody's", root, End, Person{}, nil, uid(1000), granted},

		{"by a group", alice, Begin, Person{}, lists, nil, granted},
		{"by name", alice, Begin, Person{}, users, nil, granted},
		{"by a root list", bob, Begin, Person{}, lists, nil, granted},
		{"by a root list, by name", alice, Begin, Person{}, rootUsers, nil, granted},
		{"by no list", carol, Begin, Person{}, lists, nil, "not in its users (dave), and in none of its groups (sbuild)"},
		{"no lists at all", alice, Begin, Person{}, nil, nil, "its users are empty"},
		{"empty lists", alice, Begin, Person{}, &spec.Access{}, nil, "its groups are empty"},
		{"nobody has no name", ghost, Begin, Person{}, &spec.Access{Users: []string{""}, Groups: []string{""}}, nil, "user 4242"},
		{"a group is no user", alice, Begin, Person{}, &spec.Access{Users: []string{"sbuild"}}, nil, "not in its users"},
		{"a user is no group", alice, Begin, Person{}, &spec.Access{Groups: []string{"dave"}}, nil, "in none of its groups"},

		{"as oneself", alice, Enter, alice, lists, nil, granted},
		{"as oneself, by a root list", bob, Enter, bob, lists, nil, granted},
		{"as oneself, by no list", carol, Enter, carol, lists, nil, "carol (1002) may not enter a session of chroot c: not in its users"},
		{"as root", bob, Enter, root, lists, nil, granted},
		{"as root, by name", alice, Enter, root, rootUsers, nil, granted},
		{"as root, by no root list", alice, Enter, root, lists, nil, "as root: not in its rootUsers (erin), and in none of its rootGroups (admins)"},
		{"as root, listed as a user only", alice, Enter, root, users, nil, "its rootUsers are empty"},
		{"as somebody else", alice, Enter, bob, lists, nil, "as themselves"},
		{"as somebody else, by a root list", bob, Enter, alice, lists, nil, "be root of the host"},
		{"one's own", alice, Enter, alice, lists, uid(1000), granted},
		{"one's own, and no longer listed", carol, Enter, carol, lists, uid(1002), "not in its users"},
		{"one's own as root", bob, Enter, root, lists, uid(1001), granted},
		{"one's own as root, by no root list", alice, Enter, root, lists, uid(1000), "rootUsers"},
		{"somebody else's", alice, Enter, alice, lists, uid(1001), "belongs to user 1001"},
		{"somebody else's, by a root list", bob, Enter, root, lists, uid(1000), "belongs to user 1000"},
		{"root's own", alice, Enter, alice, lists, uid(0), "belongs to user 0"},
		{"nobody's whose number could not be read", alice, Enter, alice, lists, uid(-1), "belongs to user -1"},

		{"end one's own", alice, End, Person{}, lists, uid(1000), granted},
		{"end one's own, and no longer listed", carol, End, Person{}, lists, uid(1002), granted},
		{"end somebody else's", alice, End, Person{}, lists, uid(1001), "who alone may end it"},
		{"end what a manifest asks for", alice, End, Person{}, lists, nil, "asked for by a manifest"},
		{"end what a manifest asks for, by a root list", bob, End, Person{}, lists, nil, "asked for by a manifest"},
	} {
		err := Decide(Request{Who: row.who, What: row.what, Session: "s", As: row.as, Chroot: "c", Lists: row.lists, Owner: row.owner})
		switch {
		case row.want == granted && err != nil:
			t.Errorf("%s: refused: %v", row.name, err)
		case row.want != granted && err == nil:
			t.Errorf("%s: granted", row.name)
		case row.want != granted && !strings.Contains(err.Error(), row.want):
			t.Errorf("%s: refused with %q, want %q in it", row.name, err, row.want)
		}
	}
}

// TestVariables: who begins a session may tell its hooks what the chroot lets them,
// and root anything.
func TestVariables(t *testing.T) {
	lists := &spec.Access{Users: []string{"alice"}, RootUsers: []string{"bob"}}
	may := &spec.HookVariables{Users: []string{"FLAVOUR"}, RootUsers: []string{"MIRROR"}}
	for _, row := range []struct {
		who  Person
		set  []string
		may  *spec.HookVariables
		want string // part of the refusal
	}{
		{alice, nil, nil, ""},
		{alice, []string{"FLAVOUR"}, may, ""},
		{bob, []string{"FLAVOUR", "MIRROR"}, may, ""},
		{root, []string{"PATH"}, nil, ""},
		{alice, []string{"FLAVOUR"}, nil, "alice (1000) may not set FLAVOUR for the hooks of a session of chroot c: its hookVariables do not name it"},
		{alice, []string{"FLAVOUR", "MIRROR"}, may, "may not set MIRROR for the hooks of a session of chroot c: only who may be root in it may"},
		{bob, []string{"FLAVOUR", "PATH"}, may, "may not set PATH"},
		{carol, []string{"FLAVOUR"}, may, "its users (alice)"},
	} {
		err := Decide(Request{Who: row.who, What: Begin, Session: "s", Chroot: "c", Lists: lists, Set: row.set, Variables: row.may})
		if (err == nil) != (row.want == "") || err != nil && !strings.Contains(err.Error(), row.want) {
			t.Errorf("%s sets %v: %v, want %q", row.who, row.set, err, row.want)
		}
	}
}
