package namespace

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"coppice.dev/reconcile/fault"
	"coppice.dev/reconcile/object"
)

// rootMount makes the detached mount that becomes the session's root.
func rootMount(spec object.Namespace, label, scratch string) (int, error) {
	layers, err := openLayers(spec.Layers)
	if err != nil {
		return -1, err
	}
	defer closeAll(layers)
	var flags []string
	if spec.ReadOnly {
		flags = []string{"ro"}
	}
	if spec.Type == object.RootBind {
		mount, err := clone(layers[0], "", false)
		if err != nil {
			return -1, err
		}
		return mount, closeOnError(mount, addAttributes(mount, flags))
	}
	mount, err := overlay(spec, layers, label, scratch)
	if err != nil {
		return -1, err
	}
	return mount, closeOnError(mount, addAttributes(mount, flags))
}

// openLayers opens the folders of a root, topmost first.
func openLayers(layers []object.Layer) ([]int, error) {
	var open []int
	for _, l := range layers {
		fd, err := openLayer(l)
		if err != nil {
			closeAll(open)
			return nil, err
		}
		open = append(open, fd)
	}
	return open, nil
}

// openLayer opens one. Location lies inside what is not to be trusted.
func openLayer(l object.Layer) (int, error) {
	fd, err := unix.Open(l.Path, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, missing(l.Path, err)
	}
	if l.Location == "" {
		return fd, nil
	}
	defer unix.Close(fd)
	below, err := openBelow(fd, l.Location)
	if err != nil {
		return -1, missing(filepath.Join(l.Path, l.Location), err)
	}
	return below, nil
}

func missing(path string, err error) error {
	doing := "open folder " + path
	if errors.Is(err, fs.ErrNotExist) {
		return &fault.Fault{Reason: fault.SourceMissing, Doing: doing, Err: err, Hint: "make the folder, or change the path in the manifest"}
	}
	return fault.Source(doing, err)
}

// overlay mounts the layers with the session's own on top.
func overlay(spec object.Namespace, layers []int, label, scratch string) (int, error) {
	if !spec.Memory {
		if err := clearVolatile(spec.Work); err != nil {
			return -1, err
		}
		return union(spec, layers, label, spec.Upper, spec.Work)
	}
	memory, err := memoryLayer(spec.MemorySize, layers[len(layers)-1], label)
	if err != nil {
		return -1, err
	}
	// The overlay has a mount of its own on the tmpfs from here on.
	defer unix.Close(memory)
	mount, err := union(spec, layers, label, fdPath(memory)+"/upper", fdPath(memory)+"/work")
	if !unsupported(err) {
		return mount, err
	}
	// Before 6.15 an upper must lie on a mount that is attached somewhere.
	return onScratch(scratch, memory, func(path string) (int, error) {
		return union(spec, layers, label, filepath.Join(path, "upper"), filepath.Join(path, "work"))
	})
}

// union makes the overlay in the newest way that the kernel knows.
func union(spec object.Namespace, layers []int, label, upper, work string) (int, error) {
	common := []option{{name: "source", value: label}, {name: "upperdir", value: upper}, {name: "workdir", value: work}}
	if spec.Volatile && !spec.Memory {
		common = append(common, option{name: "volatile"})
	}
	var mount int
	var err error
	for _, lowers := range [][]option{lowersByFd(layers), lowersByPath(layers), lowersInOne(layers)} {
		mount, err = fileSystem("overlay", append(lowers, common...), 0)
		if err == nil || !unsupported(err) {
			break // an older kernel says EINVAL to what it does not know
		}
	}
	if err != nil {
		return -1, overlayFault(spec, err)
	}
	return mount, nil
}

// onScratch attaches a mount to a folder below scratch for as long as f runs.
func onScratch(scratch string, mount int, f func(path string) (int, error)) (int, error) {
	if err := os.MkdirAll(scratch, 0o700); err != nil {
		return -1, fault.Disk("make scratch folder", err)
	}
	path, err := os.MkdirTemp(scratch, scratchPrefix)
	if err != nil {
		return -1, fault.Disk("make scratch folder", err)
	}
	err = unix.MoveMount(mount, "", unix.AT_FDCWD, path, unix.MOVE_MOUNT_F_EMPTY_PATH)
	made := -1
	if err == nil {
		made, err = f(path)
		err = errors.Join(err, unix.Unmount(path, unix.MNT_DETACH))
	}
	if err = errors.Join(err, os.Remove(path)); err != nil {
		if made >= 0 {
			unix.Close(made)
		}
		return -1, err
	}
	return made, nil
}

