package compile

import (
	"path/filepath"
	"strings"

	"coppice.dev/reconcile/object"
)

// uidVariable is what a hook is told the session's UID by.
const uidVariable = "COPPICE_UID="

// UID reads the identity of a session whose record was lost from what was made
// for it: the name of its snapshot or volume, or what its hooks were told. "" if nothing
// says it. Under another identity the session would look as if it had been made
// otherwise: its snapshot would be left behind, and its hooks run again.
func UID(world object.World) string {
	for _, o := range world.Objects {
		if o.Kind == object.KindSnapshot {
			if uid, is := strings.CutPrefix(filepath.Base(o.Name), world.Owner.Name+"."); is {
				return uid
			}
		}
		if o.Kind == object.KindVolume {
			if name := filepath.Base(o.Name); strings.HasPrefix(name, "coppice.") {
				return name[strings.LastIndexByte(name, '.')+1:]
			}
		}
		if hook, is := o.Spec.(object.Hook); is {
			for _, variable := range hook.Env {
				if uid, is := strings.CutPrefix(variable, uidVariable); is && uid != "" {
					return uid
				}
			}
		}
	}
	return ""
}
