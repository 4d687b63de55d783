// Package hook drives the programs that are run for a session.
//
// Making a hook runs it; unmaking it undoes it. The journal in the session's
// home is written before a hook is begun and after it is done, so that after a
// crash it is known which ones may have left something behind. What was begun
// and not done is undone and run anew; a hook must bear that.
//
// A setup hook runs once in a session's life. A recover hook is only noted when
// the session is new, and run when its root has been made again. A stop hook is
// only noted, and run when the session goes.
//
// What a hook that went well leaves running is left alone; it ends with the
// session at the latest. What one that failed or was interrupted leaves is ended
// before anything else is done.
package hook

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path"

	"coppice.dev/reconcile/kernel/journal"
	"coppice.dev/reconcile/object"
)

// The phases, as in spec.HookPhase.
const (
	setup      = "setup"
	recovering = "recover"
	stop       = "stop"
)

// undoings is how often undoing is tried before a session goes without it:
// taking down must come to an end.
const undoings = 3

// Rooms tells where sessions' namespaces are.
type Rooms interface {
	Open(session string) (*os.File, error)
	Instance(session string) (pin, instance string, ok bool, err error)
}

// Groups keeps the processes of each hook together, so that what one left
// behind can be ended.
type Groups interface {
	// JoinHook opens the cgroup that a hook is started in; nil if there is none.
	JoinHook(session, name string) (*os.File, error)
	// LeaveHook removes the group of a hook if nobody is in it any more.
	LeaveHook(session, name string) error
	// KillHook ends what is left of a hook, and its group.
	KillHook(session, name string) error
}

// Driver drives object.Hook.
type Driver struct {
	Rooms   Rooms
	Groups  Groups
	Journal journal.Journal
	// GivenUp is told of an undoing that failed for the last time; it may be nil.
	GivenUp func(object.ID, error)
	// Said is told what a hook writes, line by line; it may be nil.
	Said func(session, hook, phase, line string)
}

// Observe implements driver.Driver.
//
// Of an entry that a power cut made unreadable it is known that the hook was
// noted, and not how far it came. A setup hook is taken for interrupted; the
// others are noted anew, and a recover hook is run.
func (d Driver) Observe(_ context.Context, owner object.Owner, known []object.Object) ([]object.Observed, error) {
	entries, err := d.Journal.Read(owner.Name, object.KindHook, known...)
	if err != nil || len(entries) == 0 {
		return nil, err
	}
	_, instance, there, err := d.Rooms.Instance(owner.Name)
	if err != nil {
		return nil, err
	}
	var seen []object.Observed
	for _, e := range entries {
		spec := e.Object.Spec.(object.Hook)
		s := object.Observed{ID: e.Object.ID, Kind: object.KindHook, Name: spec.Name, Spec: spec, Print: object.PrintOf(spec)}
		trouble := ""
		switch {
		case e.State == journal.Lost:
			trouble = "its entry in the journal cannot be read"
		case e.State == journal.Begun:
			trouble = "it was interrupted"
		case e.State == journal.Failed:
			trouble = "it failed"
		case spec.Phase == recovering && there && e.Instance != instance:
			trouble = "the root was made again"
		}
		if spec.Phase != setup && trouble != "" {
			s.Print.Whole, s.Note = "", trouble // Amend does what there is to do
		} else {
			s.Damage = trouble
		}
		seen = append(seen, s)
	}
	return seen, nil
}

// Create implements driver.Driver.
func (d Driver) Create(ctx context.Context, o object.Object, _ []object.Object) error {
	return d.run(ctx, o, o.Spec.(object.Hook).Phase == setup)
}

// Amend implements driver.Driver: it notes how the hook is to be undone from now
// on, and runs a recover hook whose root was made again.
func (d Driver) Amend(ctx context.Context, o object.Object) error {
	_, instance, _, err := d.Rooms.Instance(o.Owner.Name)
	if err != nil {
		return err
	}
	e, found, err := d.Journal.Find(o)
	if err != nil {
		return err
	}
	phase := o.Spec.(object.Hook).Phase
	if !found || e.State == journal.Lost && phase == stop {
		return d.Create(ctx, o, nil)
	}
	if phase == recovering && (e.State != journal.Done || e.Instance != instance) {
		return d.run(ctx, o, true)
	}
	e.Object = o
	return d.Journal.Write(e)
}

