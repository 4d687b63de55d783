package namespace

import (
	"fmt"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sys/unix"

	"coppice.dev/reconcile/kernel/mounttable"
	"coppice.dev/reconcile/object"
)

// source is what a bind shows, as the host sees it.
type source struct {
	missing       bool
	device, inode uint64
	attributes    []string // that the bind has from the mount it is cloned of
}

type sources map[string]source

// lookAtSources looks at the sources of binds. The thread that looks inside
// could not see them. Nobody is asked who may not answer: the server of a mount
// may be gone, and a look at a session must not wait for it.
func lookAtSources(known []object.Object) sources {
	found := sources{}
	table := sync.OnceValues(mounttable.Host) // read if it is needed, and for all binds
	for _, o := range known {
		m, is := o.Spec.(object.Mount)
		if !is || m.Type != "bind" {
			continue
		}
		fd, err := unix.Open(m.Source, unix.O_PATH|unix.O_CLOEXEC, 0)
		if err != nil {
			found[m.Source] = source{missing: true}
			continue
		}
		if place, err := look(fd); err != nil {
			found[m.Source] = source{missing: true}
		} else {
			kept, _ := attributesOf(fd, table) // gone since: as good as missing
			found[m.Source] = source{device: unix.Mkdev(place.Dev_major, place.Dev_minor), inode: place.Ino, attributes: kept}
		}
		unix.Close(fd)
	}
	return found
}

// shown reports whether a mount is the bind of the source.
func (s source) shown(e *mounttable.Entry, place unix.Statx_t) bool {
	if s.missing {
		// The source is gone; what was bound from it is still there.
		return strings.HasSuffix(e.Root, "//deleted")
	}
	return s.inode == place.Ino && s.device == unix.Mkdev(place.Dev_major, place.Dev_minor)
}

// hostAttributes are those that a bind has from its source.
func hostAttributes(m object.Mount) ([]string, error) {
	if m.Type != "bind" {
		return nil, nil
	}
	fd, err := unix.Open(m.Source, unix.O_PATH|unix.O_CLOEXEC, 0)
	if err == nil {
		defer unix.Close(fd)
		var names []string
		if names, err = attributesOf(fd, mounttable.Host); err == nil {
			return names, nil
		}
	}
	return nil, fmt.Errorf("look at the mount of %s: %w", m.Source, err)
}

// attributesOf returns the attributes of the mount that an open file is on.
func attributesOf(fd int, table tables) ([]string, error) {
	mount, err := mounttable.Unique(fd)
	var set uint64
	if err == nil {
		set, err = mounttable.Attributes(mount)
	}
	if mounttable.Unsupported(err) {
		return attributesInTable(fd, table)
	}
	if err != nil {
		return nil, err
	}
	var names []string
	for name, flag := range attributes {
		if set&flag != 0 {
			names = append(names, name)
		}
	}
	return names, nil
}

// tables returns the host's mount table.
type tables func() ([]*mounttable.Entry, error)

// attributesInTable does so on kernels without statmount. The file system is not
// asked, as by statfs(2), since its server may be one that does not answer.
func attributesInTable(fd int, table tables) ([]string, error) {
	place, err := look(fd)
	if err != nil {
		return nil, err
	}
	entries, err := table()
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(entries, func(e *mounttable.Entry) bool { return uint64(e.ID) == place.Mnt_id })
	if i < 0 {
		return nil, fmt.Errorf("mount %d is not in the mount table", place.Mnt_id)
	}
	var names []string
	for name := range strings.SplitSeq(entries[i].Options, ",") {
		if attributes[name] != 0 {
			names = append(names, name)
		}
	}
	return names, nil
}
