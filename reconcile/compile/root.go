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
		c.add(object.GroupWrite, "upper", object.Upper{
			Dir: root.Upper, Work: root.Work, Model: from.layer, Volatile: root.Volatile,
		})
	}
	c.add(object.GroupRoot, "namespace", root)
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
	case s.BlockDevice != nil, s.LVMSnapshot != nil:
		return source{}, errors.New("block devices and LVM snapshots are not supported by this version")
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
