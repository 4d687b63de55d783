// Package handshake asks the daemon for a command on a connection that is there: one
// HTTP request that wants an upgrade, and the head of its answer. What is said then is
// for package attach.
//
// Clients do so before package net/http and most else is initialized (package early),
// so it is written and read here by hand, and nothing large is imported. A refusal is
// not read: its head comes back, for those who know HTTP.
package handshake

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"coppice.dev/controller/socket/wire/frame"
)

// longestHead is the most bytes that the head of an answer may have.
const longestHead = 64 << 10

// Socket is a connection on which nothing was said.
type Socket interface {
	frame.Socket
	io.ReadWriter
	SetDeadline(t time.Time) error
}

// RefusedError says that the answer is no upgrade.
type RefusedError struct {
	// Answer is all of it, head and body.
	Answer io.Reader
	// Closer closes the connection.
	io.Closer
}

// Error implements error.
func (*RefusedError) Error() string { return "the daemon refused to run a command" }

// Ask asks for a command in a session. Of what follows the head of "101 Switching
// Protocols" not a byte is read: the open files that ride on frames would be lost. The
// connection is closed if there is an error, but for a *RefusedError.
func Ask(ctx context.Context, conn Socket, session string, e frame.Exec) (*frame.Conn, error) {
	// A caller who has enough of it does not wait for an answer.
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	err := ask(conn, session, e)
	refused, is := errors.AsType[*RefusedError](err)
	switch {
	case is && ctx.Err() == nil:
		return nil, refused
	case !stop() || ctx.Err() != nil:
		err = context.Cause(ctx)
	}
	if err != nil {
		conn.Close()
		return nil, err
	}
	return frame.NewConn(conn), nil
}

func ask(conn Socket, session string, e frame.Exec) error {
	text, err := request(session, e)
	if err != nil {
		return err
	}
	_, sent := conn.Write(text)
	// A refusal may come before all of a long request was sent.
	head, err := readHead(conn)
	if err != nil {
		return fmt.Errorf("ask for a command: %w", errors.Join(sent, err))
	}
	switch to, switched := upgraded(head); {
	case !switched:
		return &RefusedError{io.MultiReader(bytes.NewReader(head), conn), conn}
	case to != frame.Upgrade:
		return fmt.Errorf("the daemon speaks %q where %q was asked for: client and daemon are of two versions", to, frame.Upgrade)
	}
	return nil
}

// request is what is sent.
func request(session string, e frame.Exec) ([]byte, error) {
	body, err := Body(e, frame.MaxBody, TooLong)
	if err != nil {
		return nil, err
	}
	head := fmt.Sprintf("POST %s/sessions/%s/exec HTTP/1.1\r\nHost: coppice\r\nConnection: Upgrade\r\nUpgrade: %s\r\n"+
		"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n", frame.Version, escape(session), frame.Upgrade, len(body))
	return append([]byte(head), body...), nil
}

// TooLong is what may be the matter with a request for a command that is too long.
const TooLong = "the command line or the environment is too long"

// Body returns a value as the body of a request, which may have that many bytes at most;
// advice says what to do about more.
func Body(value any, most int, advice string) ([]byte, error) {
	body, err := json.Marshal(value)
	if err != nil {
		return nil, fmt.Errorf("encode request: %w", err)
	}
	if len(body) > most {
		return nil, fmt.Errorf("the request has %d bytes, of which %d are allowed: %s", len(body), most, advice)
	}
	return body, nil
}

// escape makes a name a part of a path; what people typed cannot lead elsewhere. It does
// what url.PathEscape does, whose package brings net/netip, which takes long to initialize.
func escape(name string) string {
	const plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~"
	var b strings.Builder
	for _, c := range []byte(name) {
		if strings.IndexByte(plain, c) >= 0 {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}

// readHead reads to the end of an answer's head, and no further.
func readHead(conn io.Reader) ([]byte, error) {
	var head []byte
	for b := make([]byte, 1); !bytes.HasSuffix(head, []byte("\r\n\r\n")); {
		if len(head) == longestHead {
			return nil, errors.New("the head of the daemon's answer has no end")
		}
		if _, err := io.ReadFull(conn, b); err != nil {
			if errors.Is(err, io.EOF) {
				err = errors.New("the daemon closed the connection without an answer; its log may say why")
			}
			return nil, err
		}
		head = append(head, b[0])
	}
	return head, nil
}

// upgraded tells of an answer's head whether the connection was switched to another
// protocol, and to which. What is not written as everybody writes it is none.
func upgraded(head []byte) (to string, switched bool) {
	lines := strings.Split(string(head), "\r\n")
	if !strings.HasPrefix(lines[0]+" ", "HTTP/1.1 101 ") || slices.ContainsFunc(lines, odd) {
		return "", false
	}
	for _, line := range lines[1:] {
		if name, value, found := strings.Cut(line, ":"); found && strings.EqualFold(name, "Upgrade") {
			return strings.Trim(value, " \t"), true
		}
	}
	return "", true
}

// odd reports whether a line goes on with the one before it, or has control characters.
func odd(line string) bool {
	return strings.HasPrefix(line, " ") || strings.ContainsFunc(line, func(r rune) bool { return r < ' ' || r == 0x7f })
}
