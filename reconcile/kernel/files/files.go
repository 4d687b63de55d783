// Package files drives what is written into a session's root: copies of the
// host's files, and databases as getent(1) prints them. Each is written once for
// every making of the root; what becomes of it then is the session's business.
//
// The root is not to be trusted: paths in it are resolved as if it were "/", and
// nothing is written to a mount that is not the root's own.
package files

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"

	"coppice.dev/reconcile/fault"
	"coppice.dev/reconcile/kernel/enter"
	"coppice.dev/reconcile/kernel/journal"
	"coppice.dev/reconcile/object"
)

// Rooms tells where sessions' namespaces are.
type Rooms interface {
	Open(session string) (*os.File, error)
	Instance(session string) (pin, instance string, ok bool, err error)
}

// Driver drives object.File.
type Driver struct {
	Rooms   Rooms
	Journal journal.Journal
}

// Observe implements driver.Driver.
func (d Driver) Observe(_ context.Context, owner object.Owner, _ []object.Object) ([]object.Observed, error) {
	entries, err := d.Journal.Read(owner.Name, object.KindFile)
	if err != nil || len(entries) == 0 {
		return nil, err
	}
	_, instance, _, err := d.Rooms.Instance(owner.Name)
	if err != nil {
		return nil, err
	}
	var seen []object.Observed
	for _, e := range entries {
		s := object.Observed{
			ID: e.Object.ID, Kind: object.KindFile, Spec: e.Object.Spec, Print: object.PrintOf(e.Object.Spec),
			Name: e.Object.Spec.(object.File).Target,
		}
		switch {
		case e.State != journal.Done:
			s.Damage = "writing it was interrupted"
		case e.Instance != instance:
			s.Damage = "the root was made again"
		}
		seen = append(seen, s)
	}
	return seen, nil
}

// Create implements driver.Driver.
func (d Driver) Create(ctx context.Context, o object.Object, _ []object.Object) error {
	spec := o.Spec.(object.File)
	_, instance, ok, err := d.Rooms.Instance(o.Owner.Name)
	if err != nil {
		return err
	}
	if !ok {
		return fmt.Errorf("write %s: the session has no root: %w", spec.Target, fs.ErrNotExist)
	}
	content, err := contentOf(ctx, spec)
	if err != nil {
		return err
	}
	defer content.close()
	root, err := d.root(o.Owner.Name)
	if err != nil {
		return err
	}
	defer unix.Close(root)
	e := journal.Entry{Object: o, State: journal.Begun, Instance: instance}
	if err := d.Journal.Write(e); err != nil {
		return err
	}
	if err := write(root, spec.Target, draftOf(o.ID), content); err != nil {
		f := &fault.Fault{
			Reason: fault.TargetUnusable, Doing: "write " + spec.Target + " inside the session", Err: err,
			Hint: "take it out of the profile, or change the chroot's source",
		}
		if errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) {
			f.Reason, f.Hint = fault.NoSpace, "free some space, or give the upper a larger size"
		}
		return f
	}
	e.State = journal.Done
	return d.Journal.Write(e)
}

// root opens the root of the session's namespace.
func (d Driver) root(session string) (fd int, err error) {
	namespace, err := d.Rooms.Open(session)
	if err != nil {
		return -1, err
	}
	defer namespace.Close()
	err = enter.Do(namespace, func(enter.Thread) (err error) {
		fd, err = unix.Open("/", unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
		return err
	})
	return fd, err
}

// Amend implements driver.Driver; what is written is written.
func (d Driver) Amend(context.Context, object.Object) error { return nil }

// Destroy implements driver.Driver: it forgets the file. The copy stays in the
// root, where the session may long have changed it; what an interrupted write
// left beside it goes.
func (d Driver) Destroy(_ context.Context, seen object.Observed) error {
	e, found, err := d.Journal.Find(object.Object{ID: seen.ID, Spec: object.File{}})
	if err != nil || !found {
		return err
	}
	if e.State != journal.Done {
		if err := d.abandon(e); err != nil {
			return err
		}
	}
	return d.Journal.Remove(seen.ID)
}

func (d Driver) abandon(e journal.Entry) error {
	_, instance, ok, err := d.Rooms.Instance(e.Object.Owner.Name)
	if err != nil {
		return err
	}
	if !ok || instance != e.Instance {
		return nil // the root that was written into is not there any more
	}
	root, err := d.root(e.Object.Owner.Name)
	if err != nil {
		return err
	}
	defer unix.Close(root)
	target := e.Object.Spec.(object.File).Target
	if err := abandon(root, target, draftOf(e.Object.ID)); err != nil {
		return fmt.Errorf("clear up after writing %s was interrupted: %w", target, err)
	}
	return nil
}
