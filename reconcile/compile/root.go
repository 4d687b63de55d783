package compile

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"

	"coppice.dev/reconcile/layout"
	"coppice.dev/reconcile/object"
	"coppice.dev/spec"
)

// source is where a session's root comes from, as far as its root mount cares.
type source struct {
	layer    object.Layer
	readOnly bool // cannot be written to, union or not
}

// root adds everything up to the root mount.
func (c *compiler) root() error {
	chroot := c.record.Session.Chroot
	overlay := chroot.Union != nil && chroot.Union.Type == spec.UnionOverlay
	from, err := c.source(chroot.Source, overlay)
	if err != nil {
		return err
	}
	if chroot.Source.Location != "" && chroot.Source.Location != "/" {
		from.layer.Location = filepath.Clean(chroot.Source.Location)
	}
	if !overlay {
		c.add(object.GroupRoot, "namespace", object.Namespace{
			Type: object.RootBind, Layers: []object.Layer{from.layer}, ReadOnly: from.readOnly,
		})
		return nil
	}
	c.overlay(*chroot.Union, from)
	return nil
}

// overlay adds the session's own layer and the union of it with the others.
func (c *compiler) overlay(union spec.Union, from source) {
	name := c.record.Session.Name
	root := object.Namespace{Type: object.RootOverlay, Volatile: union.Volatile != nil && *union.Volatile}
	for _, lower := range union.Lowers {
		root.Layers = append(root.Layers, object.Layer{Path: filepath.Clean(lower)})
	}
	root.Layers = append(root.Layers, from.layer)
	if upper := union.Upper; upper != nil && upper.Medium == spec.MediumMemory {
		root.Memory = true
		if upper.Size != nil {
			root.MemorySize = upper.Size.Value()
		}
	} else {
		root.Upper, root.Work = c.layout.Upper(name), c.layout.Work(name)
		if upper != nil && upper.Size != nil {
			root.Upper, root.Work = c.limited(upper.Size.Value(), root.Volatile)
		}
		c.add(object.GroupWrite, "upper", object.Upper{
			Dir: root.Upper, Work: root.Work, Model: from.layer, Volatile: root.Volatile,
		})
	}
	c.add(object.GroupRoot, "namespace", root)
}

// limited adds what a limited upper lies in, and says where in there it is.
func (c *compiler) limited(size int64, volatile bool) (upper, work string) {
	name := c.record.Session.Name
	if c.record.Facts.Quota {
		const whole = object.QuotaUnit
		c.add(object.GroupLayer, "quota", object.Quota{Path: c.layout.Layer(name), Size: (size + whole - 1) / whole * whole})
		return c.layout.LayerUpper(name), c.layout.LayerWork(name)
	}
	c.add(object.GroupLayer, "store", object.Store{
		File: c.layout.StoreImage(name), Path: c.layout.Store(name), Size: size, Volatile: volatile,
	})
	return c.layout.StoredUpper(name), c.layout.StoredWork(name)
}

// ByQuota reports whether a session's upper, if it is limited, is limited by a quota:
// as what there is of it already, or else as the machine offers it. To begin it the
// other way would take from under its root what that stands on.
func ByQuota(world object.World, offered bool) bool {
	for _, o := range world.Objects {
		switch o.Kind {
		case object.KindQuota:
			return true
		case object.KindStore:
			return false
		}
	}
	return offered
}

// source adds what the root stands on and says where it is to be found.
func (c *compiler) source(s spec.Source, overlay bool) (source, error) {
	switch {
	case s.Directory != nil:
		return source{layer: object.Layer{Path: filepath.Clean(s.Directory.Path)}}, nil
	case s.Plain != nil:
		return source{layer: object.Layer{Path: filepath.Clean(s.Plain.Path)}}, nil
	case s.File != nil:
		return c.archive(*s.File, overlay), nil
	case s.Loopback != nil:
		return c.image(*s.Loopback, overlay), nil
	case s.BtrfsSnapshot != nil:
		if c.record.Session.Session.OpenSource {
			return source{layer: object.Layer{Path: filepath.Clean(s.BtrfsSnapshot.Subvolume)}}, nil
		}
		return c.snapshot(*s.BtrfsSnapshot), nil
	case s.BlockDevice != nil:
		return c.device(s.BlockDevice.Path, s.BlockDevice.MountOptions, overlay), nil
	case s.LVMSnapshot != nil:
		if c.record.Session.Session.OpenSource {
			return c.device(origin(*s.LVMSnapshot), s.LVMSnapshot.MountOptions, overlay), nil
		}
		return c.volume(*s.LVMSnapshot, overlay), nil
	default:
		return source{}, errors.New("the chroot has no source")
	}
}

// archive unpacks once for all sessions that put an overlay on it, and once
// more for each session that writes into the tree itself.
func (c *compiler) archive(s spec.FileSource, overlay bool) source {
	tree := object.Tree{Archive: filepath.Clean(s.Path), Contents: c.record.Facts.Contents}
	if !overlay {
		tree.Path = c.layout.Tree(c.record.Session.Name)
		if c.record.Session.Session.OpenSource {
			tree.Save = c.record.Session.Session.Save
		}
		c.add(object.GroupLayer, "tree", tree)
		return source{layer: object.Layer{Path: tree.Path}}
	}
	key := baseKey(tree)
	tree.Path = c.layout.BaseTree(key)
	c.base(key, object.GroupLayer, "tree", tree, Base{Source: tree.Archive, Contents: tree.Contents})
	return source{layer: object.Layer{Path: tree.Path}}
}

