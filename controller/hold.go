package controller

import (
	"context"
	"fmt"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"coppice.dev/manifests"
	"coppice.dev/status"
)

// Wishes are what people have said in so many words about sessions that are to
// go: who deletes a session himself is not asked whether he means it.
type Wishes interface {
	// Wished returns the wish that the session of that name goes; ok is false if
	// there is none.
	Wished(session string) (wish manifests.Wish, ok bool)
	// Forget forgets the wish. Of none: no error.
	Forget(session string) error
}

// unspoken is for a controller to which nobody can say anything.
type unspoken struct{}

func (unspoken) Wished(string) (manifests.Wish, bool) { return manifests.Wish{}, false }
func (unspoken) Forget(string) error                  { return nil }

// stale is how old a wish is that was not meant for what is wanted now: whoever
// deletes a session says so right before its manifest goes.
const stale = time.Minute

// retract forgets a wish for a session that is wanted again.
func (p *pass) retract() {
	if wish, wished := p.Wishes.Wished(p.name); wished && time.Since(wish.At) > stale {
		p.forgetWish()
	}
}

func (p *pass) forgetWish() {
	if err := p.Wishes.Forget(p.name); err != nil {
		p.Log.Error(err, "A wish could not be forgotten", "session", p.name)
	}
}

// lets reports whether a session that nobody wants may go now. If it may not,
// all is done that is to be done about it.
func (p *pass) lets(ctx context.Context) bool {
	if p.memory == nothing || p.memory == remembered && p.record.Session.Ephemeral {
		return true
	}
	if wish, wished := p.Wishes.Wished(p.name); wished && (wish.UID == "" || wish.UID == p.record.UID) {
		p.guard.confirmed(p.name)
		p.queue.add(key{classManifest, p.record.Folder})
		return true
	}
	p.guard.saw(p.name, p.record.Folder, p.record.Held)
	if !p.claims.everySeen(p.name) {
		p.guard.wait(p.name)
		p.holdOn()
		p.looked(p.memory == remembered || !p.stands())
		p.finish(status.Verdict{
			Ready: metav1.ConditionUnknown, Work: status.WorkWaiting,
			Note: status.Note{Reason: reasonManifestGone, Message: "its manifest is gone; what becomes of it is decided when all other sessions were looked at"},
		})
		return false
	}
	if !p.guard.holds(p.name) {
		return true
	}
	p.hold(ctx)
	return false
}

// hold keeps a session as it is although its manifest is gone.
func (p *pass) hold(ctx context.Context) {
	others := max(0, len(p.guard.kept(p.record.Folder))-1) // they may have come back just now
	p.held = fmt.Sprintf("its manifest is gone from %s, and those of %d other sessions at the same time; it is kept until they are back, or until coppice prune --confirm",
		orUnknown(p.record.Folder), others)
	p.queue.add(key{classManifest, p.record.Folder})
	if !p.record.Held {
		p.report.event(status.EventWarning, reasonDeletionHeld, p.held)
	}
	if p.memory != remembered { // nothing is known that it could be kept by
		p.looked(!p.stands())
		note := status.Note{Reason: reasonDeletionHeld, Message: p.held}
		p.finish(status.Verdict{Ready: metav1.ConditionFalse, Note: note, Stalled: &note})
		return
	}
	p.record.Held = true
	p.keep(ctx)
}

func orUnknown(folder string) string {
	if folder == "" {
		return "a folder that nobody remembers"
	}
	return folder
}

// tellHeld tells in a folder's status which sessions are kept although their
// manifests are gone from it; false if there are none.
func (c *Controller) tellHeld(k key) bool {
	names := c.guard.kept(k.name)
	if len(names) == 0 {
		return false
	}
	const most = 10 // names; the sessions' own statuses have all
	text := strings.Join(names[:min(len(names), most)], ", ")
	if len(names) > most {
		text += fmt.Sprintf(" and %d more", len(names)-most)
	}
	problem := fmt.Sprintf("%d sessions are kept although their manifests are gone from it, since so many went at the same time: %s; put the files back, or let the sessions go with coppice prune --confirm",
		len(names), text)
	report := c.reports.of(k)
	report.tell(func(f *status.File) {
		if len(f.Status.Problems) != 1 || f.Status.Problems[0] != problem {
			renew(f)
			report.happened(status.EventWarning, reasonDeletionHeld, problem)
		}
		f.Status.Source, f.Status.Problems = &status.Source{Manifest: k.name}, []string{problem}
		note := status.Note{Reason: reasonDeletionHeld, Message: problem}
		status.Judge(&f.Status, f.Metadata.Generation, time.Now(), status.Verdict{Ready: metav1.ConditionFalse, Note: note, Stalled: &note})
	})
	return true
}
