package namespace

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"coppice.dev/reconcile/fault"
	"coppice.dev/reconcile/layout"
	"coppice.dev/reconcile/object"
)

// pin is the file that publishes a namespace.
type pin struct {
	path     string
	session  string
	print    object.Print
	instance string
	live     bool // a namespace is bound to it; else it is a file left behind
}

// pins returns a session's pins.
func (r *Room) pins(session string) ([]pin, error) {
	found, _, err := r.pinFolder(session)
	return found, err
}

// pinFolder returns what lies in the folder of a session's pins. bare is set if the
// folder is there and nothing is in it, as after a crash.
func (r *Room) pinFolder(session string) (found []pin, bare bool, err error) {
	folder := r.layout.PinFolder(session)
	entries, err := os.ReadDir(folder)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, false, nil
	}
	if errors.Is(err, unix.ENOTDIR) {
		return nil, false, &fault.Fault{
			Reason: fault.TargetUnusable, Doing: "look for pins in " + folder, Err: errors.New("it is no folder"),
			Hint: "move it away; coppiced keeps sessions' pins there and nothing else",
		}
	}
	if err != nil {
		return nil, false, fmt.Errorf("look for pins: %w", err)
	}
	for _, e := range entries {
		print, instance, ok := layout.ParsePin(e.Name())
		if !ok {
			continue
		}
		p := pin{path: filepath.Join(folder, e.Name()), session: session, print: print, instance: instance}
		if p.live, err = isNamespace(p.path); errors.Is(err, fs.ErrNotExist) {
			continue
		} else if err != nil {
			return nil, false, fmt.Errorf("look at pin %s: %w", p.path, err)
		}
		found = append(found, p)
	}
	return found, len(entries) == 0, nil
}

// isNamespace reports whether a namespace's file is bound to the path.
func isNamespace(path string) (bool, error) {
	var st unix.Statfs_t
	if err := unix.Statfs(path, &st); err != nil {
		return false, err
	}
	return st.Type == unix.NSFS_MAGIC, nil
}

// livePin returns the pin of a session's namespace.
func (r *Room) livePin(session string) (pin, bool, error) {
	list, err := r.pins(session)
	if err != nil {
		return pin{}, false, err
	}
	for _, p := range list {
		if p.live {
			return p, true, nil
		}
	}
	return pin{}, false, nil
}

// Instance returns the pin of a session's namespace, and the name of this one
// making of it. ok is false if the session has none.
func (r *Room) Instance(session string) (path, instance string, ok bool, err error) {
	p, ok, err := r.livePin(session)
	return p.path, p.instance, ok, err
}

// Open opens a session's namespace, for setns(2). The error wraps
// fs.ErrNotExist if the session has none.
func (r *Room) Open(session string) (*os.File, error) {
	p, ok, err := r.livePin(session)
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, fmt.Errorf("open namespace of session %s: %w", session, fs.ErrNotExist)
	}
	return os.Open(p.path)
}

// drop takes a pin away.
func (p pin) drop() error {
	if p.live { // else what is mounted there is not ours to take away
		// Whoever has the file open just to look must not be in the way; the
		// namespace goes when they close it.
		err := unix.Unmount(p.path, unix.MNT_DETACH|unix.UMOUNT_NOFOLLOW)
		if err != nil && !errors.Is(err, unix.EINVAL) && !errors.Is(err, unix.ENOENT) {
			return fmt.Errorf("unmount pin %s: %w", p.path, err)
		}
	}
	if err := os.Remove(p.path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove pin: %w", err)
	}
	return nil
}

// removePinFolder removes the folder of a session's pins. What else lies in it is
// not ours, and keeps it.
func (r *Room) removePinFolder(session string) error {
	err := unix.Rmdir(r.layout.PinFolder(session))
	if err != nil && !errors.Is(err, unix.ENOENT) && !errors.Is(err, unix.ENOTEMPTY) && !errors.Is(err, unix.EEXIST) {
		return fmt.Errorf("remove folder of pins %s: %w", r.layout.PinFolder(session), err)
	}
	return nil
}

// publish binds the namespace to a new file.
func publish(namespace *os.File, path string) error {
	if err := os.Mkdir(filepath.Dir(path), 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("make folder of pins: %w", err)
	}
	file, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("make pin: %w", err)
	}
	file.Close()
	source := fmt.Sprintf("/proc/self/fd/%d", namespace.Fd())
	if err := unix.Mount(source, path, "", unix.MS_BIND, ""); err != nil {
		return errors.Join(fmt.Errorf("bind namespace to pin %s: %w", path, err), os.Remove(path))
	}
	return nil
}
