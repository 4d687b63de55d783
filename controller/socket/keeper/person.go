package keeper

import (
	"errors"
	"fmt"
	"path"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
)

// asUser runs f on this thread with the user's rights on files: root sees
// folders that the user must not, and would tell of them.
func asUser(o Order, f func() error) error {
	if err := setgroups(o.Groups); err != nil {
		return fmt.Errorf("take the user's groups: %w", err)
	}
	defer func() {
		_ = unix.Setfsuid(0)
		_ = unix.Setfsgid(0)
	}()
	// They tell of no error, but of what it was before.
	_ = unix.Setfsgid(o.GID)
	_ = unix.Setfsuid(o.UID)
	if now, _ := unix.SetfsuidRetUid(-1); now != o.UID {
		return fmt.Errorf("take the rights of user %d: this machine does not allow it", o.UID)
	}
	if now, _ := unix.SetfsgidRetGid(-1); now != o.GID {
		return fmt.Errorf("take the rights of group %d: this machine does not allow it", o.GID)
	}
	return f()
}

// setgroups is for this thread alone, which the function of that name in Go's
// own packages is not.
func setgroups(groups []int) error {
	list := make([]uint32, len(groups)+1)
	for i, g := range groups {
		list[i] = uint32(g)
	}
	_, _, errno := unix.RawSyscall(unix.SYS_SETGROUPS, uintptr(len(groups)), uintptr(unsafe.Pointer(&list[0])), 0)
	if errno != 0 {
		return errno
	}
	return nil
}

// turn makes this thread, and no other of this process, the user for good.
func turn(o Order) error {
	gid, uid := uintptr(o.GID), uintptr(o.UID)
	if _, _, errno := unix.RawSyscall(unix.SYS_SETRESGID, gid, gid, gid); errno != 0 {
		return errno
	}
	if _, _, errno := unix.RawSyscall(unix.SYS_SETRESUID, uid, uid, uid); errno != 0 {
		return errno
	}
	return nil
}

// settle changes to the first folder that is to be had, and returns it.
func settle(o Order) (string, error) {
	for _, folder := range o.Folders {
		err := unix.Chdir(folder)
		if !path.IsAbs(folder) {
			err = unix.ENOENT
		}
		if err == nil {
			return folder, nil
		}
		if o.Strict {
			return "", noFolder(o, folder, err)
		}
	}
	if o.Strict {
		return "", invalid("no folder to run in was named")
	}
	if err := unix.Chdir("/"); err != nil {
		return "", noFolder(o, "/", err)
	}
	return "/", nil
}

func noFolder(o Order, folder string, err error) error {
	why := reason(err)
	if !path.IsAbs(folder) {
		why = errors.New("it does not begin with a slash")
	}
	refused := caused(invalid("cannot change to folder %s in session %s: %v", folder, o.Session, why), err)
	if r, is := errors.AsType[*refusal](refused); is {
		r.failed.Folder = folder
	}
	return refused
}

// choose chooses the shell. If none can be run, the last one's absence is told.
func choose(o *Order) {
	for i, shell := range o.Shells {
		if i < len(o.Shells)-1 && executable(shell) != nil {
			continue
		}
		if variable(o.Env, "SHELL") == "" {
			o.Env = append(o.Env, "SHELL="+shell)
		}
		if o.AsShell {
			o.Args = append(o.Args, shell)
		}
		return
	}
}

// find finds the program, as a shell would.
func find(o Order) (string, error) {
	name := o.Args[0]
	if strings.Contains(name, "/") {
		err := executable(name)
		switch {
		case errors.Is(err, unix.ENOENT), errors.Is(err, unix.ENOTDIR):
			return "", notFound("%s: there is no such file in session %s", name, o.Session)
		case err != nil:
			return "", caused(notExecutable("%s: %v", name, reason(err)), err)
		}
		return name, nil
	}
	var seen string
	var refused error
	for _, folder := range splitList(variable(o.Env, "PATH")) {
		candidate := folder + "/" + name
		if folder == "" {
			candidate = "./" + name
		}
		err := executable(candidate)
		if err == nil {
			return candidate, nil
		}
		if refused == nil && !errors.Is(err, unix.ENOENT) && !errors.Is(err, unix.ENOTDIR) && exists(candidate) {
			seen, refused = candidate, err
		}
	}
	if refused != nil {
		return "", caused(notExecutable("%s: %v", seen, reason(refused)), refused)
	}
	return "", notFound("%s: command not found in session %s", name, o.Session)
}

// splitList splits a search path. An empty one names no folder.
func splitList(text string) []string {
	if text == "" {
		return nil
	}
	return strings.Split(text, ":")
}

// variable returns the last one of that name, as programs do that look for it.
func variable(env []string, name string) string {
	value := ""
	for _, entry := range env {
		if v, is := strings.CutPrefix(entry, name+"="); is {
			value = v
		}
	}
	return value
}

func exists(path string) bool {
	var st unix.Stat_t
	return unix.Stat(path, &st) == nil
}

// executable tells why a file cannot be executed.
func executable(path string) error {
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil {
		return err
	}
	if st.Mode&unix.S_IFMT == unix.S_IFDIR {
		return unix.EISDIR
	}
	return unix.Faccessat(unix.AT_FDCWD, path, unix.X_OK, unix.AT_EACCESS)
}

// reason says an error in words that a person would use.
func reason(err error) error {
	switch {
	case errors.Is(err, unix.ENOENT):
		return errors.New("there is none")
	case errors.Is(err, unix.EACCES):
		return errors.New("permission denied")
	case errors.Is(err, unix.EISDIR):
		return errors.New("it is a folder")
	}
	return err
}
