package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"

	"golang.org/x/sys/unix"

	"coppice.dev/cmd/internal/parcel"
)

// in copies from the host into a session.
func (j *copying) in(ctx context.Context, from, to spot, many bool) error {
	info, err := os.Lstat(filepath.Clean(from.path))
	if err != nil {
		return err
	}
	target, folder, _ := to.absolute()
	code, err := j.call(ctx, to.session, nil, nil, "test", "-d", target)
	if err != nil && !errors.Is(err, errNoProgram) {
		return err
	}
	there := err == nil && code == 0 || errors.Is(err, errNoProgram) && folder
	if !there && (many || folder) && !isContents(from.path) {
		return fmt.Errorf("there is no folder %q inside", target)
	}
	parent, name := target, filepath.Base(filepath.Clean(from.path))
	switch {
	case isContents(from.path) && there:
		name = "."
	case !there:
		parent, name = path.Dir(target), path.Base(target)
	case name == ".." || name == "/":
		name = "."
	}
	r, w, err := os.Pipe()
	if err != nil {
		return err
	}
	packed := make(chan error, 1)
	go func() {
		defer w.Close()
		packed <- parcel.Pack(w, filepath.Clean(from.path), name, j.left)
	}()
	// -o: the files are whose who unpacks them, as with cp(1).
	code, err = j.call(ctx, to.session, r, nil, "tar", "-x", "-o", "-f", "-", "-C", parent)
	r.Close()
	failed := <-packed
	switch {
	case errors.Is(err, errNoProgram):
		return j.inOne(ctx, info, from, to.session, path.Join(parent, name))
	case err != nil:
		return err
	case code != 0:
		return fmt.Errorf("tar inside ended with code %d", code)
	}
	return failed
}

// inOne copies a file where there is no tar.
func (j *copying) inOne(ctx context.Context, info fs.FileInfo, from spot, session, target string) error {
	if !info.Mode().IsRegular() {
		return errors.New("only files can be copied, since there is no tar inside; install it there")
	}
	file, err := os.Open(from.path)
	if err != nil {
		return err
	}
	defer file.Close()
	code, err := j.call(ctx, session, file, nil, "sh", "-c", `cat > "$1" && chmod "$2" "$1"`, "sh", target, fmt.Sprintf("%o", info.Mode().Perm()))
	switch {
	case errors.Is(err, errNoProgram):
		return errors.New("neither tar nor a shell is inside; one of them is needed")
	case err != nil:
		return err
	case code != 0:
		return fmt.Errorf("cat inside ended with code %d", code)
	}
	return nil
}

// out copies from a session to the host.
func (j *copying) out(ctx context.Context, from, to spot, many bool) error {
	source, _, contents := from.absolute()
	info, err := os.Stat(to.path)
	there := err == nil && info.IsDir()
	if !there && (many || to.path[len(to.path)-1] == '/') && !contents {
		return fmt.Errorf("there is no folder %q here", to.path)
	}
	folder, name := path.Split(source)
	if contents || name == "" {
		folder, name, contents = source, ".", true
	}
	parent, target := to.path, name
	if !there {
		clean := filepath.Clean(to.path)
		parent, target = filepath.Dir(clean), filepath.Base(clean)
		if _, err := os.Stat(parent); err != nil {
			return err
		}
	}
	r, w, err := os.Pipe()
	if err != nil {
		return err
	}
	type result struct {
		entries int
		err     error
	}
	unpacked := make(chan result, 1)
	go func() {
		defer r.Close() // tar does not wait for who does not read
		entries, err := parcel.Unpack(r, name, parent, target, j.left)
		unpacked <- result{entries, err}
	}()
	code, err := j.call(ctx, from.session, nil, w, "tar", "-c", "-f", "-", "-C", folder, "./"+name)
	w.Close()
	got := <-unpacked
	switch {
	case errors.Is(err, errNoProgram):
		if contents {
			return errors.New("only files can be copied, since there is no tar inside; install it there")
		}
		return j.outOne(ctx, from.session, source, parent, target)
	case err != nil:
		return err
	case code == 128+int(unix.SIGPIPE) && got.err != nil:
		return got.err // it was ended by nobody reading it any more
	case code != 0 && got.entries == 0:
		return fmt.Errorf("tar inside ended with code %d", code)
	case got.err != nil:
		return got.err
	case code != 0:
		return fmt.Errorf("not all of it was copied: tar inside ended with code %d", code)
	case got.entries == 0:
		return errors.New("nothing came from the session")
	}
	return nil
}

// outOne copies a file where there is no tar.
func (j *copying) outOne(ctx context.Context, session, source, folder, target string) error {
	root, err := os.OpenRoot(folder)
	if err != nil {
		return err
	}
	defer root.Close()
	part := target + ".part-" + random()
	file, err := root.OpenFile(part, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
	if err != nil {
		return err
	}
	code, err := j.call(ctx, session, nil, file, "cat", source)
	err = errors.Join(err, file.Close())
	switch {
	case errors.Is(err, errNoProgram):
		err = errors.New("neither tar nor cat is inside; one of them is needed")
	case err == nil && code != 0:
		err = fmt.Errorf("cat inside ended with code %d", code)
	case err == nil:
		err = root.Rename(part, target)
	}
	if err != nil {
		return errors.Join(err, root.Remove(part))
	}
	return nil
}
