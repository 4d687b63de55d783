package namespace

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"sync"

	"golang.org/x/sys/unix"

	"coppice.dev/reconcile/kernel/enter"
	"coppice.dev/reconcile/kernel/mounttable"
	"coppice.dev/reconcile/layout"
	"coppice.dev/reconcile/object"
)

// Room is where namespaces are made and pinned. It is safe for concurrent use.
type Room struct {
	layout     layout.Layout
	controller string
	own        *mounttable.Space // the daemon's own namespace; nil if the kernel knows no numbers

	mu   sync.Mutex
	seed *os.File // the namespace that others are made from; nil until needed
}

// New prepares the folders of pins and views. It changes nothing that is there.
func New(l layout.Layout, controller string) (*Room, error) {
	own, err := ownSpace()
	if err != nil {
		return nil, err
	}
	r := &Room{layout: l, controller: controller, own: own}
	for _, folder := range []string{l.Pins(), l.Views()} {
		if err := os.MkdirAll(folder, 0o755); err != nil {
			return nil, fmt.Errorf("prepare run-time folder: %w", err)
		}
	}
	if err := clearScratch(l.Scratch()); err != nil {
		return nil, fmt.Errorf("clear scratch folder: %w", err)
	}
	if err := r.holdPins(); err != nil {
		return nil, fmt.Errorf("prepare the folder of pins %s: %w", l.Pins(), err)
	}
	return r, nil
}

// holdPins makes the folder of pins a mount of its own with private
// propagation: the kernel refuses to bind a namespace's file below a mount that
// would hand it on to other namespaces.
func (r *Room) holdPins() error {
	is, err := isMount(r.layout.Pins())
	if err != nil {
		return err
	}
	if !is {
		if err := unix.Mount(r.layout.Pins(), r.layout.Pins(), "", unix.MS_BIND, ""); err != nil {
			return fmt.Errorf("bind it to itself: %w", err)
		}
	}
	return unix.Mount("", r.layout.Pins(), "", unix.MS_PRIVATE, "")
}

// Close lets go of the seed, and of the folder of pins if no session has a pin.
func (r *Room) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	var err error
	if r.seed != nil {
		err = r.seed.Close()
		r.seed = nil
	}
	if entries, readErr := os.ReadDir(r.layout.Pins()); readErr == nil && len(entries) == 0 {
		// Nothing is in it, so whoever has it open just to look must not be in
		// the way.
		failed := unix.Unmount(r.layout.Pins(), unix.UMOUNT_NOFOLLOW|unix.MNT_DETACH)
		if failed != nil && !errors.Is(failed, unix.EINVAL) && !errors.Is(failed, unix.ENOENT) {
			err = errors.Join(err, fmt.Errorf("unmount the folder of pins %s: %w", r.layout.Pins(), failed))
		}
	}
	return err
}

// label is the string that the session's mounts carry as their source.
func (r *Room) label(session string, s object.Spec) string {
	return object.Label{Controller: r.controller, Owner: object.SessionOwner(session), Print: object.PrintOf(s)}.String()
}

// ours reads a mount's source as a label of this session.
func (r *Room) ours(source, session string) (object.Label, bool) {
	l, err := object.ParseLabel(source)
	return l, err == nil && l.Controller == r.controller && l.Owner == object.SessionOwner(session)
}

// newInstance names one making of a namespace, so that what was done in an
// earlier one is not taken for done in this.
func newInstance() string {
	var b [6]byte
	rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}

// seedNamespace returns the namespace that others are made from. Its root is a
// tmpfs with the folder "root" for the session's root to be attached to.
func (r *Room) seedNamespace() (*os.File, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.seed != nil {
		return r.seed, nil
	}
	err := enter.Alone(func(t enter.Thread) error {
		if err := unix.Unshare(unix.CLONE_NEWNS); err != nil {
			return fmt.Errorf("unshare mount namespace: %w", err)
		}
		// Nothing done here may reach the host.
		if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
			return fmt.Errorf("make mounts private: %w", err)
		}
		// The run-time folder is known to be there; what it hides is only hidden here.
		if err := unix.Mount("coppice-seed", r.layout.Run, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, "mode=0755,size=64k"); err != nil {
			return fmt.Errorf("mount the seed's tmpfs: %w", err)
		}
		if err := unix.Chdir(r.layout.Run); err != nil {
			return err
		}
		if err := unix.Mkdir("root", 0o755); err != nil {
			return err
		}
		if err := becomeRoot(); err != nil {
			return err
		}
		seed, err := t.Open("ns/mnt")
		r.seed = seed
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("make the seed namespace: %w", err)
	}
	return r.seed, nil
}

// becomeRoot makes the working folder, which is a mount, the root of the
// thread's namespace and lets go of the former root with all that is on it
// (pivot_root(2), "pivot_root(".", ".")").
func becomeRoot() error {
	if err := unix.PivotRoot(".", "."); err != nil {
		return fmt.Errorf("pivot root: %w", err)
	}
	if err := unix.Unmount(".", unix.MNT_DETACH); err != nil {
		return fmt.Errorf("let go of the former root: %w", err)
	}
	return unix.Chdir("/")
}

// isMount reports whether something is mounted at the path itself.
func isMount(path string) (bool, error) {
	var st unix.Statx_t
	err := unix.Statx(unix.AT_FDCWD, path, unix.AT_SYMLINK_NOFOLLOW|unix.AT_NO_AUTOMOUNT|unix.AT_STATX_DONT_SYNC, 0, &st)
	return st.Attributes&unix.STATX_ATTR_MOUNT_ROOT != 0, err
}

// unmount takes away the uppermost mount at the path. That there is none, or no
// such path, is success.
func unmount(path string) error {
	err := unix.Unmount(path, unix.UMOUNT_NOFOLLOW)
	if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOENT) {
		return nil
	}
	return err
}
