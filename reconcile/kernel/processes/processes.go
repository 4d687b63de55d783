// Package processes knows and ends what runs inside a session: the processes in
// the session's cgroup, and whoever else has entered its mount namespace.
//
// It ends processes of one session and of no other. Each is looked at again
// under a pidfd before it is sent a signal, so that a number that was given to
// somebody else meanwhile hits nobody.
//
// Who left the group and made a mount namespace of their own inside the session,
// or had the session's taken from under them, keeps the session's mounts. They
// are looked for when it is asked whose objects there are (Strays).
package processes

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"coppice.dev/reconcile/kernel/cgroup"
	"coppice.dev/reconcile/kernel/holders"
	"coppice.dev/reconcile/kernel/lease"
	"coppice.dev/reconcile/object"
)

// Rooms tells where sessions' namespaces are.
type Rooms interface {
	// Open opens a session's namespace; the error wraps fs.ErrNotExist if it
	// has none.
	Open(session string) (*os.File, error)
}

// Driver drives object.Processes.
type Driver struct {
	// Controller is the identity of this controller; part of the group's name.
	Controller string
	// Groups is the mount point of the cgroup v2 tree; "" if there is none.
	Groups string
	Rooms  Rooms
	// Limiter knows where limits are set; nil if none are.
	Limiter *Limiter
	// Leases are the commands that people were let in with.
	Leases lease.Book
	// Strays is where is kept which processes were found outside of all that; nil
	// if they are not looked for.
	Strays *Strays
}

// Owners implements driver.Finder.
func (d Driver) Owners(context.Context) ([]object.Owner, error) {
	if err := d.FindStrays(); err != nil {
		return nil, err
	}
	owners := d.Strays.sessions()
	noted, err := d.Leases.Sessions()
	if err != nil {
		return owners, err
	}
	old, err := d.oldSessions()
	if err != nil {
		return owners, err
	}
	for _, session := range append(noted, old...) {
		owners = append(owners, object.SessionOwner(session))
	}
	if d.Groups == "" {
		return owners, nil
	}
	entries, err := os.ReadDir(d.parent())
	if errors.Is(err, fs.ErrNotExist) {
		return owners, nil
	}
	if err != nil {
		return owners, fmt.Errorf("look for cgroups: %w", err)
	}
	for _, e := range entries {
		if e.IsDir() && !strings.HasPrefix(e.Name(), ".") { // the keepers are in one with a dot
			owners = append(owners, object.SessionOwner(e.Name()))
		}
	}
	return owners, nil
}

// Observe implements driver.Driver. Where the machine has no cgroup v2, what is
// wanted counts as there.
func (d Driver) Observe(_ context.Context, owner object.Owner, known []object.Object) ([]object.Observed, error) {
	users, err := d.users(owner.Name, holders.PidsSeenIn)
	if err != nil {
		return nil, err
	}
	inside, err := d.describe(owner.Name, users)
	if err != nil {
		return nil, err
	}
	there := len(users) > 0
	seen := object.Observed{
		ID:   object.ID{Owner: owner, Address: object.At(object.GroupInside, "processes")},
		Kind: object.KindProcesses,
	}
	if d.Groups == "" {
		there = there || len(known) > 0
		seen.Note = "no cgroup v2 on this machine: processes are known by their mount namespace only"
	} else {
		seen.Name = d.group(owner.Name)
		if _, err := os.Stat(seen.Name); err == nil {
			there = true
		} else if !errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("look at cgroup: %w", err)
		}
	}
	if !there && len(known) == 0 { // what is noted of leases is the last to go
		noted, err := d.Leases.Sessions()
		if err != nil {
			return nil, err
		}
		there = slices.Contains(noted, owner.Name) || slices.ContainsFunc(d.oldGroups(owner.Name), exists)
	}
	if !there {
		return nil, nil
	}
	seen.Users = inside
	if seen.Visits, err = d.Leases.Visits(owner.Name); err != nil {
		return nil, err
	}
	if len(known) > 0 {
		// How they are ended is asked when they are; the kernel is told of limits.
		spec, _ := known[0].Spec.(object.Processes)
		limits, note, err := d.limits(owner.Name, spec.Limits)
		if err != nil {
			return nil, err
		}
		if note != "" {
			seen.Note = strings.TrimPrefix(seen.Note+"; "+note, "; ")
		}
		spec.Limits = limits
		seen.Spec, seen.Print = spec, object.PrintOf(spec)
	}
	return []object.Observed{seen}, nil
}

