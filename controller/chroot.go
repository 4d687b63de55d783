package controller

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"coppice.dev/manifests"
	"coppice.dev/reconcile/compile"
	"coppice.dev/spec"
	"coppice.dev/status"
)

// builtin returns the profiles that are there without a manifest.
var builtin = sync.OnceValue(spec.BuiltinProfiles)

// chroot takes one pass over a chroot: is its manifest good, is its source there?
func (c *Controller) chroot(ctx context.Context, name string) {
	set, refs := c.manifestsNow()
	k := key{classChroot, name}
	var places []compile.Place
	c.definition(set, k, nil, func() (bool, error) {
		chroot, there := refs.Chroots[name]
		if !there {
			return false, nil
		}
		facts, err := c.inspect(ctx, chroot.Spec.Source)
		places = facts.Places
		if len(places) == 0 {
			places = compile.PlacesOf(chroot.Spec)[:1]
		}
		return ctx.Err() == nil, err
	}, func(s *status.Status) {
		s.OpenedBy = ""
		for _, place := range places {
			if session, waiting := c.claims.opener(place); !waiting {
				s.OpenedBy = session
			}
		}
	})
}

// profile takes one pass over a profile.
func (c *Controller) profile(name string) {
	set, _ := c.manifestsNow()
	var fallback *spec.Profile
	if i := slices.IndexFunc(builtin(), func(p *spec.Profile) bool { return p.Name == name }); i >= 0 {
		fallback = builtin()[i]
	}
	c.definition(set, key{classProfile, name}, fallback, func() (bool, error) { return true, nil }, func(*status.Status) {})
}

// definition tells of a chroot or a profile, which is all that is done with it.
// fallback is what it is without a manifest; check looks whether it can be used,
// and whether that can be told at all; more tells more of it.
func (c *Controller) definition(set manifests.Set, k key, fallback *spec.Profile, check func() (bool, error), more func(*status.Status)) {
	defer c.queue.succeeded(k)
	of := manifests.Key{Kind: kinds[k.class], Name: k.name}
	entry, named := set.Entries.Get(of)
	if !named {
		switch {
		case fallback != nil:
			entry = manifests.Entry{Key: of, Object: fallback, Hash: spec.Hash(fallback)}
		case !set.MayHold(of):
			c.forget(k)
			return
		case !c.reports.known(k):
			return // it may never have been there
		}
	}
	report := c.reports.of(k)
	report.see(entry)
	if entry.Object != nil {
		report.begin("Inspect", "")
	}
	var problem error
	if entry.Object != nil {
		var told bool
		if told, problem = check(); !told {
			report.end()
			return
		}
	}
	report.end()
	v := definitionVerdict(set, entry, named || fallback != nil, problem)
	worked := false
	before := report.now().Status.Condition(status.ConditionReady)
	report.tell(func(f *status.File) {
		f.Status.Sessions = c.links.sessions(names(k, set)...)
		more(&f.Status)
		status.Judge(&f.Status, f.Metadata.Generation, time.Now(), v)
		worked = before != nil && before.Reason != reasonNew && before.Status != metav1.ConditionTrue && v.Ready == metav1.ConditionTrue
	})
	if worked { // those that failed because of it need not wait for their next try
		for _, session := range c.links.sessions(names(k, set)...) {
			c.queue.renew(sessionKey(session))
		}
	}
}

func definitionVerdict(set manifests.Set, entry manifests.Entry, named bool, problem error) status.Verdict {
	switch {
	case !named:
		return status.Verdict{
			Ready: metav1.ConditionUnknown, Work: status.WorkWaiting,
			Note: status.Note{Reason: reasonManifestUnknown, Message: unavailable(set, entry)},
		}
	case entry.Object == nil:
		note := invalid(entry)
		return status.Verdict{Ready: metav1.ConditionFalse, Note: note, Stalled: &note}
	}
	v := status.Verdict{Ready: metav1.ConditionTrue, Note: status.Note{Reason: reasonValid, Message: "it can be used"}}
	if problem != nil {
		v.Ready, v.Note, v.Work = metav1.ConditionFalse, status.Explain(problem), status.WorkRetrying
		if status.NeedsPerson(problem) {
			v.Stalled = &v.Note
		}
	}
	if len(entry.Problems) > 0 {
		note := invalid(entry)
		v.Stalled = &note
	}
	return v
}

