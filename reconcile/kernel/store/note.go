package store

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"coppice.dev/reconcile/fault"
	"coppice.dev/reconcile/kernel/durable"
	"coppice.dev/reconcile/object"
)

// making is the store's own note.
type making struct {
	Boot string        `json:"boot"` // a volatile store is lost with it
	Spec *object.Store `json:"spec,omitempty"`
}

// note writes what the store is made with.
func (d *Driver) note(session string, spec object.Store) error {
	text, err := json.Marshal(making{bootID(), &spec})
	if err != nil {
		return fmt.Errorf("encode the store's note: %w", err)
	}
	write := durable.Write
	if spec.Volatile {
		write = durable.Replace // a power cut takes what it tells of as well
	}
	if err := write(d.layout.StoreNote(session), text, 0o600); err != nil {
		return fault.Disk("note what the store is made with", err)
	}
	return nil
}

// made reads the note; nothing, if there is none that can be read.
func (d *Driver) made(session string) (making, error) {
	text, err := os.ReadFile(d.layout.StoreNote(session))
	if errors.Is(err, fs.ErrNotExist) || durable.Lost(err) {
		return making{}, nil
	}
	if err != nil {
		return making{}, fmt.Errorf("read what the store was made with: %w", err)
	}
	var m making
	if json.Unmarshal(text, &m) != nil { // what a power cut left of it
		m = making{}
	}
	return m, nil
}

// bootID tells this boot from others; "" where the kernel does not say.
func bootID() string {
	id, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(id))
}
