package namespace

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"coppice.dev/reconcile/fault"
	"coppice.dev/reconcile/kernel/enter"
	"coppice.dev/reconcile/kernel/mounttable"
	"coppice.dev/reconcile/object"
)

// build makes a session's namespace and pins it.
func (r *Room) build(session string, spec object.Namespace, contents []object.Object) error {
	seed, err := r.seedNamespace()
	if err != nil {
		return err
	}
	namespace, err := assemble(seed, r.own, func() (p parts, err error) {
		if p.top, err = rootMount(spec, r.label(session, spec), r.layout.Scratch()); err == nil {
			p.mounts, err = r.makeAll(session, contents)
		}
		return p, err
	})
	if err != nil {
		return err
	}
	defer namespace.Close()
	err = publish(namespace, r.layout.Pin(session, object.PrintOf(spec), newInstance()))
	if errors.Is(err, unix.EINVAL) {
		return nested(err)
	}
	return err
}

// nested is the fault of a namespace that cannot be pinned, since it seems older than
// the daemon's own.
func nested(err error) error {
	return &fault.Fault{
		Reason: fault.KernelTooOld, Doing: "pin the session's mount namespace", Err: err,
		Hint: "run coppiced in the host's own mount namespace, not in a nested one",
	}
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
func assemble(seed *os.File, than *mounttable.Space, build func() (parts, error)) (*os.File, error) {
	var p parts
	defer func() { p.close() }()
	empty, made, done := make(chan struct{}), make(chan struct{}), make(chan struct{})
	var namespace *os.File
	var err, failed error
	go func() {
		defer close(done)
		failed = enter.Alone(func(t enter.Thread) (failed error) {
			if namespace, failed = leave(t, seed, than); failed != nil {
				return failed
			}
			close(empty)
			if <-made; err == nil { // or there is nothing to assemble it of
				failed = p.assemble()
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
	if err == nil && failed != nil {
		err = fmt.Errorf("build mount namespace: %w", failed)
	}
	if err != nil && namespace != nil {
		namespace.Close()
	}
	if err != nil {
		return nil, err
	}
	return namespace, nil
}

// assemble puts the parts into their places in the thread's namespace.
func (p parts) assemble() error {
	if err := unix.MoveMount(p.top, "", unix.AT_FDCWD, "/root", unix.MOVE_MOUNT_F_EMPTY_PATH); err != nil {
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
	for _, m := range p.mounts {
		if err := m.attach(inside); err != nil {
			return err
		}
	}
	return nil
}
