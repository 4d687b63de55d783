package compile

import (
	"fmt"

	"coppice.dev/reconcile/layout"
	"coppice.dev/reconcile/object"
	"coppice.dev/spec"
)

// Base is what a session shares with others.
type Base struct {
	Owner   object.Owner
	Objects []object.Object
	// Source is the path of the image or archive, for people.
	Source string
	// Contents is its identity: two bases of one file are known by it, whatever
	// path leads there.
	Contents object.FileIdentity
	// Exclusive bases are written to: one session at a time, and none that
	// reads the same source beside it.
	Exclusive bool
}

// Result is what a session is made of.
type Result struct {
	// Objects are the session's own, in the order of making.
	Objects []object.Object
	// Bases must be there before the session's objects can be made.
	Bases []Base
	// Uses are what the session stands on that is not made for it.
	Uses []Use
}

// Session compiles a record. The one error is a record that no version of this
// program would admit.
func Session(l layout.Layout, r Record) (Result, error) {
	c := compiler{layout: l, record: r, owner: object.SessionOwner(r.Session.Name)}
	if !r.Expired {
		if err := c.root(); err != nil {
			return Result{}, fmt.Errorf("compile session %s: %w", r.Session.Name, err)
		}
		if r.Session.Chroot.Source.Plain == nil {
			profile := r.Session.EffectiveProfile()
			if r.Session.Session.OpenSource {
				profile.Mounts = shown(profile)
			}
			c.mounts(profile.Mounts)
			c.processes()
			c.view()
			c.tasks(profile)
		} else {
			c.processes()
			c.view()
		}
	}
	if err := c.home(); err != nil {
		return Result{}, err
	}
	result := Result{Objects: c.objects, Bases: c.bases}
	if !r.Expired {
		result.Uses = Uses(r)
	}
	return result, nil
}

// compiler gathers the objects of one session.
type compiler struct {
	layout  layout.Layout
	record  Record
	owner   object.Owner
	objects []object.Object
	bases   []Base
}

func (c *compiler) add(g object.Group, name string, s object.Spec) {
	c.objects = append(c.objects, object.Object{
		ID:   object.ID{Owner: c.owner, Address: object.At(g, name)},
		Spec: s,
	})
}

// home puts the home before everything else; it remembers the rest.
func (c *compiler) home() error {
	admitted, err := c.record.Encode()
	if err != nil {
		return err
	}
	rest := c.objects
	c.objects = nil
	c.add(object.GroupHome, "home", object.Home{Admitted: admitted, Objects: rest, Ephemeral: c.record.Session.Ephemeral})
	c.objects = append(c.objects, rest...)
	return nil
}

func (c *compiler) processes() { c.add(object.GroupInside, "processes", Ending(c.record)) }

// Ending says how those inside a session are ended.
func Ending(record Record) object.Processes {
	s := record.Session.Session
	limits := record.Session.Confinement()
	p := object.Processes{
		Wait:   s.DeletionPolicy == spec.DeletionWait,
		Limits: object.Limits{Memory: limits.Memory, PIDs: limits.PIDs, CPU: limits.MilliCPU},
	}
	if s.GracePeriod != nil {
		p.Grace = s.GracePeriod.Duration
	}
	return p
}

func (c *compiler) view() {
	if c.record.Session.Session.Expose == spec.ExposeNone {
		return
	}
	view := object.View{Path: c.layout.View(c.record.Session.Name)}
	if c.record.Session.Session.Expose == spec.ExposeTree {
		view.Tree, view.Shows = true, object.Shown(c.objects)
	}
	c.add(object.GroupView, "root", view)
}
