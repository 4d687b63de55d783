// Package branches arranges what was made for a session as people think of it: what it
// shares with others by owner, mounts by their paths below the root, everything else by
// its place in the order of making. It knows nothing of how that is shown.
package branches

import (
	"slices"
	"strings"

	"coppice.dev/reconcile/object"
	"coppice.dev/status"
)

// Branch is an object, or something that holds some, with what is below it.
type Branch struct {
	// Label is the object's name in the order of making, or a mount's path.
	Label string
	// Object is the object; nil for what holds some.
	Object *status.Object
	// Shared are the other sessions that a base is shared with; Base says that it is one.
	Base   bool
	Shared []string
	Subs   []*Branch

	path string // of a mount, to put others below it
}

// Of arranges a session's objects; sharers returns the other sessions that use a base.
func Of(f status.File, sharers func(owner string) []string) []*Branch {
	root := &Branch{}
	bases := map[string]*Branch{}
	var namespace, tasks *Branch
	for _, o := range f.Status.Objects {
		address := object.Address(o.Address)
		at := root
		label := address.Name()
		switch {
		case o.Owner != "":
			if bases[o.Owner] == nil {
				bases[o.Owner] = root.add(&Branch{Label: o.Owner, Base: true, Shared: sharers(o.Owner)})
			}
			at = bases[o.Owner]
		case address.Group() == object.GroupMounts && namespace != nil:
			label = "/" + label
			at = namespace.below(label)
		case address.Group() == object.GroupTask:
			if tasks == nil {
				tasks = root.add(&Branch{Label: "tasks"})
			}
			at = tasks
		}
		made := at.add(&Branch{Label: label, Object: &o})
		switch address.Group() {
		case object.GroupRoot:
			namespace = made
		case object.GroupMounts:
			made.path = label
		}
	}
	return root.Subs
}

// Sharers tells which other sessions use a base.
func Sharers(all []status.File, except string) func(owner string) []string {
	return func(owner string) []string {
		var names []string
		for _, f := range all {
			uses := slices.ContainsFunc(f.Status.Objects, func(o status.Object) bool { return o.Owner == owner })
			if uses && f.Metadata.Name != except {
				names = append(names, f.Metadata.Name)
			}
		}
		return names
	}
}

func (b *Branch) add(sub *Branch) *Branch {
	b.Subs = append(b.Subs, sub)
	return sub
}

// below finds the deepest mount that the path lies below.
func (b *Branch) below(path string) *Branch {
	for _, sub := range b.Subs {
		if sub.path != "" && strings.HasPrefix(path, sub.path+"/") {
			return sub.below(path)
		}
	}
	return b
}
