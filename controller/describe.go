package controller

import (
	"cmp"
	"os/user"
	"strconv"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"coppice.dev/reconcile/object"
	"coppice.dev/status"
)

// describe writes into a status what is known of the session beside how it is.
func (p *pass) describe(s *status.Status) {
	s.Objects = append(p.claims.objects(p.name), objectsOf(p.world, false)...)
	s.Blockers, s.Advice = blockers(p.blockers), p.advice
	s.Leases = leases(p.inside(), s.Leases)
	s.Root, s.Namespace = "", ""
	for _, o := range p.world.Objects {
		switch {
		case o.Damage != "":
		case o.Kind == object.KindView:
			s.Root = p.layout.View(p.name)
		case o.Kind == object.KindNamespace:
			s.Namespace = o.Name
		}
	}
	s.Archive, s.Saved = "", 0
	s.Chroot, s.Profile, s.Owner, s.Admitted, s.Expires, s.OpenSource = "", "", "", nil, nil, false
	s.IdleSince, s.IdleUntil = nil, nil
	if p.memory != remembered && !p.begun {
		return
	}
	s.Chroot, s.Profile = p.record.Session.ChrootName, p.record.Session.ProfileName
	s.OpenSource = p.record.Session.Session.OpenSource
	if p.paused == "" {
		s.LastHandledReconcileAt = p.record.ReconcileAt
	}
	if tree, there := treeOf(p.world); there && s.OpenSource {
		s.Archive, s.Saved = tree.Archive, tree.Save
	}
	if owner := p.record.Session.Owner; owner != nil {
		s.Owner = userName(*owner)
	}
	admitted := metav1.NewTime(p.record.Admitted)
	s.Admitted = &admitted
	if ttl := p.record.Session.Session.TTL; ttl != nil {
		expires := metav1.NewTime(p.record.Admitted.Add(ttl.Duration))
		s.Expires = &expires
	}
	if limit := p.record.Session.Session.IdleTimeout; limit != nil && !p.idle.IsZero() {
		since, until := metav1.NewTime(p.idle), metav1.NewTime(p.idle.Add(limit.Duration))
		s.IdleSince, s.IdleUntil = &since, &until
	}
}

// blockers tells who is in the way, and what frees what they hold.
func blockers(holders []object.Process) []status.Blocker {
	const most = 50 // a fork bomb has more
	var list []status.Blocker
	for _, h := range holders[:min(len(holders), most)] {
		b := status.Blocker{PID: h.PID, Command: h.Command, Path: h.Path, Free: h.Free}
		if h.PID != 0 {
			b.User = userName(h.UID)
			b.Free = cmp.Or(b.Free, "kill "+strconv.Itoa(h.PID))
		}
		list = append(list, b)
	}
	return list
}

// leases tells who is inside, and since when they have been seen there.
func leases(inside []object.Process, before []status.Lease) []status.Lease {
	since := map[int]metav1.Time{}
	for _, l := range before {
		since[l.PID] = l.Since
	}
	list := []status.Lease{}
	for _, p := range inside {
		l := status.Lease{ID: p.Lease, PID: p.PID, User: userName(p.UID), Command: p.Command, Since: metav1.Now()}
		if first, seen := since[p.PID]; !p.Since.IsZero() {
			l.Since = metav1.NewTime(p.Since)
		} else if seen {
			l.Since = first
		}
		list = append(list, l)
	}
	return list
}

// userName returns the name of a user of the host, or the number of one that
// the host does not know.
func userName(uid int) string {
	number := strconv.Itoa(uid)
	if u, err := user.LookupId(number); err == nil {
		return u.Username
	}
	return number
}