// image mounts the image once for all sessions that only read it. A session
// without a union writes into the image and has it alone.
func (c *compiler) image(s spec.LoopbackSource, overlay bool) source {
	facts := c.record.Facts
	image := object.Image{
		File:      filepath.Clean(s.Path),
		Contents:  facts.Contents,
		FSType:    facts.FSType,
		Offset:    facts.Offset,
		SizeLimit: facts.SizeLimit,
		ReadOnly:  overlay || facts.ReadOnly,
		Options:   s.MountOptions,
	}
	if !image.ReadOnly {
		// Writing changes size and time; only which file it is stays the same.
		image.Contents.Size, image.Contents.ModTime = 0, 0
	}
	key := baseKey(image)
	image.Path = c.layout.BaseMount(key)
	c.base(key, object.GroupDevice, "image", image, Base{
		Source: image.File, Contents: image.Contents, Exclusive: !image.ReadOnly,
	})
	return source{layer: object.Layer{Path: image.Path}, readOnly: image.ReadOnly}
}

// device mounts a block device as image does an image: once for all who only read
// it, and for one alone who writes. Which device a path leads to changes from
// boot to boot, so the base goes by the path.
func (c *compiler) device(path string, options []string, overlay bool) source {
	facts := c.record.Facts
	disk := object.Disk{Device: filepath.Clean(path), FSType: facts.FSType, ReadOnly: overlay || facts.ReadOnly, Options: options}
	key := baseKey(disk)
	disk.Path = c.layout.Disk(object.BaseOwner(key))
	c.base(key, object.GroupLayer, "disk", disk, Base{Source: disk.Device, Contents: facts.Contents, Exclusive: !disk.ReadOnly})
	return source{layer: object.Layer{Path: disk.Path}, readOnly: disk.ReadOnly}
}

// origin is where the device of a chroot's logical volume is.
func origin(s spec.LVMSnapshotSource) string { return "/dev/" + s.VolumeGroup + "/" + s.LogicalVolume }

// volume takes a snapshot of a logical volume and mounts it, for one session.
func (c *compiler) volume(s spec.LVMSnapshotSource, overlay bool) source {
	volume := object.Volume{
		Group: s.VolumeGroup, Origin: s.LogicalVolume, Name: volumeName(c.record.Session.Name, c.record.UID),
		Size: s.StoreSize(), ReadOnly: s.ReadOnly, Options: s.CreateOptions, Threshold: s.Threshold(),
	}
	c.add(object.GroupDevice, "volume", volume)
	disk := object.Disk{
		Device: "/dev/" + volume.Group + "/" + volume.Name, FSType: c.record.Facts.FSType,
		ReadOnly: overlay || s.ReadOnly || c.record.Facts.ReadOnly, Options: s.MountOptions, Path: c.layout.Disk(c.owner),
	}
	c.add(object.GroupLayer, "disk", disk)
	return source{layer: object.Layer{Path: disk.Path}, readOnly: disk.ReadOnly}
}

// volumeName is what a session's snapshot is called: names in device-mapper hold
// 127 bytes, in which a group's name has to fit, too, and each dash counts twice.
// Of two sessions with one name in two controllers the UID tells which it is.
func volumeName(session, uid string) string {
	const most = 20
	return "coppice." + session[:min(len(session), most)] + "." + uid
}

// snapshot goes beside its subvolume, on the same file system, into a folder
// whose name says that it is ours.
func (c *compiler) snapshot(s spec.BtrfsSnapshotSource) source {
	name := c.record.Session.Name
	subvolume := filepath.Clean(s.Subvolume)
	folder := filepath.Join(filepath.Dir(subvolume), layout.SnapshotFolder)
	if s.SnapshotDirectory != "" {
		folder = filepath.Clean(s.SnapshotDirectory)
	}
	// Two sessions of one name in two controllers must not meet: the record's
	// UID keeps them apart.
	path := filepath.Join(folder, fmt.Sprintf("%s.%s", name, c.record.UID))
	c.add(object.GroupDevice, "snapshot", object.Snapshot{
		Subvolume: subvolume, Path: path, Link: c.layout.SnapshotLink(name),
	})
	return source{layer: object.Layer{Path: path}}
}

// base adds a shared object, owned by a base that its own spec names.
func (c *compiler) base(key string, g object.Group, name string, s object.Spec, b Base) {
	b.Owner = object.BaseOwner(key)
	b.Objects = []object.Object{{ID: object.ID{Owner: b.Owner, Address: object.At(g, name)}, Spec: s}}
	c.bases = append(c.bases, b)
}

// baseKey is the name of the base that has this object: equal for every session
// that asks for the same thing, and another as soon as the file is another. It
// is taken before the object has a path, since the path holds the key.
func baseKey(s object.Spec) string {
	text, err := json.Marshal(s)
	if err != nil {
		panic(fmt.Sprintf("hash %s spec: %v", s.Kind(), err)) // plain structs; cannot fail
	}
	sum := sha256.Sum256(append([]byte(s.Kind()+"\x00"), text...))
	return hex.EncodeToString(sum[:])[:12]
}
