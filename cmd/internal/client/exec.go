package client

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"coppice.dev/controller/socket/wire"
)

// longestHead is the most bytes that the head of an answer may have.
const longestHead = 64 << 10

// Exec asks for a command to be run in a session, and returns the connection to
// its keeper. Nothing was sent on it yet: the standard files are next.
func (c *Client) Exec(ctx context.Context, session string, e wire.Exec) (*wire.Conn, error) {
	body, err := encode(e)
	if err != nil {
		return nil, err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://coppice"+path("sessions", session, "exec"), bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("ask for a command: %w", err)
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Connection", "Upgrade")
	request.Header.Set("Upgrade", wire.Upgrade)
	conn, err := c.dial(ctx)
	if err != nil {
		return nil, err
	}
	// A caller who has enough of it does not wait for an answer.
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	err = upgrade(conn, request)
	if !stop() && err == nil {
		err = context.Cause(ctx)
	}
	if err != nil {
		conn.Close()
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return nil, err
	}
	return wire.NewConn(conn), nil
}

// upgrade sends the request and reads the answer. Of what follows the head of
// "101 Switching Protocols" not a byte may be read here: the open files that
// ride on frames would be lost.
func upgrade(conn *net.UnixConn, request *http.Request) error {
	sent := request.Write(conn)
	// A refusal may come before all of a long request was sent.
	head, err := readHead(conn)
	if err != nil {
		return fmt.Errorf("ask for a command: %w", errors.Join(sent, err))
	}
	answer, err := http.ReadResponse(bufio.NewReader(io.MultiReader(bytes.NewReader(head), conn)), request)
	if err != nil {
		return fmt.Errorf("read the daemon's answer: %w", err)
	}
	if answer.StatusCode == http.StatusSwitchingProtocols {
		if got := answer.Header.Get("Upgrade"); got != wire.Upgrade {
			return fmt.Errorf("the daemon speaks %q where %q was asked for: client and daemon are of two versions", got, wire.Upgrade)
		}
		return nil
	}
	defer answer.Body.Close()
	return refused(answer)
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