// scratchPrefix begins the names of the folders below scratch.
const scratchPrefix = "upper-"

// clearScratch takes away what a crash left below scratch, and nothing else that
// somebody put there.
func clearScratch(scratch string) error {
	entries, err := os.ReadDir(scratch)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), scratchPrefix) {
			path := filepath.Join(scratch, e.Name())
			err = errors.Join(err, unmount(path), os.Remove(path))
		}
	}
	if removeErr := os.Remove(scratch); !errors.Is(removeErr, unix.ENOTEMPTY) && !errors.Is(removeErr, unix.EBUSY) {
		err = errors.Join(err, removeErr)
	}
	return err
}

// lowersByFd hands the layers on as file descriptors (6.13).
func lowersByFd(layers []int) []option {
	var list []option
	for _, fd := range layers {
		list = append(list, option{name: "lowerdir+", fd: fd})
	}
	return list
}

// lowersByPath hands them on one by one by name (6.8).
func lowersByPath(layers []int) []option {
	var list []option
	for _, fd := range layers {
		list = append(list, option{name: "lowerdir+", value: fdPath(fd)})
	}
	return list
}

// lowersInOne hands them on in a single string, which on older kernels holds
// 255 bytes: room for ten layers by descriptor.
func lowersInOne(layers []int) []option {
	var paths []string
	for _, fd := range layers {
		paths = append(paths, fdPath(fd))
	}
	return []option{{name: "lowerdir", value: strings.Join(paths, ":")}}
}

func fdPath(fd int) string { return "/proc/thread-self/fd/" + strconv.Itoa(fd) }

// memoryLayer makes a tmpfs with the folders upper and work. The upper takes the
// mode and owner of the model, since it becomes the "/" that people see.
func memoryLayer(size int64, model int, label string) (int, error) {
	options := []option{{name: "source", value: label}, {name: "mode", value: "0700"}}
	if size > 0 {
		options = append(options, option{name: "size", value: strconv.FormatInt(size, 10)})
	}
	memory, err := fileSystem("tmpfs", options, 0)
	if err != nil {
		return -1, err
	}
	st, err := look(model)
	if err == nil {
		err = errors.Join(
			unix.Mkdirat(memory, "work", 0o700),
			unix.Mkdirat(memory, "upper", 0o700),
			unix.Fchownat(memory, "upper", int(st.Uid), int(st.Gid), 0),
			unix.Fchmodat(memory, "upper", uint32(st.Mode)&0o7777, 0),
		)
	}
	if err != nil {
		unix.Close(memory)
		return -1, fmt.Errorf("make upper layer in memory: %w", err)
	}
	return memory, nil
}

// clearVolatile removes the mark that a volatile overlay leaves and that keeps
// the same upper from being mounted again. It warns of writes lost by a power
// cut; whether there was one since is for the driver of uppers to know, which
// makes such an upper anew before this is reached.
func clearVolatile(work string) error {
	for _, name := range []string{"work/incompat/volatile/dirty", "work/incompat/volatile", "work/incompat"} {
		if err := os.Remove(filepath.Join(work, name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("clear the mark of a volatile overlay: %w", err)
		}
	}
	return nil
}

func overlayFault(spec object.Namespace, err error) error {
	f := &fault.Fault{Reason: fault.Surprise, Doing: "mount the session's overlay", Err: err}
	switch {
	case errors.Is(err, unix.ENODEV):
		f.Reason, f.Hint = fault.KernelTooOld, "load the overlay module (modprobe overlay) or use a kernel that has it"
	case errors.Is(err, unix.ENOSPC), errors.Is(err, unix.EDQUOT):
		f.Reason, f.Hint = fault.NoSpace, "free some space below the state folder"
	case errors.Is(err, unix.EBUSY):
		f.Reason, f.Hint = fault.Busy, "another overlay still uses "+spec.Upper
	case errors.Is(err, unix.EINVAL):
		f.Reason, f.Hint = fault.WrongFileSystem, "the upper's file system must support overlayfs (ext4, xfs, btrfs or tmpfs; not overlay, NFS or FAT)"
	default:
		return fmt.Errorf("%s: %w", f.Doing, err)
	}
	return f
}

func closeAll(fds []int) {
	for _, fd := range fds {
		unix.Close(fd)
	}
}

// closeOnError closes a descriptor that will not be handed on.
func closeOnError(fd int, err error) error {
	if err != nil {
		unix.Close(fd)
	}
	return err
}
