package tree

import (
	"bufio"
	"bytes"
	"compress/bzip2"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"

	"coppice.dev/reconcile/fault"
)

// widest is how much memory an archive may ask for to be decompressed, as much as
// zstd(1) gives without being told otherwise. It is the daemon's own.
const widest = 128 << 20

// decompress returns the archive behind a stream. How it is compressed is read
// from its first bytes, not from its name. The reader must be closed.
func decompress(ctx context.Context, compressed io.Reader) (io.ReadCloser, error) {
	buffered := bufio.NewReaderSize(compressed, 1<<20)
	head, err := buffered.Peek(6)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	begins := func(magic string) bool { return bytes.HasPrefix(head, []byte(magic)) }
	switch {
	case begins("\x1f\x8b"):
		return gunzip(buffered)
	case begins("\x28\xb5\x2f\xfd"):
		d, err := zstd.NewReader(buffered, zstd.WithDecoderMaxWindow(widest))
		if err != nil {
			return nil, err
		}
		return d.IOReadCloser(), nil
	case begins("BZh"):
		return io.NopCloser(bzip2.NewReader(buffered)), nil
	case begins("\x04\x22\x4d\x18"), begins("\x02\x21\x4c\x18"): // the second is the format of old
		return io.NopCloser(lz4.NewReader(buffered)), nil
	case begins("\xfd7zXZ\x00"):
		return xz(ctx, buffered)
	default:
		return io.NopCloser(buffered), nil
	}
}

// gzipReader reads the streams of a gzip file, one after the other, and takes
// zeros after the last for what fills up a tape's block, as gzip(1) does.
type gzipReader struct {
	*gzip.Reader
	compressed *bufio.Reader
}

func gunzip(compressed *bufio.Reader) (io.ReadCloser, error) {
	r, err := gzip.NewReader(compressed)
	if err != nil {
		return nil, err
	}
	r.Multistream(false)
	return gzipReader{r, compressed}, nil
}

// Read implements io.Reader.
func (r gzipReader) Read(p []byte) (int, error) {
	n, err := r.Reader.Read(p)
	if !errors.Is(err, io.EOF) {
		return n, err
	}
	for {
		b, err := r.compressed.ReadByte()
		if err != nil {
			return n, err // the end proper
		}
		if b != 0 {
			break
		}
	}
	if err := r.compressed.UnreadByte(); err != nil {
		return n, err
	}
	if err := r.Reset(r.compressed); err != nil {
		return n, err
	}
	r.Multistream(false)
	return n, nil
}

// xzReader is the output of xz(1): no library in Go is near its speed, which
// uses all processors.
type xzReader struct {
	io.Reader
	cmd  *exec.Cmd
	said bytes.Buffer
	done error
}

func xz(ctx context.Context, compressed io.Reader) (io.ReadCloser, error) {
	x := new(xzReader)
	x.cmd = exec.CommandContext(ctx, "xz", "--decompress", "--stdout", "--threads=0")
	x.cmd.Env = []string{"LC_ALL=C", "PATH=/usr/bin:/bin"}
	x.cmd.Stdin, x.cmd.Stderr = compressed, &x.said
	out, err := x.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := x.cmd.Start(); errors.Is(err, exec.ErrNotFound) {
		return nil, &fault.Fault{Reason: fault.ToolMissing, Doing: "decompress", Err: err, Hint: "install the package xz-utils"}
	} else if err != nil {
		return nil, err
	}
	x.Reader = out
	return x, nil
}

// Read gives xz's own verdict where its output ends: a stream that was cut short
// must not look like one that is over.
func (x *xzReader) Read(p []byte) (int, error) {
	if x.done != nil {
		return 0, x.done
	}
	n, err := x.Reader.Read(p)
	if errors.Is(err, io.EOF) {
		x.done = io.EOF
		if err := x.cmd.Wait(); err != nil {
			x.done = fmt.Errorf("xz: %w: %s", err, bytes.TrimSpace(x.said.Bytes()))
		}
		err = x.done
	}
	return n, err
}

// Close ends xz if it has not ended by itself.
func (x *xzReader) Close() error {
	if x.done == nil {
		x.done = io.ErrClosedPipe
		_ = x.cmd.Process.Kill() // it may have gone
		_ = x.cmd.Wait()         // killed: its verdict is of no interest
	}
	return nil
}
