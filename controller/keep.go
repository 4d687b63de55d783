package controller

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"coppice.dev/reconcile/compile"
	"coppice.dev/reconcile/plan"
	"coppice.dev/spec"
	"coppice.dev/status"
)

// keep takes one pass over a session that was admitted and that is wanted, as
// far as anybody knows.
func (p *pass) keep(ctx context.Context) {
	p.nameRecorded()
	switch course, why := p.course(p.compare()); course {
	case runsOut:
		p.expire(ctx)
	case beginsAnew:
		p.recreate(ctx, why)
	case goesOn:
		p.make(ctx)
	}
}

// course is what becomes of a session that was admitted and that is wanted.
type course int

const (
	goesOn     course = iota // it is made what its record says
	beginsAnew               // it is taken down and admitted anew
	runsOut                  // it has had its time
)

// course decides that. fields are those that a running session cannot take.
func (p *pass) course(fields []string) (course, string) {
	switch lives := p.lives(); {
	case !lives:
		return runsOut, ""
	case p.record.Expired:
		return beginsAnew, "its manifest gives it more time"
	case len(fields) > 0 && p.record.Session.Session.UpdateStrategy == spec.UpdateRecreate:
		return beginsAnew, "its manifests say something else about " + strings.Join(fields, ", ")
	}
	return goesOn, ""
}

// compare takes over the session's own part from its manifest, and returns what
// its manifests say that a running session cannot take.
func (p *pass) compare() []string {
	if p.held != "" {
		reason := reasonDeletionHeld
		if p.paused != "" {
			reason = status.ReasonSuspended
		}
		p.drift = drift{metav1.ConditionFalse, status.Note{Reason: reason, Message: p.held}}
		return nil
	}
	p.retract()
	p.placed()
	session, good := p.entry.Object.(*spec.Session)
	if !good {
		why := unavailable(p.set, p.entry)
		if len(p.entry.Problems) > 0 {
			why = invalid(p.entry).Message
		}
		p.drift = drift{metav1.ConditionUnknown, status.Note{Reason: reasonManifestUnknown, Message: why}}
		return nil
	}
	p.nameWanted(session)
	return p.adopt(session)
}

// placed takes over where the session's manifest is.
func (p *pass) placed() {
	p.record.Held, p.record.Folder = false, cmp.Or(p.entry.Folder, p.record.Folder)
}

// adopt is compare for a session whose manifest is good. It changes nothing but the
// pass.
func (p *pass) adopt(session *spec.Session) []string {
	running := p.record.Session
	p.record.Session = running.WithSession(session)
	p.record.ReconcileAt = session.Annotations[spec.ReconcileAtAnnotation]
	p.record.Session.Ephemeral = p.entry.Ephemeral // it may have been moved to another folder
	wanted, err := spec.Admit(session, p.refs, p.entry.Ephemeral)
	if err != nil {
		p.drift = drift{metav1.ConditionUnknown, status.Note{
			Reason:  unresolved(err),
			Message: err.Error() + "; the session keeps what it was admitted with",
		}}
		return nil
	}
	running = running.Resized(wanted, p.record.Facts.Quota)
	p.record.Session.Chroot = running.Chroot
	fields := spec.NeedsRecreate(running, wanted)
	p.drift = current
	switch {
	case len(fields) > 0:
		p.drift = drift{metav1.ConditionFalse, status.Note{
			Reason: reasonRecreateRequired,
			Message: fmt.Sprintf("a running session cannot take what has changed in %s; delete it and apply it again, or set updateStrategy: Recreate",
				strings.Join(fields, ", ")),
		}}
	case p.entry.Stale && len(p.entry.Problems) == 0:
		p.drift = drift{metav1.ConditionUnknown, status.Note{Reason: reasonManifestUnknown, Message: unavailable(p.set, p.entry)}}
	}
	return fields
}

