package namespace

import (
	"fmt"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"coppice.dev/reconcile/kernel/mounttable"
	"coppice.dev/reconcile/object"
)

// match tells which of the known mounts are there, and what they were made with.
//
// A file system that carries our label says so itself. What cannot be changed in
// a label once it is mounted, its attributes and size, is compared with what is
// known. A bind carries no label: it is ours if a known object says that a bind
// belongs there and it shows that object's source.
func (d Mounts) match(owner object.Owner, known []object.Object, sources sources, r *root, table []*mounttable.Entry) []object.Observed {
	var seen []object.Observed
	done := map[object.Address]bool{}
	points := map[string]bool{}
	for _, o := range known {
		if done[o.Address] {
			continue
		}
		var specs []object.Mount
		for _, other := range known {
			if m, is := other.Spec.(object.Mount); is && other.Address == o.Address {
				specs = append(specs, m)
			}
		}
		e, place := mountedAt(r, table, specs[0].Target)
		if e != nil {
			points[e.Mountpoint] = true
		}
		if s, is := d.identify(o.ID, specs, sources, e, place, e != nil || r.has(specs[0].Target)); is {
			seen, done[o.Address] = append(seen, s), true
		}
	}
	return append(seen, d.strangers(owner, r, table, points)...)
}

// identify says what is mounted where the specs belong; wanted first. there is set
// if something could be mounted there.
func (d Mounts) identify(id object.ID, specs []object.Mount, sources sources, e *mounttable.Entry, place unix.Statx_t, there bool) (object.Observed, bool) {
	seen := object.Observed{ID: id, Kind: object.KindMount}
	for _, m := range specs {
		if e == nil {
			if m.Optional && sources[m.Source].missing {
				seen.Spec, seen.Print, seen.Name = m, object.PrintOf(m), m.Target
				seen.Note, seen.LeftOut = "left out: "+m.Source+" is missing", true
				return seen, true
			}
			if why := leaves(m, there); why != "" {
				seen.Spec, seen.Print, seen.Name = m, object.PrintOf(m), m.Target
				seen.Note, seen.LeftOut = "left out: "+why, true
				return seen, true
			}
			continue
		}
		seen.Name = e.Mountpoint
		print := object.PrintOf(m)
		switch m.Type {
		case "bind":
			if !sources[m.Source].shown(e, place) {
				continue
			}
		default:
			label, ours := d.ours(e.Source, id.Owner.Name)
			if !ours {
				continue
			}
			if label.Print.Identity != print.Identity {
				seen.Print = object.Print{Identity: label.Print.Identity}
				continue // it may be what another spec says
			}
		}
		seen.Spec, seen.Print = m, print
		if why := differs(m, sources[m.Source].attributes, e); why != "" {
			seen.Print.Whole, seen.Note = "", why
			continue // another spec may fit to the letter
		}
		return seen, true
	}
	return seen, e != nil && (seen.Spec != nil || seen.Print.Identity != "")
}

// leaves says why a mount is left out that is not there; "" if it is to be made.
// What somebody makes in a chroot's source while it is open is not to vanish
// under a mount that comes late.
func leaves(m object.Mount, there bool) string {
	switch {
	case !m.Untouched:
		return ""
	case !there:
		return "the source has no " + m.Target
	case m.Type == "bind" || m.Type == "tmpfs":
		return m.Target + " was made, or unmounted, since the source was opened"
	}
	return ""
}

// strangers are mounts with our label where nothing is known to belong.
func (d Mounts) strangers(owner object.Owner, r *root, table []*mounttable.Entry, points map[string]bool) []object.Observed {
	var seen []object.Observed
	for _, e := range table {
		label, ours := d.ours(e.Source, owner.Name)
		if !ours || e.Mountpoint == "/" || points[e.Mountpoint] {
			continue
		}
		if top, _ := mountedAt(r, table, e.Mountpoint); top != e {
			continue // hidden under somebody else's, which is not ours to take away
		}
		points[e.Mountpoint] = true
		seen = append(seen, object.Observed{
			ID:   object.ID{Owner: owner, Address: object.At(object.GroupMounts, e.Mountpoint)},
			Kind: object.KindMount, Print: label.Print, Name: e.Mountpoint,
		})
	}
	return seen
}

// mountedAt returns the mount whose root the target is, or nil.
func mountedAt(r *root, table []*mounttable.Entry, target string) (*mounttable.Entry, unix.Statx_t) {
	fd, err := r.open(target)
	if err != nil {
		return nil, unix.Statx_t{}
	}
	defer unix.Close(fd)
	place, err := look(fd)
	if err != nil || place.Attributes&unix.STATX_ATTR_MOUNT_ROOT == 0 || place.Mnt_id == r.mount {
		return nil, place
	}
	for _, e := range table {
		if uint64(e.ID) == place.Mnt_id {
			return e, place
		}
	}
	return nil, place
}

// differs says which setting of a live mount is not as the spec has it.
func differs(m object.Mount, inherited []string, e *mounttable.Entry) string {
	have := strings.Split(e.Options, ",")
	allowed := append(slices.Clone(inherited), m.Flags...)
	for name := range attributes {
		has := slices.Contains(have, name)
		switch {
		case has && !slices.Contains(allowed, name):
			return "it is mounted " + name
		case !has && slices.Contains(m.Flags, name):
			return "it is not mounted " + name
		}
	}
	if m.Size > 0 {
		if size, ok := mounttable.Option(e, "size"); ok && size != fmt.Sprintf("%dk", (m.Size+4095)/4096*4) {
			return "its size is " + size
		}
	}
	return ""
}
