package tree

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
)

// endMark is two blocks of zeros: what an archive ends with (tar(5)).
const endMark = 1024

// end follows an archive while tar unpacks it, to see that it comes to its end
// mark. To tar, an archive that was cut between two members is whole, and the
// rest of a root file system would be missing without a word.
type end struct {
	pipe *io.PipeWriter
	done chan bool
}

// watchEnd begins to follow; ended must be called.
func watchEnd() *end {
	out, in := io.Pipe()
	e := &end{pipe: in, done: make(chan bool, 1)}
	go func() {
		last := &lastBytes{Reader: out}
		e.done <- readAll(tar.NewReader(last), last)
		_, _ = io.Copy(io.Discard, out) // never blocks the writer
	}()
	return e
}

// readAll reports whether the archive has its end mark. Of what only GNU tar can
// read, tar is the judge.
func readAll(archive *tar.Reader, last *lastBytes) bool {
	for {
		_, err := archive.Next()
		switch {
		case errors.Is(err, io.EOF):
			return bytes.Equal(last.bytes, make([]byte, endMark))
		case errors.Is(err, io.ErrUnexpectedEOF):
			return false
		case err != nil:
			return true
		}
	}
}

// Write implements io.Writer.
func (e *end) Write(p []byte) (int, error) { return e.pipe.Write(p) }

// ended reports whether the archive that was written had its end mark.
func (e *end) ended() bool {
	e.pipe.Close()
	return <-e.done
}

// lastBytes keeps the last bytes that were read.
type lastBytes struct {
	io.Reader
	bytes []byte
}

// Read implements io.Reader.
func (l *lastBytes) Read(p []byte) (int, error) {
	n, err := l.Reader.Read(p)
	l.bytes = append(l.bytes, p[max(0, n-endMark):n]...)
	l.bytes = append(l.bytes[:0], l.bytes[max(0, len(l.bytes)-endMark):]...)
	return n, err
}
