package controller

import (
	"fmt"

	"coppice.dev/reconcile/fault"
	"coppice.dev/reconcile/object"
)

// saveLater has what was written into an archive not be packed while processes
// are inside, who may write meanwhile; it is looked again whether they have left.
func (p *pass) saveLater() {
	s := &p.record.Session.Session
	done, inside := 0, p.inside()
	if tree, there := treeOf(p.world); there {
		done = tree.Save
	}
	if s.Save <= done || len(inside) == 0 {
		return
	}
	s.Save = done
	p.unsaved = fmt.Sprintf("what was written is saved when those inside have left: %s", fault.Holders(inside))
	p.comeBack(forThoseInside)
}

// treeOf returns the archive that a session has unpacked for itself.
func treeOf(world object.World) (object.Tree, bool) {
	for _, o := range world.Objects {
		if tree, is := o.Spec.(object.Tree); is {
			return tree, true
		}
	}
	return object.Tree{}, false
}