// Create implements driver.Driver.
func (d Driver) Create(ctx context.Context, o object.Object, _ []object.Object) error {
	return d.Amend(ctx, o)
}

// Amend implements driver.Driver: it sets limits. How processes are ended is
// asked when they are.
func (d Driver) Amend(_ context.Context, o object.Object) error {
	group, err := d.Join(o.Owner.Name)
	if group != nil {
		group.Close()
	}
	if err != nil {
		return err
	}
	spec, _ := o.Spec.(object.Processes)
	return d.setLimits(o.Owner.Name, spec.Limits)
}

// Destroy implements driver.Driver: TERM, then KILL after the grace time, then
// the group. With Wait it ends nobody, and says who is inside.
func (d Driver) Destroy(ctx context.Context, seen object.Observed) error {
	session := seen.Owner.Name
	spec, _ := seen.Spec.(object.Processes)
	grace := cmp.Or(spec.Grace, defaultGrace)
	for deadline := time.Now().Add(grace + patience); ; {
		users, err := d.users(session, holders.PidsIn)
		if err != nil {
			return err
		}
		if spec.Wait && len(users) > 0 {
			return busy("end session "+session, users, "it is waited for them, as the session's deletionPolicy says")
		}
		if len(users) > 0 {
			if err := d.end(ctx, session, grace); err != nil {
				return err
			}
		}
		// Somebody may have come in meanwhile, or may not be quite gone.
		if err = d.removeOld(session); err == nil && d.Groups != "" {
			err = cgroup.Remove(d.group(session))
		}
		if err == nil {
			return d.Leases.Forget(session)
		}
		if !errors.Is(err, unix.EBUSY) {
			return err
		}
		if time.Now().After(deadline) {
			return busy("remove the cgroup of session "+session, users, hung)
		}
		if err := pause(ctx); err != nil {
			return err
		}
	}
}

// users returns the processes of the session: those in its group, and those in its
// namespace, which ask finds.
func (d Driver) users(session string, ask func(inode uint64) []int) ([]int, error) {
	pids, err := d.members(session)
	if err != nil {
		return nil, err
	}
	inside, err := d.namespaces(session)
	if err != nil {
		return nil, err
	}
	defer inside.close()
	for inode := range inside {
		pids = append(pids, ask(inode)...)
	}
	slices.Sort(pids)
	return slices.Compact(pids), nil
}

// namespaces are open mount namespaces by their numbers, which are given to no
// other namespace meanwhile.
type namespaces map[uint64]*os.File

// namespaces opens the session's namespace, if it has one, and those of its
// strays.
func (d Driver) namespaces(session string) (namespaces, error) {
	open := d.strays(session)
	pinned, err := d.Rooms.Open(session)
	if err == nil {
		open = append(open, pinned)
	} else if !errors.Is(err, fs.ErrNotExist) {
		return nil, errors.Join(err, closeAll(open))
	}
	found := namespaces{}
	for _, file := range open {
		var st unix.Stat_t
		if err := unix.Fstat(int(file.Fd()), &st); err != nil {
			return nil, errors.Join(fmt.Errorf("look at namespace: %w", err), closeAll(open))
		}
		if before := found[st.Ino]; before != nil {
			before.Close()
		}
		found[st.Ino] = file
	}
	return found, nil
}

// has reports whether a process is in one of them now.
func (n namespaces) has(pid int) bool {
	inode, err := namespaceOf(pid)
	return err == nil && n[inode] != nil
}

func (n namespaces) close() {
	for _, file := range n {
		file.Close()
	}
}
