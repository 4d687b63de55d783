package namespace

import (
	"errors"
	"fmt"
	"os"
	"runtime"

	"golang.org/x/sys/unix"

	"coppice.dev/reconcile/fault"
	"coppice.dev/reconcile/kernel/enter"
	"coppice.dev/reconcile/object"
)

// build makes a session's namespace and pins it.
//
// The kernel orders namespaces by numbers that it hands out to each CPU in
// batches, and refuses to bind a namespace below a mount of one that seems
// younger. From a host's own namespace that never happens; from inside a nested
// one (a container, a test that isolates itself) it depends on the CPU, so a
// refused pin is tried once more from each.
func (r *Room) build(session string, spec object.Namespace, contents []object.Object) error {
	err := r.buildOn(-1, session, spec, contents)
	for cpu := 0; cpu < runtime.NumCPU() && errors.Is(err, errPinRefused); cpu++ {
		err = r.buildOn(cpu, session, spec, contents)
	}
	if errors.Is(err, errPinRefused) {
		return &fault.Fault{
			Reason: fault.KernelTooOld, Doing: "pin the session's mount namespace", Err: err,
			Hint: "run coppiced in the host's own mount namespace, not in a nested one",
		}
	}
	return err
}

var errPinRefused = errors.New("the kernel refused the pin")

// buildOn does it on one CPU, or on any if cpu is negative.
func (r *Room) buildOn(cpu int, session string, spec object.Namespace, contents []object.Object) error {
	seed, err := r.seedNamespace()
	if err != nil {
		return err
	}
	top, err := rootMount(spec, r.label(session, spec), r.layout.Scratch())
	if err != nil {
		return err
	}
	defer unix.Close(top)
	mounts, err := r.makeAll(session, contents)
	defer func() {
		for _, m := range mounts {
			unix.Close(m.fd)
		}
	}()
	if err != nil {
		return err
	}
	namespace, err := assemble(seed, cpu, top, mounts)
	if err != nil {
		return err
	}
	defer namespace.Close()
	path := r.layout.Pin(session, object.PrintOf(spec), newInstance())
	if err := publish(namespace, path); errors.Is(err, unix.EINVAL) {
		return fmt.Errorf("%w: %w", errPinRefused, err)
	} else if err != nil {
		return err
	}
	return nil
}

// makeAll makes the mounts that belong inside, detached.
func (r *Room) makeAll(session string, contents []object.Object) ([]*made, error) {
	var mounts []*made
	for _, o := range contents {
		m, err := r.make(session, o.Spec.(object.Mount))
		if err != nil {
			return mounts, err
		}
		if m != nil {
			mounts = append(mounts, m)
		}
	}
	return mounts, nil
}

// assemble makes a namespace from the seed whose root is the mount top, with the
// mounts in their places.
func assemble(seed *os.File, cpu, top int, mounts []*made) (*os.File, error) {
	var namespace *os.File
	err := enter.Alone(func(t enter.Thread) error {
		if cpu >= 0 {
			var set unix.CPUSet
			set.Set(cpu)
			if err := unix.SchedSetaffinity(0, &set); err != nil {
				return fmt.Errorf("bind thread to CPU %d: %w", cpu, err)
			}
		}
		if err := unix.Setns(int(seed.Fd()), unix.CLONE_NEWNS); err != nil {
			return fmt.Errorf("enter the seed namespace: %w", err)
		}
		if err := unix.Unshare(unix.CLONE_NEWNS); err != nil {
			return fmt.Errorf("unshare mount namespace: %w", err)
		}
		if err := unix.MoveMount(top, "", unix.AT_FDCWD, "/root", unix.MOVE_MOUNT_F_EMPTY_PATH); err != nil {
			return fmt.Errorf("attach the root mount: %w", err)
		}
		if err := unix.Chdir("/root"); err != nil {
			return err
		}
		if err := becomeRoot(); err != nil {
			return err
		}
		inside, err := openRoot()
		if err != nil {
			return err
		}
		defer inside.close()
		for _, m := range mounts {
			if err := m.attach(inside); err != nil {
				return err
			}
		}
		namespace, err = t.Open("ns/mnt")
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("build mount namespace: %w", err)
	}
	return namespace, nil
}
