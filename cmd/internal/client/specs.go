package client

import (
	"context"
	"net/http"

	"coppice.dev/controller/socket/wire"
)

// Chroots returns what all chroots are made of.
func (c *Client) Chroots(ctx context.Context) ([]wire.Chroot, error) {
	var list wire.Chroots
	err := c.ask(ctx, http.MethodGet, path("specs", "chroots"), nil, &list)
	return list.Items, err
}

// Sessions returns what all sessions are made of.
func (c *Client) Sessions(ctx context.Context) ([]wire.Session, error) {
	var list wire.Sessions
	err := c.ask(ctx, http.MethodGet, path("specs", "sessions"), nil, &list)
	return list.Items, err
}

// Session returns what a session is made of.
func (c *Client) Session(ctx context.Context, name string) (wire.Session, error) {
	var session wire.Session
	err := c.ask(ctx, http.MethodGet, path("specs", "sessions", name), nil, &session)
	return session, err
}
