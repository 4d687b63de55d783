package namespace

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strconv"

	"golang.org/x/sys/unix"

	"coppice.dev/reconcile/fault"
	"coppice.dev/reconcile/kernel/enter"
	"coppice.dev/reconcile/kernel/holders"
	"coppice.dev/reconcile/kernel/mounttable"
	"coppice.dev/reconcile/object"
)

// Mounts drives object.Mount: single mounts inside a published namespace.
type Mounts struct{ *Room }

// Observe implements driver.Driver.
func (d Mounts) Observe(_ context.Context, owner object.Owner, known []object.Object) ([]object.Observed, error) {
	var seen []object.Observed
	sources := lookAtSources(known)
	err := d.inside(owner.Name, func(t enter.Thread, r *root) error {
		table, err := mounttable.Inside(t)
		if err != nil {
			return err
		}
		seen = d.match(owner, known, sources, r, table)
		return nil
	})
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil // no namespace, no mounts
	}
	return seen, err
}

// Create implements driver.Driver.
func (d Mounts) Create(_ context.Context, o object.Object, _ []object.Object) error {
	m, err := d.make(o.Owner.Name, o.Spec.(object.Mount))
	if err != nil || m == nil {
		return err
	}
	defer unix.Close(m.fd)
	return d.inside(o.Owner.Name, func(t enter.Thread, r *root) error {
		table, err := mounttable.Inside(t)
		if err != nil {
			return err
		}
		for _, e := range table {
			if _, ours := d.ours(e.Source, o.Owner.Name); ours && e.FSType == "tmpfs" {
				r.own[uint64(e.ID)] = true
			}
		}
		return m.attach(r)
	})
}

// Amend implements driver.Driver.
func (d Mounts) Amend(_ context.Context, o object.Object) error {
	m := o.Spec.(object.Mount)
	kept, err := hostAttributes(m)
	if err != nil {
		return err
	}
	return d.inside(o.Owner.Name, func(_ enter.Thread, r *root) error {
		fd, err := r.open(m.Target)
		if err != nil {
			return fmt.Errorf("open %s inside: %w", m.Target, err)
		}
		defer unix.Close(fd)
		if err := setAttributes(fd, append(kept, m.Flags...)); err != nil {
			return err
		}
		if m.Size == 0 {
			return nil
		}
		return resize(fd, m)
	})
}

// resize changes the size of a live tmpfs.
func resize(fd int, m object.Mount) error {
	context, err := unix.Fspick(fd, "", unix.FSPICK_EMPTY_PATH|unix.FSPICK_CLOEXEC)
	if err != nil {
		return fmt.Errorf("resize %s: %w", m.Target, err)
	}
	defer unix.Close(context)
	if err := unix.FsconfigSetString(context, "size", strconv.FormatInt(m.Size, 10)); err != nil {
		return said(context, fmt.Errorf("resize %s to %d bytes: %w", m.Target, m.Size, err))
	}
	if err := unix.FsconfigReconfigure(context); err != nil {
		return said(context, fmt.Errorf("resize %s to %d bytes: %w", m.Target, m.Size, err))
	}
	return nil
}

// Destroy implements driver.Driver.
func (d Mounts) Destroy(_ context.Context, seen object.Observed) error {
	err := d.inside(seen.Owner.Name, func(t enter.Thread, r *root) error {
		point, device, err := d.point(t, r, seen)
		if err != nil || point == "" {
			return err
		}
		// The same address may hold several mounts of ours on top of each
		// other; each look finds the next.
		if err := unmount(point); errors.Is(err, unix.EBUSY) {
			return &fault.Fault{
				Reason: fault.Busy, Doing: "unmount " + point + " inside", Err: err, Holders: holders.OfDevice(device),
				Hint: "end these processes, or wait for them",
			}
		} else if err != nil {
			return fmt.Errorf("unmount %s inside: %w", point, err)
		}
		return nil
	})
	if errors.Is(err, fs.ErrNotExist) {
		return nil // the namespace took it along
	}
	return err
}

// point returns where a mount that was seen is mounted, and its device; an empty
// path if it is there no more.
func (d Mounts) point(t enter.Thread, r *root, seen object.Observed) (string, uint64, error) {
	table, err := mounttable.Inside(t)
	if err != nil {
		return "", 0, err
	}
	e, _ := mountedAt(r, table, "/"+seen.Address.Name())
	if e == nil {
		return "", 0, nil
	}
	return e.Mountpoint, unix.Mkdev(uint32(e.Major), uint32(e.Minor)), nil
}

// inside runs f in the session's namespace, with its root open. The error wraps
// fs.ErrNotExist if there is no namespace.
func (d Mounts) inside(session string, f func(enter.Thread, *root) error) error {
	namespace, err := d.Open(session)
	if err != nil {
		return err
	}
	defer namespace.Close()
	return enter.Do(namespace, func(t enter.Thread) error {
		r, err := openRoot()
		if err != nil {
			return err
		}
		defer r.close()
		return f(t, r)
	})
}
