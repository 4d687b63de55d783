// Package crashtest proves on a machine in memory that convergence comes to the
// wanted end from wherever it is begun: after a crash at any effect, with kinds
// that cannot be seen, and from thousands of wrecked machines.
package crashtest

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"testing"

	"coppice.dev/reconcile"
	"coppice.dev/reconcile/fake"
	"coppice.dev/reconcile/object"
	"coppice.dev/reconcile/plan"
)

const (
	session  = "s"
	imageKey = "0123456789ab"
	treeKey  = "ba9876543210"
	diskKey  = "0246813579ac"
)

var (
	owner   = object.SessionOwner(session)
	paths   = fake.New().Layout
	sources = []string{"/srv/a", "/srv/sub", "/srv/base.img", "/srv/base.tar", "/dev/vdb1", "/dev/vg/base", "/home", "/etc/hosts"}
)

// world is what is wanted: a session and the bases it needs.
type world struct {
	name    string
	objects []object.Object
	bases   map[object.Owner][]object.Object
}

func at(o object.Owner, g object.Group, name string, s object.Spec) object.Object {
	return object.Object{ID: object.ID{Owner: o, Address: object.At(g, name)}, Spec: s}
}

// compose puts a home that remembers the rest before it.
func compose(name string, bases map[object.Owner][]object.Object, rest ...object.Object) world {
	for i, o := range rest {
		if view, is := o.Spec.(object.View); is && view.Tree {
			view.Shows = object.Shown(rest)
			rest[i].Spec = view
		}
	}
	text, _ := json.Marshal(name)
	home := at(owner, object.GroupHome, "home", object.Home{Admitted: text, Objects: rest})
	return world{name, append([]object.Object{home}, rest...), bases}
}

func overlay(below string) []object.Object {
	layer := object.Layer{Path: below}
	return []object.Object{
		at(owner, object.GroupWrite, "upper", object.Upper{Dir: paths.Upper(session), Work: paths.Work(session), Model: layer}),
		at(owner, object.GroupRoot, "namespace", object.Namespace{
			Type: object.RootOverlay, Layers: []object.Layer{layer}, Upper: paths.Upper(session), Work: paths.Work(session),
		}),
	}
}

// limited is an overlay whose upper lies in a store.
func limited(below string, size int64) []object.Object {
	layer := object.Layer{Path: below}
	return []object.Object{
		at(owner, object.GroupLayer, "store", object.Store{File: paths.StoreImage(session), Path: paths.Store(session), Size: size}),
		at(owner, object.GroupWrite, "upper", object.Upper{Dir: paths.StoredUpper(session), Work: paths.StoredWork(session), Model: layer}),
		at(owner, object.GroupRoot, "namespace", object.Namespace{
			Type: object.RootOverlay, Layers: []object.Layer{layer}, Upper: paths.StoredUpper(session), Work: paths.StoredWork(session),
		}),
	}
}

// counted is an overlay whose upper a quota limits.
func counted(below string, size int64) []object.Object {
	layer := object.Layer{Path: below}
	return []object.Object{
		at(owner, object.GroupLayer, "quota", object.Quota{Path: paths.Layer(session), Size: size}),
		at(owner, object.GroupWrite, "upper", object.Upper{Dir: paths.LayerUpper(session), Work: paths.LayerWork(session), Model: layer}),
		at(owner, object.GroupRoot, "namespace", object.Namespace{
			Type: object.RootOverlay, Layers: []object.Layer{layer}, Upper: paths.LayerUpper(session), Work: paths.LayerWork(session),
		}),
	}
}

func mounts(list ...object.Mount) []object.Object {
	var objects []object.Object
	for _, m := range list {
		objects = append(objects, at(owner, object.GroupMounts, m.Target, m))
	}
	return objects
}

func inside(tree bool) []object.Object {
	return []object.Object{
		at(owner, object.GroupInside, "processes", object.Processes{}),
		at(owner, object.GroupView, "root", object.View{Path: paths.View(session), Tree: tree}),
	}
}

