package plan_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"coppice.dev/reconcile/object"
	"coppice.dev/reconcile/plan"
)

var owner = object.SessionOwner("s")

func at(a string, s object.Spec) object.Object {
	return object.Object{ID: object.ID{Owner: owner, Address: object.Address(a)}, Spec: s}
}

// The parts of a session that the rows below are put together from.
var (
	home      = at("0-home/home", object.Home{Admitted: []byte(`"first"`)})
	upper     = at("3-write/upper", object.Upper{Dir: "/u", Work: "/w"})
	namespace = at("4-root/namespace", object.Namespace{Type: object.RootOverlay, Upper: "/u", Layers: []object.Layer{{Path: "/l"}}})
	dev       = at("5-mounts/dev", object.Mount{Type: "dev", Target: "/dev"})
	pts       = at("5-mounts/dev/pts", object.Mount{Type: "devpts", Target: "/dev/pts"})
	proc      = at("5-mounts/proc", object.Mount{Type: "proc", Target: "/proc"})
	processes = at("6-inside/processes", object.Processes{})
	view      = at("7-view/root", object.View{Path: "/v"})
	tree      = at("7-view/root", object.View{Path: "/v", Tree: true})
	hook      = at("8-task/3-hook/000-warm", object.Hook{Name: "warm", Command: []string{"true"}})

	volume = at("1-device/volume", object.Volume{Name: "v"})
	disk   = at("2-layer/disk", object.Disk{Device: "/dev/v"})
	store  = at("2-layer/store", object.Store{File: "/i", Size: 1})

	all = []object.Object{home, upper, namespace, dev, pts, proc, processes, view, hook}
)

// amended and replaced are other forms of objects above, for the same address.
var (
	otherHome      = at("0-home/home", object.Home{Admitted: []byte(`"second"`)})
	readOnlyProc   = at("5-mounts/proc", object.Mount{Type: "proc", Target: "/proc", Flags: []string{"ro"}})
	tmpfsProc      = at("5-mounts/proc", object.Mount{Type: "tmpfs", Target: "/proc"})
	storedRoot     = at("4-root/namespace", object.Namespace{Type: object.RootOverlay, Upper: "/stored/u", Layers: []object.Layer{{Path: "/l"}}})
	otherNamespace = at("4-root/namespace", object.Namespace{Type: object.RootOverlay, Upper: "/u", Layers: []object.Layer{{Path: "/other"}}})
)

func seen(objects ...object.Object) object.World {
	w := object.World{Owner: owner}
	for _, o := range objects {
		w.Objects = append(w.Objects, object.Observed{ID: o.ID, Kind: o.Kind(), Print: object.PrintOf(o.Spec), Spec: o.Spec})
	}
	return w
}

// with returns the world with one object changed.
func with(w object.World, address object.Address, change func(*object.Observed)) object.World {
	for i := range w.Objects {
		if w.Objects[i].Address == address {
			change(&w.Objects[i])
		}
	}
	return w
}

func damaged(why string) func(*object.Observed) {
	return func(o *object.Observed) { o.Damage = why }
}

func blind(w object.World, kinds ...object.Kind) object.World {
	w.Blind = map[object.Kind]string{}
	for _, k := range kinds {
		w.Blind[k] = "it hid"
	}
	return w
}

func without(list []object.Object, gone ...object.Object) []object.Object {
	var rest []object.Object
	for _, o := range list {
		keep := true
		for _, g := range gone {
			keep = keep && g.Address != o.Address
		}
		if keep {
			rest = append(rest, o)
		}
	}
	return rest
}

func replaced(list []object.Object, by object.Object) []object.Object {
	return append(without(list, by), by)
}

