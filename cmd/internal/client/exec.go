package client

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net/http"

	"coppice.dev/cmd/internal/handshake"
	"coppice.dev/controller/socket/wire"
)

// Exec asks for a command to be run in a session, and returns the connection to
// its keeper. Nothing was sent on it yet: the standard files are next.
func (c *Client) Exec(ctx context.Context, session string, e wire.Exec) (*wire.Conn, error) {
	conn, err := c.dial(ctx)
	if err != nil {
		return nil, err
	}
	upgraded, err := handshake.Ask(ctx, conn, session, e)
	if err != nil {
		return nil, Refusal(err)
	}
	return upgraded, nil
}

// Refusal reads what was answered instead of an upgrade; other errors it leaves as
// they are, and closes the connection.
func Refusal(err error) error {
	unread, is := errors.AsType[*handshake.RefusedError](err)
	if !is {
		return err
	}
	defer unread.Close()
	answer, err := http.ReadResponse(bufio.NewReader(unread.Answer), &http.Request{Method: http.MethodPost})
	if err != nil {
		return fmt.Errorf("read the daemon's answer: %w", err)
	}
	defer answer.Body.Close()
	return refused(answer)
}
