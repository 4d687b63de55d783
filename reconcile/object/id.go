package object

import (
	"cmp"
	"fmt"
	"strings"
)

// Class is the kind of owner that an object has.
type Class string

// The classes of owner.
const (
	// Session owns what one session is made of.
	Session Class = "session"
	// Base owns what sessions share: a mounted image, an unpacked archive. A
	// base is wanted exactly while some session wants it.
	Base Class = "base"
)

// Owner is who an object belongs to. Its text form is "class/name".
type Owner struct {
	Class Class
	Name  string
}

// SessionOwner returns the owner of the named session's objects.
func SessionOwner(name string) Owner { return Owner{Session, name} }

// BaseOwner returns the owner of the objects of the base with that key.
func BaseOwner(key string) Owner { return Owner{Base, key} }

// String returns "class/name".
func (o Owner) String() string { return string(o.Class) + "/" + o.Name }

// MarshalText implements encoding.TextMarshaler.
func (o Owner) MarshalText() ([]byte, error) { return []byte(o.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (o *Owner) UnmarshalText(text []byte) error {
	parsed, err := ParseOwner(string(text))
	if err != nil {
		return err
	}
	*o = parsed
	return nil
}

// ParseOwner reads the text form of an owner.
func ParseOwner(text string) (Owner, error) {
	class, name, found := strings.Cut(text, "/")
	if !found || name == "" || strings.Contains(name, "/") || (Class(class) != Session && Class(class) != Base) {
		return Owner{}, fmt.Errorf("parse owner %q: want session/NAME or base/KEY", text)
	}
	return Owner{Class(class), name}, nil
}

// Group is the first component of an address: the rank in the order of making.
type Group int

// The groups, in the order in which they are made.
const (
	GroupHome   Group = iota // the owner's folder, which remembers what was admitted
	GroupDevice              // a loop device with its mount, a snapshot
	GroupLayer               // an unpacked tree, the mount of a block device, the store of an upper
	GroupWrite               // the session's own layer
	GroupRoot                // the mount namespace and its root
	GroupMounts              // mounts inside the namespace
	GroupInside              // the processes inside
	GroupView                // what the host sees of the session
	GroupTask                // files copied in, hooks run
)

var groupNames = [...]string{
	"0-home", "1-device", "2-layer", "3-write", "4-root", "5-mounts", "6-inside", "7-view", "8-task",
}

// String returns the group as it stands in an address, such as "4-root".
func (g Group) String() string {
	if g < 0 || int(g) >= len(groupNames) {
		return fmt.Sprintf("%d-unknown", int(g))
	}
	return groupNames[g]
}

// Address is an object's place among the objects of its owner, "4-root/namespace".
// Comparing addresses as strings gives the order of making; a mount's address
// ends in its target, so a parent always stands before what is mounted below it.
type Address string

// At returns the address of the named object in group g.
func At(g Group, name string) Address {
	return Address(g.String() + "/" + strings.TrimPrefix(name, "/"))
}

// Group returns the group of the address, or -1 if there is none such.
func (a Address) Group() Group {
	first, _, _ := strings.Cut(string(a), "/")
	for i, name := range groupNames {
		if first == name {
			return Group(i)
		}
	}
	return -1
}

// Name returns what follows the group.
func (a Address) Name() string {
	_, rest, _ := strings.Cut(string(a), "/")
	return rest
}

// Below reports whether a names something mounted below the target of b.
func (a Address) Below(b Address) bool {
	return strings.HasPrefix(string(a), string(b)+"/")
}

// ID names an object: whose it is and where it stands.
type ID struct {
	Owner   Owner   `json:"owner"`
	Address Address `json:"address"`
}

// String returns "class/name:group/rest".
func (id ID) String() string { return id.Owner.String() + ":" + string(id.Address) }

// Compare orders IDs by owner, then in the order of making.
func (id ID) Compare(other ID) int {
	return cmp.Or(
		cmp.Compare(id.Owner.Class, other.Owner.Class),
		cmp.Compare(id.Owner.Name, other.Owner.Name),
		cmp.Compare(id.Address, other.Address),
	)
}