func tasks() []object.Object {
	return []object.Object{
		at(owner, object.GroupTask, "1-file/etc/hosts", object.File{Source: "/etc/hosts", Target: "/etc/hosts"}),
		at(owner, object.GroupTask, "3-hook/000-a", object.Hook{Name: "a", Phase: "setup", Command: []string{"a"}, Undo: []string{"b"}, Inside: true}),
		at(owner, object.GroupTask, "3-hook/001-b", object.Hook{Name: "b", Phase: "recover", Command: []string{"b"}}),
		at(owner, object.GroupTask, "3-hook/002-c", object.Hook{Name: "c", Phase: "stop", Command: []string{"c"}}),
	}
}

func worlds() []world {
	dev := object.Mount{Type: "dev", Target: "/dev", Flags: []string{"noexec"}}
	pts := object.Mount{Type: "devpts", Target: "/dev/pts"}
	proc := object.Mount{Type: "proc", Target: "/proc"}
	tmp := object.Mount{Type: "tmpfs", Target: "/tmp", Size: 4096}
	bind := object.Mount{Type: "bind", Source: "/home", Target: "/home"}
	left := object.Mount{Type: "bind", Source: "/missing", Target: "/missing", Optional: true}
	opened := []object.Mount{dev, pts, proc, bind, {Type: "tmpfs", Target: fake.Nowhere + "/at/all"}}
	for i := range opened {
		opened[i].Untouched = true
	}
	larger, other, readOnly := tmp, dev, bind
	larger.Size, other.Options, readOnly.Flags = 8192, []string{"mode=0700"}, []string{"ro"}
	usual := mounts(dev, pts, proc, tmp, bind, left)
	base := func(key string, g object.Group, name string, s object.Spec) map[object.Owner][]object.Object {
		o := object.BaseOwner(key)
		return map[object.Owner][]object.Object{o: {at(o, g, name, s)}}
	}
	image := base(imageKey, object.GroupDevice, "image", object.Image{File: "/srv/base.img", FSType: "ext4", Path: paths.BaseMount(imageKey)})
	tree := base(treeKey, object.GroupLayer, "tree", object.Tree{Archive: "/srv/base.tar", Path: paths.BaseTree(treeKey)})
	device := base(diskKey, object.GroupLayer, "disk", object.Disk{Device: "/dev/vdb1", FSType: "ext4", Path: paths.Disk(object.BaseOwner(diskKey))})
	lv := object.Volume{Group: "vg", Origin: "base", Name: "coppice.s.1", Size: "4096", Threshold: 80}
	warned := lv
	warned.Threshold = 90
	mounted := at(owner, object.GroupLayer, "disk", object.Disk{Device: "/dev/vg/coppice.s.1", FSType: "ext4", Path: paths.Disk(owner)})
	root := func(n object.Namespace) object.Object { return at(owner, object.GroupRoot, "namespace", n) }
	own := object.Tree{Archive: "/srv/base.tar", Path: paths.Tree(session)}
	taken := object.Snapshot{Subvolume: "/srv/sub", Path: "/srv/.coppice-snapshots/s.1", Link: paths.SnapshotLink(session)}
	bound := func(path string) object.Object {
		return root(object.Namespace{Type: object.RootBind, Layers: []object.Layer{{Path: path}}})
	}
	return []world{
		{name: "nothing"},
		compose("directory overlay", nil, slices.Concat(overlay("/srv/a"), inside(false))...),
		compose("several mounts", nil, slices.Concat(overlay("/srv/a"), usual, inside(false))...),
		compose("memory upper", nil, slices.Concat([]object.Object{root(object.Namespace{
			Type: object.RootOverlay, Layers: []object.Layer{{Path: "/srv/a"}}, Memory: true,
		})}, mounts(proc), inside(false))...),
		compose("bind root", nil, slices.Concat([]object.Object{bound("/srv/a")}, inside(false))...),
		compose("opened source", nil, slices.Concat([]object.Object{bound("/srv/a")}, mounts(opened...), inside(true), tasks()[1:2])...),
		compose("base image", image, slices.Concat(overlay(paths.BaseMount(imageKey)), mounts(proc), inside(false))...),
		compose("base tree", tree, slices.Concat(overlay(paths.BaseTree(treeKey)), mounts(proc), inside(false))...),
		compose("own tree", nil, slices.Concat([]object.Object{at(owner, object.GroupLayer, "tree", own), bound(own.Path)}, inside(false))...),
		compose("snapshot", nil, slices.Concat([]object.Object{at(owner, object.GroupDevice, "snapshot", taken), bound(taken.Path)}, inside(false))...),
		compose("base device", device, slices.Concat(overlay(paths.Disk(object.BaseOwner(diskKey))), mounts(proc), inside(false))...),
		compose("volume", nil, slices.Concat([]object.Object{at(owner, object.GroupDevice, "volume", lv), mounted, bound(paths.Disk(owner))}, inside(false))...),
		compose("volume below an overlay", nil, slices.Concat([]object.Object{at(owner, object.GroupDevice, "volume", warned), mounted}, overlay(paths.Disk(owner)), inside(false))...),
		compose("limited upper", nil, slices.Concat(limited("/srv/a", 16<<20), mounts(proc), inside(false))...),
		compose("larger upper", nil, slices.Concat(limited("/srv/a", 32<<20), inside(true), tasks()[:2])...),
		compose("counted upper", nil, slices.Concat(counted("/srv/a", 16<<20), mounts(proc), inside(false))...),
		compose("smaller counted upper", nil, slices.Concat(counted("/srv/a", 8<<20), inside(true), tasks()[:2])...),
		compose("hooks and files", nil, slices.Concat(overlay("/srv/a"), mounts(proc), inside(false), tasks())...),
		compose("expose tree", nil, slices.Concat(overlay("/srv/a"), mounts(dev, pts, proc), inside(true))...),
		compose("expose fewer", nil, slices.Concat(overlay("/srv/a"), mounts(dev, pts), inside(true))...),
		compose("changed mounts", nil, slices.Concat(overlay("/srv/a"), mounts(other, pts, larger, readOnly), inside(true), tasks()[:2])...),
	}
}

