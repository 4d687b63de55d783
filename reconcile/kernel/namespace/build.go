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
	namespace, err := assemble(seed, cpu, func() (p parts, err error) {
		if p.top, err = rootMount(spec, r.label(session, spec), r.layout.Scratch()); err == nil {
			p.mounts, err = r.makeAll(session, contents)
		}
		return p, err
	})
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

// parts is what a namespace is assembled of: the mount that becomes its root, and those
// that are attached to it.
type parts struct {
	top    int
	mounts []*made
}

func (p parts) close() {
	if p.top > 0 {
		unix.Close(p.top)
	}
	for _, m := range p.mounts {
		unix.Close(m.fd)
	}
}

// assemble makes a namespace from the seed, and then what it is assembled of, in the
// namespace of the caller: the kernel tells from outside of the mounts of a namespace only
// if they are younger than it.
func assemble(seed *os.File, cpu int, build func() (parts, error)) (*os.File, error) {
	var p parts
	defer func() { p.close() }()
	empty, made, done := make(chan struct{}), make(chan struct{}), make(chan struct{})
	var namespace *os.File
	var err, failed error
	go func() {
		defer close(done)
		failed = enter.Alone(func(t enter.Thread) error {
			if err := leave(seed, cpu); err != nil {
				return err
			}
			close(empty)
			var failed error
			if <-made; err == nil { // or there is nothing to assemble it of
				namespace, failed = p.assemble(t)
			}
			return failed
		})
	}()
	select {
	case <-empty:
		p, err = build()
		close(made)
		<-done
	case <-done:
	}
	if err != nil {
		return nil, err
	}
	if failed != nil {
		return nil, fmt.Errorf("build mount namespace: %w", failed)
	}
	return namespace, nil
}

// leave has the thread leave for a new namespace, made from the seed, on one CPU, or on
// any if cpu is negative.
func leave(seed *os.File, cpu int) error {
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
	return nil
}

// assemble puts the parts into their places in the thread's namespace.
func (p parts) assemble(t enter.Thread) (*os.File, error) {
	if err := unix.MoveMount(p.top, "", unix.AT_FDCWD, "/root", unix.MOVE_MOUNT_F_EMPTY_PATH); err != nil {
		return nil, fmt.Errorf("attach the root mount: %w", err)
	}
	if err := unix.Chdir("/root"); err != nil {
		return nil, err
	}
	if err := becomeRoot(); err != nil {
		return nil, err
	}
	inside, err := openRoot()
	if err != nil {
		return nil, err
	}
	defer inside.close()
	for _, m := range p.mounts {
		if err := m.attach(inside); err != nil {
			return nil, err
		}
	}
	return t.Open("ns/mnt")
}