// run notes the hook, runs it if now is its time, and notes what came of it.
func (d Driver) run(ctx context.Context, o object.Object, now bool) error {
	pin, instance, there, err := d.Rooms.Instance(o.Owner.Name)
	if err != nil {
		return err
	}
	if !there {
		return fmt.Errorf("run hook %s: the session has no root: %w", o.Address, fs.ErrNotExist)
	}
	e := journal.Entry{Object: o, State: journal.Done, Instance: instance}
	if !now {
		return d.Journal.Write(e)
	}
	former, _, err := d.Journal.Find(o)
	if err != nil {
		return err
	}
	if err := d.clear(former, nameOf(o.ID)); err != nil {
		return err
	}
	e.State = journal.Begun
	if err := d.Journal.Write(e); err != nil {
		return err
	}
	spec := o.Spec.(object.Hook)
	err = d.execute(ctx, &e, program{name: nameOf(o.ID), pin: pin, phase: spec.Phase, args: spec.Command})
	// It is over, and what it has started for the session's sake is not its process:
	// nobody is to end that in its stead.
	e.State, e.Process = journal.Done, nil
	if err != nil {
		e.State = journal.Failed
	}
	if noteErr := d.Journal.Write(e); err == nil {
		err = noteErr
	} else if noteErr != nil {
		err = fmt.Errorf("%w; and to note it: %w", err, noteErr)
	}
	return err
}

// Destroy implements driver.Driver: it undoes a setup hook that was begun, and
// runs a stop hook.
func (d Driver) Destroy(ctx context.Context, seen object.Observed) error {
	spec, is := seen.Spec.(object.Hook)
	if !is {
		return nil
	}
	e, found, err := d.Journal.Find(object.Object{ID: seen.ID, Spec: spec})
	if err != nil || !found {
		return err
	}
	if e.State != journal.Done {
		if err := d.clear(e, nameOf(seen.ID)); err != nil {
			return err
		}
	}
	spec = e.Object.Spec.(object.Hook)
	command := spec.Undo
	if spec.Phase == stop {
		command = spec.Command
	}
	if len(command) > 0 {
		if err := d.undo(ctx, e, command); err != nil {
			return err
		}
	}
	return d.Journal.Remove(seen.ID)
}

// undo runs the command that undoes a hook. After some failures it gives up,
// with a word about it: the session has to go.
func (d Driver) undo(ctx context.Context, e journal.Entry, command []string) error {
	pin, _, _, err := d.Rooms.Instance(e.Object.Owner.Name)
	if err != nil {
		return err
	}
	name := undoing + nameOf(e.Object.ID)
	if err := d.clear(e, name); err != nil { // of an attempt that was cut short
		return err
	}
	err = d.execute(ctx, &e, program{name: name, pin: pin, phase: stop, args: command})
	if err == nil {
		return nil
	}
	e.Attempts++
	if e.Attempts < undoings {
		if noteErr := d.Journal.Write(e); noteErr != nil {
			return fmt.Errorf("%w; and to note it: %w", err, noteErr)
		}
		return err
	}
	if d.GivenUp != nil {
		d.GivenUp(e.Object.ID, err)
	}
	return nil
}

// undoing begins the name of what undoes a hook.
const undoing = "undo-"

// nameOf tells a hook from the others of its session: "000-warm".
func nameOf(id object.ID) string { return path.Base(id.Address.Name()) }

// clear ends what is left of a program of the hook.
func (d Driver) clear(e journal.Entry, name string) error {
	if e.Object.Spec == nil {
		return nil // it never ran
	}
	session := e.Object.Owner.Name
	if err := d.Groups.KillHook(session, name); err != nil {
		return err
	}
	if e.Process == nil {
		return nil
	}
	return endLeft(*e.Process, session)
}