// errHeld is a convergence that left something alone.
var errHeld = errors.New("held")

// converger takes one owner's objects to what is desired.
type converger func(ctx context.Context, k reconcile.Kernel, o object.Owner, desired []object.Object) error

// right is the one that is under test.
func right(ctx context.Context, k reconcile.Kernel, o object.Owner, desired []object.Object) error {
	out, err := reconcile.Converge(ctx, k, o, desired, plan.Policy{Replace: true}, reconcile.Trace{})
	if err == nil && (len(out.Held) > 0 || len(out.World.Blind) > 0) {
		return errHeld
	}
	return err
}

// settle does what the controller does: bases, the session, then the bases that
// nobody wants any more.
func settle(ctx context.Context, k reconcile.Kernel, w world) error {
	return converger(right).settle(ctx, k, w)
}

func (one converger) settle(ctx context.Context, k reconcile.Kernel, w world) error {
	for o, desired := range w.bases {
		if err := one(ctx, k, o, desired); err != nil {
			return err
		}
	}
	if err := one(ctx, k, owner, w.objects); err != nil {
		return err
	}
	owners, err := k.Owners(ctx)
	for _, o := range owners {
		if _, wanted := w.bases[o]; o.Class == object.Base && !wanted {
			err = errors.Join(err, one(ctx, k, o, nil))
		}
	}
	return err
}

// reach settles on a machine without trouble and fails the test if it cannot.
func reach(t *testing.T, m *fake.Machine, w world) string {
	t.Helper()
	if err := settle(t.Context(), m.Start(), w); err != nil {
		t.Fatalf("to %s: %v\n%s", w.name, err, m.State())
	}
	return m.State()
}

func innocent(t *testing.T, m *fake.Machine) {
	t.Helper()
	if v := m.Violations(); len(v) > 0 {
		t.Fatalf("violations: %q\n%s", v, m.State())
	}
}
