package plan

import (
	"fmt"
	"slices"

	"coppice.dev/reconcile/object"
)

// groupsOf says in which groups a kind is found: how an unseen object of that
// kind might stand in the order of making.
var groupsOf = map[object.Kind]object.Group{
	object.KindHome:      object.GroupHome,
	object.KindImage:     object.GroupDevice,
	object.KindSnapshot:  object.GroupDevice,
	object.KindVolume:    object.GroupDevice,
	object.KindDisk:      object.GroupLayer,
	object.KindTree:      object.GroupLayer,
	object.KindStore:     object.GroupLayer,
	object.KindQuota:     object.GroupLayer,
	object.KindUpper:     object.GroupWrite,
	object.KindNamespace: object.GroupRoot,
	object.KindMount:     object.GroupMounts,
	object.KindProcesses: object.GroupInside,
	object.KindView:      object.GroupView,
	object.KindFile:      object.GroupTask,
	object.KindHook:      object.GroupTask,
}

// blocks reports whether blindness forbids a step on the object of that kind at
// that address, and says why (rule 5).
func (d *difference) blocks(op Op, kind object.Kind, a object.Address) (string, bool) {
	for _, unseen := range d.blindKinds() {
		group, known := groupsOf[unseen]
		switch {
		case unseen == kind, !known:
		case op == Create && group < a.Group():
		case op == Destroy && group > a.Group() && !goesAlong(unseen, kind):
		default:
			continue
		}
		return fmt.Sprintf("%s objects could not be looked at: %s", unseen, d.blind[unseen]), true
	}
	return "", false
}

// goesAlong reports whether an unseen object of one kind cannot outlive an
// object of the other: a mount lives in its namespace. A task is no more than an
// entry in the home, but what it did may have to be undone first, so it is not
// among them.
func goesAlong(unseen, with object.Kind) bool {
	return unseen == object.KindMount && with == object.KindNamespace
}

// blindKinds returns the kinds not seen, in a fixed order, so that equal worlds
// give equal plans.
func (d *difference) blindKinds() []object.Kind {
	var kinds []object.Kind
	for kind := range d.blind {
		kinds = append(kinds, kind)
	}
	slices.Sort(kinds)
	return kinds
}
