package enter

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"golang.org/x/sys/unix"
)

// Command is a command line to become inside a namespace.
type Command struct {
	// Args are the program and its arguments. A program without a slash is
	// looked up in the PATH of Env, inside.
	Args []string
	// Env is the whole environment, as NAME=value.
	Env []string
	// Folders are tried in order as the working folder; "/" comes last.
	Folders []string
}

// ErrNotFound is returned for a program that is not there.
var ErrNotFound = errors.New("command not found")

// Exec becomes the command inside the namespace pinned at the path. It returns
// only if that fails; the caller is then fit for nothing but to exit.
func Exec(pin string, c Command) error {
	runtime.LockOSThread()
	namespace, err := os.Open(pin)
	if err != nil {
		return fmt.Errorf("open mount namespace: %w", err)
	}
	if err := unix.Unshare(unix.CLONE_FS); err != nil {
		return fmt.Errorf("unshare file system attributes: %w", err)
	}
	if err := unix.Setns(int(namespace.Fd()), unix.CLONE_NEWNS); err != nil {
		return fmt.Errorf("enter mount namespace %s: %w", pin, err)
	}
	for _, folder := range append(c.Folders, "/") {
		if err = unix.Chdir(folder); err == nil {
			break
		}
	}
	if err != nil {
		return fmt.Errorf("change to the session's root: %w", err)
	}
	program, err := lookup(c.Args[0], c.Env)
	if err != nil {
		return err
	}
	if err := unix.Exec(program, c.Args, c.Env); err != nil {
		return fmt.Errorf("run %s: %w", program, err)
	}
	return nil
}

// lookup finds a program as a shell would.
func lookup(name string, env []string) (string, error) {
	if strings.Contains(name, "/") {
		return name, nil
	}
	for _, variable := range env {
		path, is := strings.CutPrefix(variable, "PATH=")
		if !is {
			continue
		}
		for _, folder := range filepath.SplitList(path) {
			candidate := filepath.Join("/", folder, name)
			if unix.Access(candidate, unix.X_OK) == nil {
				if info, err := os.Stat(candidate); err == nil && !info.IsDir() {
					return candidate, nil
				}
			}
		}
	}
	return "", fmt.Errorf("%s: %w", name, ErrNotFound)
}
