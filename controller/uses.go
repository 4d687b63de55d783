package controller

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"coppice.dev/reconcile/compile"
	"coppice.dev/spec"
	"coppice.dev/status"
)

// uses tells which session stands on which source, and which of them have one
// open for writing. What is stood on by an overlay must not change under it, so
// who opens a source is alone with it:
//
//   - A source is not opened while another session stands on it or has it open.
//   - From a source that is open, or that a session waits to open, nothing is
//     grown: else those who come and go would keep it waiting for ever.
//
// It is rebuilt from the sessions' own memory at each start. What a session has
// begun with it has for good: none that runs is refused.
type uses struct {
	// held are those of sessions that are there, or are about to be.
	held map[string][]compile.Use
	// open are those of them that have a source open. They are few, and all that
	// the many have to be compared with.
	open map[string][]compile.Use
	// meant are those of sessions that wait to open a source.
	meant map[string][]compile.Use
}

// conflict is who is in the way of a session.
type conflict struct {
	// place is what both of them want.
	place string
	// opens is set if the session wants to open it, else the holder has it open.
	opens bool
	// holders are the names of the others; waiting if they only wait for it.
	holders []string
	waiting bool
}

// conflict reports who is in the way of a session that wants to use all that.
func (u *uses) conflict(session string, wanted []compile.Use) (conflict, bool) {
	for _, want := range wanted {
		c := conflict{place: want.Path, opens: want.Opens}
		if want.Opens {
			c.holders = among(u.held, session, want)
		} else {
			c.holders = among(u.open, session, want)
		}
		if len(c.holders) == 0 && !want.Opens {
			c.holders, c.waiting = among(u.meant, session, want), true
		}
		if len(c.holders) > 0 {
			return c, true
		}
	}
	return conflict{}, false
}

// among returns the sessions that have something to do with a place that cannot
// be shared with the use that is wanted, sorted.
func among(all map[string][]compile.Use, but string, want compile.Use) []string {
	var names []string
	for name, list := range all {
		if name != but && slices.ContainsFunc(list, func(u compile.Use) bool {
			return (u.Opens || want.Opens && !u.Copies) && u.Meets(want.Place)
		}) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// opensAny reports whether a session wants to open a source.
func opensAny(wanted []compile.Use) bool {
	return slices.ContainsFunc(wanted, func(u compile.Use) bool { return u.Opens })
}

// refuseUse reports who else has to do with what a session wants to use, or that
// this is not known yet. It needs the lock.
func (c *claims) refuseUse(session string, wanted []compile.Use) (answer, bool) {
	if len(wanted) == 0 {
		return answer{}, false
	}
	if opensAny(wanted) {
		c.uses.meant[session] = wanted
	}
	if found, is := c.uses.conflict(session, wanted); is {
		return answer{conflict: &found}, true
	}
	// Who has it open may not have been looked at yet.
	hasty := time.Since(c.since) > slow
	c.allSeen = c.allSeen || c.counted && len(c.there) == 0
	if c.allSeen && !opensAny(wanted) {
		return answer{}, false // what began since has claimed what it uses
	}
	unseen := maps.Clone(c.there)
	if opensAny(wanted) {
		maps.Copy(unseen, c.unseen)
		maps.Copy(unseen, c.unsure)
		hasty = false
	}
	delete(unseen, session)
	if (!c.counted || len(unseen) > 0) && !hasty {
		return answer{source: wanted[0].Path, unknown: notLookedAt(unseen)}, true
	}
	return answer{}, false
}

// use has a session use all that and nothing else. It reports whether others may
// have waited for what it used before. It needs the lock.
func (c *claims) use(session string, wanted []compile.Use) (freed bool) {
	_, meant := c.uses.meant[session]
	before := c.uses.held[session]
	delete(c.uses.meant, session)
	delete(c.uses.held, session)
	delete(c.uses.open, session)
	if len(wanted) > 0 {
		c.uses.held[session] = wanted
	}
	if opensAny(wanted) {
		c.uses.open[session] = wanted
	}
	return len(wanted) == 0 && (len(before) > 0 || meant)
}

// suspect says that a session may have a source open, for all that is known: its
// memory cannot be read.
func (c *claims) suspect(session string, may []compile.Use) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, held := c.uses.held[session]; !held && opensAny(may) {
		c.uses.meant[session] = may
	}
}

// suspect says so of this session if its manifest wants to open a source.
func (p *pass) suspect() {
	session, is := p.entry.Object.(*spec.Session)
	if !is || !session.Spec.OpenSource {
		return
	}
	if admitted, err := spec.Admit(session, p.refs, p.entry.Ephemeral); err == nil {
		p.claims.suspect(p.name, compile.Uses(compile.Record{Session: admitted}))
	}
}

// tellChroot has the chroot tell by whom its source is open.
func (p *pass) tellChroot() {
	if s := p.record.Session; s.Session.OpenSource && s.ChrootName != "" {
		k := key{classChroot, s.ChrootName}
		p.queue.soon(p.links.count(k), k)
	}
}

// opener returns the session that has a place open for writing; if none has, the
// first that waits to open it.
func (c *claims) opener(place compile.Place) (session string, waiting bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	want := compile.Use{Place: place}
	if names := among(c.uses.open, "", want); len(names) > 0 {
		return names[0], false
	}
	if names := among(c.uses.meant, "", want); len(names) > 0 {
		return names[0], true
	}
	return "", false
}

// note tells who is in the way of a session, from that session's side.
func (c conflict) note() status.Note {
	names := few(c.holders)
	one, it, have := "session", "it ends", "has"
	if len(c.holders) > 1 {
		one, it, have = "sessions", "they end", "have"
	}
	switch {
	case c.opens:
		return status.Note{Reason: status.ReasonSourceInUse, Message: fmt.Sprintf(
			"%s is to be opened for writing, and %s %s %s to do with it; this one begins when %s", c.place, one, names, have, it)}
	case c.waiting:
		return status.Note{Reason: status.ReasonSourceOpen, Message: fmt.Sprintf(
			"%s %s waits to open the source %s for writing; this one is grown from it when that has ended", one, names, c.place)}
	}
	return status.Note{Reason: status.ReasonSourceOpen, Message: fmt.Sprintf(
		"%s %s has the source %s open for writing; this one is grown from it when that has ended", one, names, c.place)}
}

// notLookedAt says of which sessions it is not known yet what they use; of none by
// name as long as they are still being counted.
func notLookedAt(unseen map[string]struct{}) string {
	if len(unseen) == 0 {
		return "the sessions that were there before are still being looked for"
	}
	return "not all sessions could be looked at yet: " + few(slices.Sorted(maps.Keys(unseen)))
}

// few returns the first of some names, and how many more there are.
func few(names []string) string {
	const most = 5
	text := strings.Join(names[:min(len(names), most)], ", ")
	if len(names) > most {
		text += fmt.Sprintf(" and %d more", len(names)-most)
	}
	return text
}
