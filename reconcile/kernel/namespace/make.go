package namespace

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"coppice.dev/reconcile/fault"
	"coppice.dev/reconcile/object"
)

// made is a mount of a session, made but attached nowhere.
type made struct {
	object.Mount
	fd     int
	folder bool // what is mounted is a folder
	own    bool // what is mounted is the session's own
}

// make makes a mount inside nothing. A nil result without an error is an
// optional mount whose source is missing.
func (r *Room) make(session string, m object.Mount) (*made, error) {
	if m.Type == "bind" {
		return bind(m)
	}
	kind, options := fileSystemOf(m)
	options = append([]option{{name: "source", value: r.label(session, m)}}, options...)
	fd, err := fileSystem(kind, options, int(mask(m.Flags)))
	if err != nil {
		return nil, mountFault(m, err)
	}
	if m.Type == "dev" {
		if err := populateDev(fd); err != nil {
			unix.Close(fd)
			return nil, fmt.Errorf("fill %s: %w", m.Target, err)
		}
	}
	return &made{m, fd, true, kind == "tmpfs"}, nil
}

// fileSystemOf returns the file system behind a type of mount.
func fileSystemOf(m object.Mount) (kind string, options []option) {
	for _, o := range m.Options {
		name, value, _ := strings.Cut(o, "=")
		options = append(options, option{name: name, value: value})
	}
	switch m.Type {
	case "dev", "shm", "tmpfs":
		if m.Size > 0 {
			options = append(options, option{name: "size", value: strconv.FormatInt(m.Size, 10)})
		}
		return "tmpfs", options
	case "devpts":
		// Since 4.7 every mount is an instance of its own, and newer kernels
		// ignore the option that asked for it; drop it.
		return "devpts", slices.DeleteFunc(options, func(o option) bool { return o.name == "newinstance" })
	default:
		return m.Type, options
	}
}

// bind clones the mount that shows a file or folder of the host.
func bind(m object.Mount) (*made, error) {
	var st unix.Stat_t
	if err := unix.Stat(m.Source, &st); err != nil {
		if m.Optional && errors.Is(err, unix.ENOENT) {
			return nil, nil
		}
		doing := fmt.Sprintf("bind %s to %s", m.Source, m.Target)
		if errors.Is(err, unix.ENOENT) {
			return nil, &fault.Fault{Reason: fault.SourceMissing, Doing: doing, Err: err, Hint: "make it, or mark the mount optional: true"}
		}
		return nil, fault.Source(doing, err)
	}
	fd, err := clone(unix.AT_FDCWD, m.Source, m.Recursive)
	if err != nil {
		return nil, mountFault(m, err)
	}
	if err := addAttributes(fd, m.Flags); err != nil {
		unix.Close(fd)
		return nil, mountFault(m, err)
	}
	return &made{m, fd, st.Mode&unix.S_IFMT == unix.S_IFDIR, false}, nil
}

// attach puts the mount in its place below the root.
func (m *made) attach(r *root) error {
	if m.Untouched {
		r.own[r.mount] = false
		defer func() { r.own[r.mount] = true }()
	}
	target, err := r.target(m.Target, m.folder)
	if m.Untouched && errors.Is(err, errNoPlace) {
		return nil
	}
	if err != nil {
		return err
	}
	defer unix.Close(target)
	if err := attach(m.fd, target); err != nil {
		return fmt.Errorf("attach mount to %s: %w", m.Target, err)
	}
	if m.own {
		place, err := look(m.fd)
		if err != nil {
			return err
		}
		r.own[place.Mnt_id] = true
	}
	return nil
}

// populateDev fills a tmpfs with the device nodes and links that programs
// expect of /dev, and no others.
func populateDev(fd int) error {
	for _, n := range []struct {
		name         string
		major, minor uint32
	}{{"null", 1, 3}, {"zero", 1, 5}, {"full", 1, 7}, {"random", 1, 8}, {"urandom", 1, 9}, {"tty", 5, 0}} {
		if err := unix.Mknodat(fd, n.name, unix.S_IFCHR|0o666, int(unix.Mkdev(n.major, n.minor))); err != nil {
			return fmt.Errorf("make %s: %w", n.name, err)
		}
		if err := unix.Fchmodat(fd, n.name, 0o666, 0); err != nil { // whatever the umask
			return fmt.Errorf("make %s: %w", n.name, err)
		}
	}
	for _, l := range [][2]string{
		{"fd", "/proc/self/fd"}, {"stdin", "/proc/self/fd/0"}, {"stdout", "/proc/self/fd/1"}, {"stderr", "/proc/self/fd/2"},
		{"core", "/proc/kcore"}, {"ptmx", "pts/ptmx"},
	} {
		if err := unix.Symlinkat(l[1], fd, l[0]); err != nil {
			return fmt.Errorf("make %s: %w", l[0], err)
		}
	}
	for _, d := range []string{"pts", "shm"} {
		if err := unix.Mkdirat(fd, d, 0o755); err != nil {
			return fmt.Errorf("make %s: %w", d, err)
		}
	}
	return nil
}

func mountFault(m object.Mount, err error) error {
	f := &fault.Fault{Doing: fmt.Sprintf("mount %s for %s", m.Type, m.Target), Err: err}
	switch {
	case errors.Is(err, unix.ENODEV):
		f.Reason, f.Hint = fault.KernelTooOld, "the kernel has no file system "+m.Type
	case errors.Is(err, unix.EINVAL):
		f.Reason, f.Hint = fault.WrongFileSystem, "check the mount's options"
	default:
		return fmt.Errorf("%s: %w", f.Doing, err)
	}
	return f
}