func TestMake(t *testing.T) {
	for _, row := range []struct {
		name    string
		desired []object.Object
		world   object.World
		policy  plan.Policy
		want    string
	}{
		{"all is well: do nothing", all, seen(all...), plan.Policy{}, ``},
		{"nothing wanted, nothing there", nil, seen(), plan.Policy{}, ``},
		{"a new session: in order, mounts with the namespace", all, seen(), plan.Policy{}, `
			Create 0-home/home: it is not there
			Create 3-write/upper: it is not there
			Create 4-root/namespace +5-mounts/dev +5-mounts/dev/pts +5-mounts/proc: it is not there
			Create 6-inside/processes: it is not there
			Create 7-view/root: it is not there
			Create 8-task/3-hook/000-warm: it is not there`},
		{"the order of desired does not matter", []object.Object{hook, namespace, home}, seen(), plan.Policy{}, `
			Create 0-home/home: it is not there
			Create 4-root/namespace: it is not there
			Create 8-task/3-hook/000-warm: it is not there`},
		{"nobody wants it: in reverse, mounts with the namespace", nil, seen(all...), plan.Policy{}, `
			Destroy 8-task/3-hook/000-warm: nobody wants it
			Destroy 7-view/root: nobody wants it
			Destroy 6-inside/processes: nobody wants it
			Destroy 4-root/namespace: nobody wants it
			Destroy 3-write/upper: nobody wants it
			Destroy 0-home/home: nobody wants it`},
		{"a half made session goes on from there", all, seen(home, upper), plan.Policy{}, `
			Create 4-root/namespace +5-mounts/dev +5-mounts/dev/pts +5-mounts/proc: it is not there
			Create 6-inside/processes: it is not there
			Create 7-view/root: it is not there
			Create 8-task/3-hook/000-warm: it is not there`},
		{"after a reboot a session's layer is still there, and what it stands on is mounted again", []object.Object{home, volume, disk, upper, namespace}, seen(home, volume, upper), plan.Policy{}, `
			Create 2-layer/disk: it is not there
			Create 4-root/namespace: it is not there`},
		{"the snapshot is gone, and with it what was written above", []object.Object{home, volume, disk, upper}, seen(home, upper), plan.Policy{}, `
			Destroy 3-write/upper: 1-device/volume is made anew
			Create 1-device/volume: it is not there
			Create 2-layer/disk: it is not there
			Create 3-write/upper: 1-device/volume is made anew`},
		{"a store that is to be mounted again or larger takes nothing with it", []object.Object{home, store, upper, namespace}, with(seen(home, store, upper, namespace), store.Address, func(o *object.Observed) { o.Print.Whole = "" }), plan.Policy{}, `
			Amend 2-layer/store: it was made with other settings`},
		{"a store that is gone takes what was in it", []object.Object{home, store, upper}, with(seen(home, store, upper), store.Address, damaged("its image is gone")), plan.Policy{}, `
			Destroy 3-write/upper: 2-layer/store is made anew
			Destroy 2-layer/store: its image is gone
			Create 2-layer/store: its image is gone
			Create 3-write/upper: 2-layer/store is made anew`},
		{"drift: one mount is gone", all, seen(without(all, proc)...), plan.Policy{}, `
			Create 5-mounts/proc: it is not there`},
		{"drift: a mount that carries another", all, seen(without(all, dev)...), plan.Policy{}, `
			Destroy 5-mounts/dev/pts: 5-mounts/dev is made anew
			Create 5-mounts/dev: it is not there
			Create 5-mounts/dev/pts: 5-mounts/dev is made anew`},
		{"a view of the whole tree is taken again when a mount changes", replaced(all, tree), seen(without(replaced(all, tree), proc)...), plan.Policy{}, `
			Destroy 7-view/root: 5-mounts/proc is made anew
			Create 5-mounts/proc: it is not there
			Create 7-view/root: 5-mounts/proc is made anew`},
		{"an optional mount that was left out is nothing to destroy", without(all, proc),
			with(seen(all...), proc.Address, func(o *object.Observed) { o.LeftOut = true }), plan.Policy{}, ``},
		{"settings are changed in place", replaced(all, readOnlyProc), seen(all...), plan.Policy{}, `
			Amend 5-mounts/proc: it was made with other settings`},
		{"another kind of mount replaces the first", replaced(all, tmpfsProc), seen(all...), plan.Policy{}, `
			Destroy 5-mounts/proc: it was made otherwise
			Create 5-mounts/proc: it was made otherwise`},
		{"a mount less", without(all, proc), seen(all...), plan.Policy{}, `
			Destroy 5-mounts/proc: nobody wants it`},
		{"the record is rewritten", replaced(all, otherHome), seen(all...), plan.Policy{}, `
			Amend 0-home/home: it was made with other settings`},
		{"a record that cannot be read is rewritten", all,
			with(seen(all...), home.Address, func(o *object.Observed) { o.Print, o.Spec = object.Print{}, nil }), plan.Policy{}, `
			Amend 0-home/home: it was made with other settings`},
		{"a root that differs stays, unless the policy says so", replaced(all, otherNamespace), seen(all...), plan.Policy{}, `
			held Destroy 4-root/namespace (Policy): it was made otherwise, and replacing it would end the session`},
		{"and what it stands on stays with it, wanted or not", replaced(without(all, upper), otherNamespace), seen(all...), plan.Policy{}, `
			held Destroy 3-write/upper (Policy): nobody wants it, but what stands on it is kept
			held Destroy 4-root/namespace (Policy): it was made otherwise, and replacing it would end the session`},
		{"and is replaced if it does", replaced(all, otherNamespace), seen(all...), plan.Policy{Replace: true}, `
			Destroy 7-view/root: 4-root/namespace is made anew
			Destroy 4-root/namespace: it was made otherwise
			Create 4-root/namespace +5-mounts/dev +5-mounts/dev/pts +5-mounts/proc: it was made otherwise
			Create 7-view/root: 4-root/namespace is made anew`},
		{"the pin was dropped by hand: the view is of a root that is gone", all,
			seen(without(all, namespace, dev, pts, proc)...), plan.Policy{}, `
			Destroy 7-view/root: 4-root/namespace is made anew
			Create 4-root/namespace +5-mounts/dev +5-mounts/dev/pts +5-mounts/proc: it is not there
			Create 7-view/root: 4-root/namespace is made anew`},
		{"damage to the own layer takes everything on it along", all,
			with(seen(all...), upper.Address, damaged("written without syncs")), plan.Policy{}, `
			Destroy 8-task/3-hook/000-warm: 3-write/upper is made anew
			Destroy 7-view/root: 3-write/upper is made anew
			Destroy 4-root/namespace: 3-write/upper is made anew
			Destroy 3-write/upper: written without syncs
			Create 3-write/upper: written without syncs
			Create 4-root/namespace +5-mounts/dev +5-mounts/dev/pts +5-mounts/proc: 3-write/upper is made anew
			Create 7-view/root: 3-write/upper is made anew
			Create 8-task/3-hook/000-warm: 3-write/upper is made anew`},
		{"but not under the feet of whoever is inside", all,
			with(with(seen(all...), upper.Address, damaged("written without syncs")), processes.Address,
				func(o *object.Observed) { o.Users = []object.Process{{PID: 7}} }), plan.Policy{}, `
			held Destroy 3-write/upper (InUse): written without syncs, but processes are inside: 1
			held Destroy 4-root/namespace (InUse): 3-write/upper is made anew, but processes are inside: 1`},
		{"nor is anything made in a namespace that nobody can enter any more", all,
			with(with(seen(without(all, dev, pts, proc, hook)...), namespace.Address, damaged("its pin holds no namespace")), processes.Address,
				func(o *object.Observed) { o.Users = []object.Process{{PID: 7}} }), plan.Policy{}, `
			held Destroy 4-root/namespace (InUse): its pin holds no namespace, but processes are inside: 1`},
		{"nor in a root that has lost its ground", all,
			with(seen(without(all, upper, dev, pts, hook)...), processes.Address,
				func(o *object.Observed) { o.Users = []object.Process{{PID: 7}} }), plan.Policy{}, `
			held Destroy 4-root/namespace (InUse): 3-write/upper is made anew, but processes are inside: 1`},
		{"nor is anything noted in a home that has to wait for them", all,
			with(seen(without(all, home, upper, hook)...), processes.Address,
				func(o *object.Observed) { o.Users = []object.Process{{PID: 7}} }), plan.Policy{}, `
			held Destroy 4-root/namespace (InUse): 0-home/home is made anew, but processes are inside: 1`},
		{"whoever is inside does not keep a session that nobody wants", nil,
			with(seen(all...), processes.Address, func(o *object.Observed) { o.Users = []object.Process{{PID: 7}} }), plan.Policy{}, `
			Destroy 8-task/3-hook/000-warm: nobody wants it
			Destroy 7-view/root: nobody wants it
			Destroy 6-inside/processes: nobody wants it
			Destroy 4-root/namespace: nobody wants it
			Destroy 3-write/upper: nobody wants it
			Destroy 0-home/home: nobody wants it`},
		{"an interrupted hook is undone and run again", all,
			with(seen(all...), hook.Address, damaged("interrupted")), plan.Policy{}, `
			Destroy 8-task/3-hook/000-warm: interrupted
			Create 8-task/3-hook/000-warm: interrupted`},
		{"blind to mounts: a layer that is to lie in a store stays where it is, with its root",
			[]object.Object{home, store, at("3-write/upper", object.Upper{Dir: "/stored/u"}), storedRoot}, blind(seen(home, upper, namespace), object.KindMount), plan.Policy{Replace: true}, `
			held Create 2-layer/store (Blind): Mount objects could not be looked at: it hid
			held Destroy 3-write/upper (Blind): Mount objects could not be looked at: it hid
			held Destroy 4-root/namespace (Blind): Mount objects could not be looked at: it hid`},
		{"blind to views: nothing goes that one might stand on", nil, blind(seen(home, upper, namespace, hook), object.KindView), plan.Policy{}, `
			Destroy 8-task/3-hook/000-warm: nobody wants it
			held Destroy 0-home/home (Blind): View objects could not be looked at: it hid
			held Destroy 3-write/upper (Blind): View objects could not be looked at: it hid
			held Destroy 4-root/namespace (Blind): View objects could not be looked at: it hid`},
		{"blind to mounts: the namespace may go, for they go with it", nil, blind(seen(home, upper, namespace), object.KindMount), plan.Policy{}, `
			Destroy 4-root/namespace: nobody wants it
			held Destroy 0-home/home (Blind): Mount objects could not be looked at: it hid
			held Destroy 3-write/upper (Blind): Mount objects could not be looked at: it hid`},
		{"blind to mounts: an own layer that cannot be made anew takes nothing along", all,
			blind(with(seen(without(all, dev, pts, proc)...), upper.Address, damaged("torn")), object.KindMount), plan.Policy{}, `
			held Destroy 3-write/upper (Blind): Mount objects could not be looked at: it hid
			held Create 5-mounts/dev (Blind): Mount objects could not be looked at: it hid
			held Create 5-mounts/dev/pts (Blind): Mount objects could not be looked at: it hid
			held Create 5-mounts/proc (Blind): Mount objects could not be looked at: it hid`},
		{"blind to trees: a root that cannot be made anew stays, with what it stands on", replaced(without(all, upper), otherNamespace),
			blind(seen(all...), object.KindTree), plan.Policy{Replace: true}, `
			held Destroy 3-write/upper (Blind): nobody wants it, but what stands on it is kept
			held Destroy 4-root/namespace (Blind): Tree objects could not be looked at: it hid`},
		{"blind to namespaces: no second one is made, and nothing on it", all, blind(seen(home, upper), object.KindNamespace), plan.Policy{}, `
			held Create 4-root/namespace (Blind): Namespace objects could not be looked at: it hid
			held Create 5-mounts/dev (Blind): Namespace objects could not be looked at: it hid
			held Create 5-mounts/dev/pts (Blind): Namespace objects could not be looked at: it hid
			held Create 5-mounts/proc (Blind): Namespace objects could not be looked at: it hid
			held Create 6-inside/processes (Blind): Namespace objects could not be looked at: it hid
			held Create 7-view/root (Blind): Namespace objects could not be looked at: it hid
			held Create 8-task/3-hook/000-warm (Blind): Namespace objects could not be looked at: it hid`},
		{"a home remembers what might be there", replaced(without(all, proc), otherHome),
			blind(seen(home, upper, namespace, processes, view, hook), object.KindMount), plan.Policy{}, `
			held Amend 0-home/home (Blind): it remembers what is still there, or may be
			held Create 5-mounts/dev (Blind): Mount objects could not be looked at: it hid
			held Create 5-mounts/dev/pts (Blind): Mount objects could not be looked at: it hid`},
		{"a home remembers a mount until it is gone", replaced(without(all, proc), otherHome), blind(seen(all...), object.KindView), plan.Policy{}, `
			held Amend 0-home/home (Blind): it remembers what is still there, or may be
			held Destroy 5-mounts/proc (Blind): View objects could not be looked at: it hid`},
	} {
		t.Run(row.name, func(t *testing.T) {
			got := text(plan.Make(row.desired, row.world, row.policy))
			if diff := cmp.Diff(lines(row.want), got); diff != "" {
				t.Errorf("plan (-want +got):\n%s", diff)
			}
		})
	}
}

// text returns the plan as one line a step, then one for each difference held.
func text(p plan.Plan) []string {
	var out []string
	for _, s := range p.Steps {
		out = append(out, s.String())
	}
	for _, h := range p.Held {
		out = append(out, "held "+string(h.Op)+" "+string(h.ID.Address)+" ("+string(h.Cause)+"): "+h.Reason)
	}
	return out
}

func lines(s string) []string {
	var out []string
	for line := range strings.Lines(s) {
		if line = strings.TrimSpace(line); line != "" {
			out = append(out, line)
		}
	}
	return out
}
