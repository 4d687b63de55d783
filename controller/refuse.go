package controller

import (
	"maps"
	"slices"
	"time"

	"coppice.dev/reconcile/compile"
	"coppice.dev/reconcile/object"
)

// refused reports whether a claim was refused.
func (a answer) refused() bool { return a.conflict != nil || a.holder != "" || a.unknown != "" }

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
