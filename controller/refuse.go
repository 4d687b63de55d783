package controller

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"coppice.dev/reconcile/compile"
	"coppice.dev/reconcile/object"
	"coppice.dev/status"
)

// refused reports whether a claim was refused.
func (a answer) refused() bool { return a.conflict != nil || a.holder != "" || a.unknown != "" }

// note says who holds what was claimed in vain.
func (a answer) note() status.Note {
	note := status.Note{Reason: "SourceHeld", Message: fmt.Sprintf(
		"session %s uses %s, and one of the two writes to it; delete that session, or give the chroot a union of type overlay", a.holder, a.source)}
	if a.conflict != nil {
		note = a.conflict.note()
	}
	if a.unknown != "" {
		note.Message = fmt.Sprintf("%s may be in use: %s", a.source, a.unknown)
	}
	return note
}

// supposed reports who would be in the way of a session that claimed all that.
// Nothing is claimed by it.
func (c *claims) supposed(session string, needs compile.Result) (answer, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	meant, is := c.uses.meant[session]
	a, refused := c.refuseUse(session, needs.Uses)
	if delete(c.uses.meant, session); is {
		c.uses.meant[session] = meant
	}
	if !refused {
		a, refused = c.refuse(session, needs.Bases)
	}
	return a, refused
}

// of returns the bases that a session claims.
func (c *claims) of(session string) []compile.Base {
	c.mu.Lock()
	defer c.mu.Unlock()
	var list []compile.Base
	for _, key := range c.held[session] {
		list = append(list, c.bases[key].want)
	}
	return list
}

// claimants returns the sessions that claim a base.
func (c *claims) claimants(base string) []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	if b := c.bases[base]; b != nil {
		return slices.Sorted(maps.Keys(b.claimants))
	}
	return nil
}

// claimed reports whether any session claims a base.
func (c *claims) claimed(base string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	b := c.bases[base]
	return b != nil && len(b.claimants) > 0
}

// refuse reports who else holds what a session wants, where that cannot be
// shared. It needs the lock.
func (c *claims) refuse(session string, wanted []compile.Base) (answer, bool) {
	for _, want := range wanted {
		for _, b := range c.bases {
			if !want.Exclusive && !b.want.Exclusive || !sameFile(want, b.want) {
				continue
			}
			if b.want.Owner == want.Owner && len(b.claimants) == 0 {
				continue // it is the same one, still there
			}
			for holder := range b.claimants {
				if holder != session {
					return answer{holder: holder, source: b.want.Source}, true
				}
			}
			if b.want.Owner != want.Owner {
				why := "it is still mounted for a session that has gone"
				if b.err != nil {
					why += ": " + b.err.Error()
				}
				return answer{unknown: why, source: want.Source}, true
			}
		}
		if why := c.doubt(session, want); why != "" {
			return answer{unknown: why, source: want.Source}, true
		}
	}
	return answer{}, false
}

// doubt says why it is not known whether somebody else has a base's file. Who
// only reads is not held up for long by sessions that cannot be looked at. It
// needs the lock.
func (c *claims) doubt(session string, want compile.Base) string {
	if !ofImage(want) {
		return ""
	}
	rest := maps.Clone(c.unseen)
	maps.Copy(rest, c.unsure)
	delete(rest, session)
	hasty := !want.Exclusive && time.Since(c.since) > slow
	switch {
	case want.Exclusive && len(rest) > 0, !c.seen(session) && !hasty:
		return notLookedAt(rest)
	case len(rest) > 0:
		return "" // what is left over may be theirs, and will not go
	}
	for key, tried := range c.leftovers {
		if key != want.Owner.Name && (want.Exclusive || !tried) {
			return "what nobody uses is still to go: base/" + key
		}
	}
	return ""
}

// ofImage reports whether a base is the mount of an image or of a block device.
func ofImage(b compile.Base) bool {
	return slices.ContainsFunc(b.Objects, func(o object.Object) bool { return o.Kind() == object.KindImage || o.Kind() == object.KindDisk })
}

// sameFile reports whether two bases come from one file, whatever path leads
// there and whatever was written to it since.
func sameFile(a, b compile.Base) bool {
	if a.Source == b.Source {
		return true
	}
	file := func(i object.FileIdentity) [2]uint64 { return [2]uint64{i.Device, i.Inode} }
	return file(a.Contents) == file(b.Contents) && a.Contents != object.FileIdentity{}
}
