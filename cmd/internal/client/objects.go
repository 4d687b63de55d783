package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net"
	"net/http"
	"net/url"
	"strings"

	"coppice.dev/controller/socket/wire"
	"coppice.dev/status"
)

// most is the most bytes of an answer that are read.
const most = 256 << 20

// List returns the objects of a kind, by its plural: sessions, chroots.
func (c *Client) List(ctx context.Context, kind string) ([]status.File, error) {
	var list wire.List
	err := c.ask(ctx, http.MethodGet, path(kind), nil, &list)
	return list.Items, err
}

// Get returns one object.
func (c *Client) Get(ctx context.Context, kind, name string) (status.File, error) {
	var file status.File
	err := c.ask(ctx, http.MethodGet, path(kind, name), nil, &file)
	return file, err
}

// Begin begins a session and returns what is known of it, above all its name.
// It need not be ready yet.
func (c *Client) Begin(ctx context.Context, b wire.Begin) (status.File, error) {
	var file status.File
	err := c.ask(ctx, http.MethodPost, path("sessions"), b, &file)
	if err == nil && file.Metadata.Name == "" {
		err = errors.New("begin session: the answer names none")
	}
	return file, err
}

// End asks for the end of a session; it need not be gone yet.
func (c *Client) End(ctx context.Context, name string) error {
	return c.ask(ctx, http.MethodDelete, path("sessions", name), nil, nil)
}

// Save asks for what was written into an archive to be packed into its place. It
// is done when the session's status says that it was saved so often.
func (c *Client) Save(ctx context.Context, name string) (int, error) {
	var saved wire.Saved
	err := c.ask(ctx, http.MethodPost, path("sessions", name, "save"), nil, &saved)
	return saved.Save, err
}

// Reconcile asks for a session to be looked at right away, and its drift repaired.
func (c *Client) Reconcile(ctx context.Context, name string) error {
	return c.ask(ctx, http.MethodPost, path("sessions", name, "reconcile"), nil, nil)
}

// Suspend asks for a session to be left as it is; why is a line for people.
func (c *Client) Suspend(ctx context.Context, name, why string) error {
	return c.ask(ctx, http.MethodPost, path("sessions", name, "suspend"), wire.Suspend{Why: why}, nil)
}

// Resume takes that back.
func (c *Client) Resume(ctx context.Context, name string) error {
	return c.ask(ctx, http.MethodPost, path("sessions", name, "resume"), nil, nil)
}

// Plan asks what would be done if the manifests were others.
func (c *Client) Plan(ctx context.Context, supposed wire.Plan) ([]wire.Forecast, error) {
	var list wire.Forecasts
	err := c.ask(ctx, http.MethodPost, path("plan"), supposed, &list)
	return list.Items, err
}

// Watch returns the objects of a kind and then each change, until the context is
// done or the daemon goes, which is the last error.
func (c *Client) Watch(ctx context.Context, kind string) iter.Seq2[wire.Change, error] {
	return func(yield func(wire.Change, error) bool) {
		body, err := c.send(ctx, http.MethodGet, path(kind)+"?watch=true", nil)
		if err != nil {
			yield(wire.Change{}, err)
			return
		}
		defer body.Close()
		lines := json.NewDecoder(body)
		for {
			var change wire.Change
			err := lines.Decode(&change)
			if ctx.Err() != nil {
				err = context.Cause(ctx)
			} else if err != nil {
				err = fmt.Errorf("watch %s: %w", kind, err)
			}
			if !yield(change, err) || err != nil {
				return
			}
		}
	}
}

// path returns the path of a request; what people typed cannot lead elsewhere.
func path(parts ...string) string {
	for i, part := range parts {
		parts[i] = url.PathEscape(part)
	}
	return wire.Version + "/" + strings.Join(parts, "/")
}

// ask sends a request and decodes the answer into into, unless that is nil.
func (c *Client) ask(ctx context.Context, method, path string, body, into any) error {
	answer, err := c.send(ctx, method, path, body)
	if err != nil {
		return err
	}
	defer answer.Close()
	if into == nil {
		return nil
	}
	if err := json.NewDecoder(io.LimitReader(answer, most)).Decode(into); err != nil {
		return fmt.Errorf("read the daemon's answer to %s %s: %w", method, path, err)
	}
	return nil
}

// send sends a request, and returns the answer's body if it is not a refusal.
func (c *Client) send(ctx context.Context, method, path string, body any) (io.ReadCloser, error) {
	text, err := encode(body)
	if err != nil {
		return nil, err
	}
	request, err := http.NewRequestWithContext(ctx, method, "http://coppice"+path, bytes.NewReader(text))
	if err != nil {
		return nil, fmt.Errorf("ask the daemon: %w", err)
	}
	if text != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	transport := &http.Transport{
		DialContext:        func(ctx context.Context, _, _ string) (net.Conn, error) { return c.dial(ctx) },
		DisableKeepAlives:  true,
		DisableCompression: true,
	}
	answer, err := (&http.Client{Transport: transport}).Do(request)
	if err != nil {
		if failed, is := errors.AsType[*url.Error](err); is {
			err = failed.Err // it repeats an address that means nothing to anybody
		}
		return nil, fmt.Errorf("ask the daemon: %w", err)
	}
	if answer.StatusCode/100 != 2 {
		defer answer.Body.Close()
		return nil, refused(answer)
	}
	return answer.Body, nil
}

// refused returns what a refusal says.
func refused(answer *http.Response) error {
	text, err := io.ReadAll(io.LimitReader(answer.Body, wire.MaxBody))
	if err != nil {
		return fmt.Errorf("read the daemon's answer: %w", err)
	}
	refusal := new(wire.Error)
	if json.Unmarshal(text, refusal) == nil && refusal.Message != "" {
		return refusal
	}
	return fmt.Errorf("the daemon answered %s: %.200q", answer.Status, text)
}
