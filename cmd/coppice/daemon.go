package main

import (
	"errors"
	"fmt"
	"io"

	"coppice.dev/cmd/internal/attach"
	"coppice.dev/cmd/internal/client"
	"coppice.dev/cmd/internal/presence"
)

// daemon is who is asked for what files do not do.
func (c *cli) daemon() *client.Client { return client.New(c.runDir) }

// explain turns an error of the socket into what a person can act on. What the
// daemon itself says is meant for people already.
func (c *cli) explain(err error) error {
	switch {
	case errors.Is(err, client.ErrAbsent):
		_, running, look := presence.Look(c.runDir)
		switch {
		case look != nil:
			return fmt.Errorf("look for the controller: %w", look)
		case running:
			return fmt.Errorf("coppiced is just starting or ending on %s; try again in a moment", c.runDir)
		}
		return fmt.Errorf("coppiced is not running on %s, and nobody else can do this; start it first, or see whether --run-dir (or COPPICE_RUN_DIR) is the same as its own", c.runDir)
	case errors.Is(err, attach.ErrLost), errors.Is(err, io.ErrUnexpectedEOF):
		return errors.New("nobody knows how the command ended: whoever kept it was ended from outside, and the command with it")
	}
	return err
}