// current is what is said of a session that runs what its manifests say.
var current = drift{metav1.ConditionTrue, status.Note{Reason: reasonUpToDate, Message: "it runs what its manifests say"}}

// outlives reports whether the session's time to live is not over yet, and has
// it looked at again when it will be.
func (p *pass) outlives(ttl *metav1.Duration) bool {
	if ttl == nil {
		p.ages.saw(p.record)
		return true
	}
	left, doubt := p.ages.left(p.record, ttl.Duration)
	p.doubt = doubt
	if left > 0 {
		p.comeBack(left)
	}
	return left > 0
}

// comeBack has the session looked at again after a time at the latest.
func (p *pass) comeBack(after time.Duration) {
	if p.next == 0 || after < p.next {
		p.next = after
	}
}

// nameRecorded says which chroot and profile the session was grown from.
func (p *pass) nameRecorded(more ...key) {
	if name := p.record.Session.ChrootName; name != "" {
		more = append(more, key{classChroot, name})
	}
	if name := p.record.Session.ProfileName; name != "" {
		more = append(more, key{classProfile, name})
	}
	p.names(unique(more)...)
}

// nameWanted says which chroot and profile it was grown from, and which its
// manifest names.
func (p *pass) nameWanted(s *spec.Session) { p.nameRecorded(named(s)...) }

// named returns what a session's manifest names.
func named(s *spec.Session) []key {
	var keys []key
	if s.Spec.ChrootRef != nil {
		keys = append(keys, key{classChroot, s.Spec.ChrootRef.Name})
	}
	if s.Spec.ProfileRef != nil {
		keys = append(keys, key{classProfile, s.Spec.ProfileRef.Name})
	}
	return keys
}

func unique(keys []key) []key {
	slices.SortFunc(keys, func(a, b key) int { return strings.Compare(a.String(), b.String()) })
	return slices.Compact(keys)
}

// unresolved is the reason for a reference that leads nowhere.
func unresolved(err error) string {
	if r, is := errors.AsType[*spec.ReferenceError](err); is {
		return r.Kind + "NotFound"
	}
	if refuses(err) {
		return reasonConflict
	}
	return "ReferenceNotFound"
}

// refuses reports whether a session's manifest asks for what the chroot that it
// names cannot give: waiting does not help.
func refuses(err error) bool {
	_, is := errors.AsType[*spec.ConflictError](err)
	return is
}

// make converges the session to what its record says.
func (p *pass) make(ctx context.Context) {
	if p.paused == "" {
		p.saveLater()
	}
	result, err := compile.Session(p.layout, p.record)
	if err != nil {
		p.looked(false)
		p.fail(err)
		return
	}
	if p.memory == forgotten && p.otherwise(result) {
		p.recordLost(ctx)
		return
	}
	if !p.enters(result) {
		return
	}
	runs := p.memory == remembered
	bases := p.claims.claim(p.name, result, runs)
	if bases.freed {
		p.freed()
	}
	for _, name := range bases.retold {
		p.queue.renew(sessionKey(name))
	}
	p.tellChroot()
	if bases.refused() {
		p.looked(!p.stands())
		if p.memory == nothing {
			p.letIn(p.line.leaves(p.name))
		}
		p.refused(bases)
		return
	}
	if p.paused != "" {
		p.converge(ctx, result, bases) // which leaves it; nor is anything made for it
		return
	}
	defer func() { // after what is told of waiting for them
		for _, name := range bases.wake {
			p.queue.add(baseKey(name))
		}
	}()
	if bases.wait && !p.whole(result) {
		p.looked(runs || !p.stands())
		p.await(bases)
		return
	}
	p.converge(ctx, result, bases)
}

// whole reports whether the session's own objects are all there: it can do
// without bases then, whatever happens to them.
func (p *pass) whole(result compile.Result) bool {
	return len(plan.Make(result.Objects, p.world, plan.Policy{}).Steps) == 0
}