// inspect asks the machine about a source.
func (c *Controller) inspect(ctx context.Context, s spec.Source) (compile.Facts, error) {
	ctx, cancel := context.WithTimeout(ctx, looking)
	defer cancel()
	return c.Inspect(ctx, s)
}

// manifest takes one pass over a file or a folder with problems.
func (c *Controller) manifest(path string) {
	set, _ := c.manifestsNow()
	k := key{classManifest, path}
	problems := troubles(set, path)
	own, troubled := c.ownTrouble(path)
	if troubled {
		problems = append(slices.Clone(problems), strings.Split(own.message, "\n")...)
	}
	if len(problems) == 0 {
		if c.tellHeld(k) {
			return
		}
		if why := c.polled(path); why != "" {
			c.tellPolling(k, why)
		} else {
			c.forget(k)
		}
		return
	}
	note := status.Note{Reason: reasonInvalidManifest, Message: strings.Join(problems, "\n")}
	switch {
	case troubled:
		note.Reason = own.reason
	case set.Folders[path] != "":
		note.Reason = reasonManifestUnknown
	}
	report := c.reports.of(k)
	report.tell(func(f *status.File) {
		if !slices.Equal(f.Status.Problems, problems) {
			renew(f)
			report.happened(status.EventWarning, note.Reason, note.Message)
		}
		f.Status.Source = &status.Source{Manifest: path}
		f.Status.Problems = problems
		status.Judge(&f.Status, f.Metadata.Generation, time.Now(), status.Verdict{
			Ready: metav1.ConditionFalse, Note: note, Stalled: &note,
		})
	})
}

// see takes over what is told of a manifest: where it is, and whether its spec
// is another than before. Of a new or changed one it is told at once that there
// is something to do.
func (r *report) see(entry manifests.Entry) {
	r.mu.Lock()
	defer r.mu.Unlock()
	f := &r.file
	if entry.Name == "" {
		return // there is no manifest that says anything
	}
	f.Status.Problems = entry.Problems
	f.Status.Source = sourceOf(entry, f.Status)
	note := status.Note{Reason: reasonSpecChanged, Message: "its manifest has changed"}
	if len(f.Status.Conditions) == 0 {
		note = status.Note{Reason: reasonNew, Message: "it is new"}
	}
	if entry.Object != nil {
		f.Metadata.Labels = entry.Object.GetLabels()
	}
	if changed := entry.Object != nil && entry.Hash != f.Status.SpecHash; changed || len(f.Status.Conditions) == 0 {
		if changed {
			renew(f)
			f.Status.SpecHash = entry.Hash
		}
		status.Progress(&f.Status, f.Metadata.Generation, time.Now(), true, note)
		r.write()
	}
}

// sourceOf says where an object is written. The commit is that in which its spec was
// found first, whichever daemon found it: a later one that says the same changes
// nothing about the object, and so costs nothing.
func sourceOf(entry manifests.Entry, was status.Status) *status.Source {
	if entry.Place.Manifest == "" {
		return nil
	}
	source := &status.Source{Manifest: entry.Place.Manifest, Document: entry.Place.Document, Line: entry.Place.Line, Revision: entry.Revision}
	if was.Source != nil && was.Source.Revision != "" && was.SpecHash == entry.Hash {
		source.Revision = was.Source.Revision
	}
	return source
}

// invalid says what is wrong with a manifest, and what that means.
func invalid(entry manifests.Entry) status.Note {
	message := strings.Join(entry.Problems, "\n")
	if entry.Object != nil && entry.Stale {
		message += "\nwhat it said before still holds"
	}
	return status.Note{Reason: reasonInvalidManifest, Message: message}
}

// unavailable says why it is not known what a manifest says.
func unavailable(set manifests.Set, entry manifests.Entry) string {
	var why []string
	for folder, problem := range set.Folders {
		if problem != "" && (entry.Place.Manifest == "" || strings.HasPrefix(entry.Place.Manifest, folder+"/")) {
			why = append(why, fmt.Sprintf("%s: %s", folder, problem))
		}
	}
	if len(why) == 0 && entry.Place.Manifest == "" {
		for path := range set.Files {
			why = append(why, fmt.Sprintf("%s cannot be read whole and may hold it", path))
		}
	}
	if len(why) == 0 {
		why = []string{"not all folders have been read yet"}
	}
	slices.Sort(why)
	return "it stays as it is until its manifest can be read: " + strings.Join(why, "; ")
}
