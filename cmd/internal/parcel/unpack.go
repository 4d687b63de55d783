package parcel

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Unpack reads a stream in which something is called name, and writes it into
// the folder as target. If name is ".", what is in it goes into folder/target.
// It says how much of it there was: none if the stream is empty.
func Unpack(r io.Reader, name, folder, target string, left Left) (entries int, err error) {
	root, err := os.OpenRoot(folder)
	if err != nil {
		return 0, err
	}
	defer root.Close()
	u := &unpacker{name: path.Clean(name), root: root, target: target, left: left}
	defer func() {
		if u.tree != nil {
			u.tree.Close()
		}
	}()
	stream := tar.NewReader(r)
	for {
		header, err := stream.Next()
		if errors.Is(err, io.EOF) {
			return entries, u.settle()
		}
		if err != nil {
			return entries, fmt.Errorf("read what comes from the session: %w", err)
		}
		entries++
		if err := u.add(header, stream); err != nil {
			return entries, err
		}
	}
}

// unpacker unpacks one stream.
type unpacker struct {
	name   string
	root   *os.Root // the folder that the target is in
	target string
	tree   *os.Root // the target, if it is a folder: nothing leads out of it
	left   Left
	// folders get their modes and times when nothing is written to them any more.
	folders []*tar.Header
	below   []string
}

// place returns where below what was asked for an entry is, "." for itself.
func (u *unpacker) place(entry string) (string, error) {
	clean := path.Clean(entry)
	below, is := clean, u.name == "."
	if !is {
		below, is = strings.CutPrefix(clean+"/", u.name+"/")
		below = path.Clean(below)
	}
	if !is || !filepath.IsLocal(below) {
		return "", fmt.Errorf("the session sent %q, which was not asked for; nothing more of it is taken", entry)
	}
	return below, nil
}

func (u *unpacker) add(h *tar.Header, content io.Reader) error {
	below, err := u.place(h.Name)
	if err != nil {
		return err
	}
	if below == "." && h.Typeflag == tar.TypeDir || below != "." && u.tree == nil {
		if err := u.plant(); err != nil {
			return err
		}
	}
	root, at := u.tree, below
	if below == "." {
		root, at = u.root, u.target
	}
	if h.Typeflag == tar.TypeDir {
		u.folders, u.below = append(u.folders, h), append(u.below, below)
		if below == "." {
			return nil
		}
		return wrap(at, u.tree.MkdirAll(below, 0o700))
	}
	if below != "." {
		if err := u.tree.MkdirAll(path.Dir(below), 0o777); err != nil {
			return wrap(at, err)
		}
	}
	if now, err := root.Lstat(at); err == nil {
		if now.IsDir() {
			return wrap(at, errors.New("there is a folder of this name, and it is not replaced by a file"))
		}
		// Never written through: it may be a link.
		if err := root.Remove(at); err != nil {
			return wrap(at, err)
		}
	}
	switch h.Typeflag {
	case tar.TypeReg:
		return wrap(at, write(root, at, h, content))
	case tar.TypeSymlink:
		return wrap(at, root.Symlink(h.Linkname, at))
	case tar.TypeLink:
		other, err := u.place(h.Linkname)
		if err == nil && (below == "." || other == ".") {
			err = errors.New("it is a hard link to itself")
		}
		if err == nil {
			err = u.tree.Link(other, below)
		}
		return wrap(at, err)
	}
	u.left(at, kindError(h.FileInfo().Mode()))
	return nil
}

// plant makes the target a folder, if it is none.
func (u *unpacker) plant() (err error) {
	if u.tree != nil {
		return nil
	}
	if _, err := u.root.Stat(u.target); errors.Is(err, fs.ErrNotExist) {
		if err := u.root.Mkdir(u.target, 0o777); err != nil {
			return wrap(u.target, err)
		}
	}
	u.tree, err = u.root.OpenRoot(u.target)
	return wrap(u.target, err)
}

func write(root *os.Root, at string, h *tar.Header, content io.Reader) error {
	file, err := root.OpenFile(at, os.O_WRONLY|os.O_CREATE|os.O_EXCL, h.FileInfo().Mode()&permissions)
	if err != nil {
		return err
	}
	_, err = io.Copy(file, content)
	if err = errors.Join(err, file.Close()); err != nil {
		return err
	}
	return root.Chtimes(at, time.Time{}, h.ModTime)
}

// settle gives the folders their modes and times, the innermost first.
func (u *unpacker) settle() error {
	for i, h := range slices.Backward(u.folders) {
		if u.below[i] == "." && u.name == "." {
			continue // the caller's own
		}
		mode := h.FileInfo().Mode() & permissions
		err := u.tree.Chmod(u.below[i], mode&^umask())
		if err == nil {
			err = u.tree.Chtimes(u.below[i], time.Time{}, h.ModTime)
		}
		if err != nil {
			return wrap(u.below[i], err)
		}
	}
	return nil
}

func wrap(at string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("write %q: %w", at, reason(err))
}
