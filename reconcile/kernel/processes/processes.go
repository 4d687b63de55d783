// Package processes knows and ends what runs inside a session: the processes in
// the session's cgroup, and whoever else has entered its mount namespace.
//
// It ends processes of one session and of no other. Each is looked at again
// under a pidfd before it is sent a signal, so that a number that was given to
// somebody else meanwhile hits nobody.
//
// Who left the group and made a mount namespace of their own inside the session
// is not known here. They keep the session's mounts; the namespace's driver finds
// them when it needs the upper again.
package processes

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"coppice.dev/reconcile/kernel/holders"
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
}

// Owners implements driver.Finder.
func (d Driver) Owners(context.Context) ([]object.Owner, error) {
	if d.Groups == "" {
		return nil, nil
	}
	entries, err := os.ReadDir(d.parent())
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("look for cgroups: %w", err)
	}
	var owners []object.Owner
	for _, e := range entries {
		if e.IsDir() {
			owners = append(owners, object.SessionOwner(e.Name()))
		}
	}
	return owners, nil
}

// Observe implements driver.Driver. Where the machine has no cgroup v2, what is
// wanted counts as there.
func (d Driver) Observe(_ context.Context, owner object.Owner, known []object.Object) ([]object.Observed, error) {
	users, err := d.users(owner.Name)
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
	if !there {
		return nil, nil
	}
	for _, pid := range users {
		seen.Users = append(seen.Users, holders.Describe(pid))
	}
	for _, o := range known {
		seen.Spec, seen.Print = o.Spec, object.PrintOf(o.Spec)
		break
	}
	return []object.Observed{seen}, nil
}

// Create implements driver.Driver.
func (d Driver) Create(_ context.Context, o object.Object, _ []object.Object) error {
	group, err := d.Join(o.Owner.Name)
	if group != nil {
		group.Close()
	}
	return err
}

// Amend implements driver.Driver: how processes are ended is asked when they are.
func (d Driver) Amend(context.Context, object.Object) error { return nil }

// Destroy implements driver.Driver: TERM, then KILL after the grace time, then
// the group. With Wait it ends nobody, and says who is inside.
func (d Driver) Destroy(ctx context.Context, seen object.Observed) error {
	session := seen.Owner.Name
	spec, _ := seen.Spec.(object.Processes)
	grace := cmp.Or(spec.Grace, defaultGrace)
	for deadline := time.Now().Add(grace + patience); ; {
		users, err := d.users(session)
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
		if d.Groups == "" {
			return nil
		}
		// Somebody may have come in meanwhile, or may not be quite gone.
		err = removeGroup(d.group(session))
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

// users returns the processes of the session: those in its group, and those in
// its namespace.
func (d Driver) users(session string) ([]int, error) {
	pids, err := d.members(session)
	if err != nil {
		return nil, err
	}
	inside, err := d.namespace(session)
	if err != nil {
		return nil, err
	}
	if inside == 0 {
		return pids, nil
	}
	for _, p := range holders.InNamespace(inside) {
		pids = append(pids, p.PID)
	}
	slices.Sort(pids)
	return slices.Compact(pids), nil
}

// namespace returns the inode of the session's namespace; 0 if it has none.
func (d Driver) namespace(session string) (uint64, error) {
	namespace, err := d.Rooms.Open(session)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	defer namespace.Close()
	var st unix.Stat_t
	if err := unix.Fstat(int(namespace.Fd()), &st); err != nil {
		return 0, fmt.Errorf("look at namespace: %w", err)
	}
	return st.Ino, nil
}

func inNamespace(pid int, inode uint64) bool {
	var st unix.Stat_t
	return unix.Stat(fmt.Sprintf("/proc/%d/ns/mnt", pid), &st) == nil && st.Ino == inode
}
