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
)

// Pack writes the file or folder source into a stream, under name; "." for what
// is in a folder, but not itself. What cannot be read is left out. The error is
// that of the stream.
func Pack(w io.Writer, source, name string, left Left) error {
	p := packer{tar.NewWriter(w), left}
	err := filepath.WalkDir(source, func(at string, _ fs.DirEntry, err error) error {
		if err != nil {
			left(at, reason(err))
			return nil
		}
		below, err := filepath.Rel(source, at)
		if err != nil {
			return err
		}
		entry := path.Join(name, filepath.ToSlash(below))
		if entry == "." {
			return nil
		}
		return p.add(at, entry)
	})
	if err != nil {
		return err
	}
	return p.tar.Close()
}

type packer struct {
	tar  *tar.Writer
	left Left
}

// add adds one file, folder or link.
func (p packer) add(at, entry string) error {
	info, err := os.Lstat(at)
	if err != nil {
		p.left(at, reason(err))
		return nil
	}
	header := &tar.Header{Name: entry, Mode: int64(info.Mode() & permissions), ModTime: info.ModTime(), Format: tar.FormatPAX}
	switch mode := info.Mode(); {
	case mode.IsDir():
		header.Typeflag, header.Name = tar.TypeDir, entry+"/"
	case mode&fs.ModeSymlink != 0:
		header.Typeflag = tar.TypeSymlink
		if header.Linkname, err = os.Readlink(at); err != nil {
			p.left(at, reason(err))
			return nil
		}
	case mode.IsRegular():
		return p.file(at, header)
	default:
		p.left(at, kindError(mode))
		return nil
	}
	return p.head(header)
}

func (p packer) head(header *tar.Header) error {
	header.ModTime = header.ModTime.Truncate(1e9) // not every tar reads more
	if err := p.tar.WriteHeader(header); err != nil {
		return fmt.Errorf("pack %q: %w", header.Name, err)
	}
	return nil
}

// file adds a file as long as it was when it was opened.
func (p packer) file(at string, header *tar.Header) error {
	file, err := os.Open(at)
	if err != nil {
		p.left(at, reason(err))
		return nil
	}
	defer file.Close()
	info, err := file.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = kindError(info.Mode())
	}
	if err != nil {
		p.left(at, reason(err))
		return nil
	}
	header.Typeflag, header.Size = tar.TypeReg, info.Size()
	if err := p.head(header); err != nil {
		return err
	}
	read := &reading{from: file}
	n, err := io.Copy(p.tar, io.LimitReader(read, header.Size))
	switch {
	case err != nil && read.err == nil:
		return fmt.Errorf("pack %q: %w", at, err)
	case n < header.Size:
		p.left(at, errors.Join(errors.New("it became shorter while it was read; the rest is zeros"), read.err))
		if _, err := io.CopyN(p.tar, zeros{}, header.Size-n); err != nil {
			return fmt.Errorf("pack %q: %w", at, err)
		}
	}
	return nil
}

// reading remembers that it was the reading that failed.
type reading struct {
	from io.Reader
	err  error
}

func (r *reading) Read(b []byte) (int, error) {
	n, err := r.from.Read(b)
	if err != nil && !errors.Is(err, io.EOF) {
		r.err = err
	}
	return n, err
}

type zeros struct{}

func (zeros) Read(b []byte) (int, error) {
	clear(b)
	return len(b), nil
}

// reason is what is wrong, without the path, which is told beside.
func reason(err error) error {
	if failed, is := errors.AsType[*fs.PathError](err); is {
		return failed.Err
	}
	return err
}
