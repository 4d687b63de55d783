// Package home drives sessions' homes: the folders that remember what a session
// was admitted with, and that hold its own layer and its journal.
//
// A home is made first and goes last. Going is a rename into the trash, so that
// the name is free at once; the trash is emptied elsewhere.
package home

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
	"k8s.io/apimachinery/pkg/util/validation"

	"coppice.dev/reconcile/fault"
	"coppice.dev/reconcile/kernel/durable"
	"coppice.dev/reconcile/kernel/mounttable"
	"coppice.dev/reconcile/layout"
	"coppice.dev/reconcile/object"
)

// Driver drives object.Home.
type Driver struct {
	Layout layout.Layout
	// Trashed is told when something was put into the trash. It must not block.
	Trashed func()
}

// Owners implements driver.Finder. A folder that cannot be a session's, such as
// the lost+found of a file system of its own, is nobody's; nor is one that holds
// what no home does.
func (d Driver) Owners(context.Context) ([]object.Owner, error) {
	entries, err := os.ReadDir(d.Layout.Homes())
	if err != nil {
		return nil, fmt.Errorf("look for homes: %w", err)
	}
	var owners []object.Owner
	for _, e := range entries {
		if !e.IsDir() || len(validation.IsDNS1123Label(e.Name())) > 0 {
			continue
		}
		stranger, err := d.stranger(e.Name())
		if err != nil {
			return owners, err
		}
		if stranger == "" {
			owners = append(owners, object.SessionOwner(e.Name()))
		}
	}
	return owners, nil
}

// parts are the names of what a home holds; a crash may leave one with an ending.
var parts = []string{"record.json", "upper", "upper.boot", "work", "store.img", "store.json", "layer", "tree", "saved.json", "snapshot", "journal"}

// stranger returns the name of something in a folder among the homes that tells
// that it is none: people put things in the strangest places, and a sweep must
// not take them. A record is proof enough of a home, even an empty one.
func (d Driver) stranger(session string) (string, error) {
	if _, err := os.Lstat(d.Layout.Record(session)); err == nil {
		return "", nil
	}
	entries, err := os.ReadDir(d.Layout.Home(session))
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("look at home: %w", err)
	}
	for _, e := range entries {
		name := strings.TrimSuffix(strings.TrimSuffix(e.Name(), ".new"), ".unpacking")
		if !slices.Contains(parts, name) {
			return e.Name(), nil
		}
	}
	return "", nil
}

// Observe implements driver.Driver. A record that is missing or cannot be read,
// as after a power cut, is no damage: the home is there, with the user's data in
// it, and has only forgotten what it was made with.
func (d Driver) Observe(_ context.Context, owner object.Owner, _ []object.Object) ([]object.Observed, error) {
	path := d.Layout.Home(owner.Name)
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("look at home: %w", err)
	}
	seen := object.Observed{
		ID:   object.ID{Owner: owner, Address: object.At(object.GroupHome, "home")},
		Kind: object.KindHome, Name: path,
	}
	if !info.IsDir() {
		return nil, &fault.Fault{
			Reason: fault.TargetUnusable, Doing: "look at home " + path, Err: errors.New("it is no folder"),
			Hint: "move it away; coppiced keeps sessions' homes there and nothing else",
		}
	}
	text, err := os.ReadFile(d.Layout.Record(owner.Name))
	if err != nil && !errors.Is(err, fs.ErrNotExist) && !durable.Lost(err) {
		return nil, fmt.Errorf("read record: %w", err)
	}
	var home object.Home
	if err == nil {
		err = json.Unmarshal(text, &home)
	}
	if err != nil {
		if stranger, strangeErr := d.stranger(owner.Name); strangeErr != nil {
			return nil, strangeErr
		} else if stranger != "" {
			return nil, &fault.Fault{
				Reason: fault.TargetUnusable, Doing: "look at home " + path, Err: fmt.Errorf("there is no record in it, but %s: coppiced did not make it", stranger),
				Hint: "move it away; coppiced keeps sessions' homes there and nothing else",
			}
		}
		seen.Note = fmt.Sprintf("its record cannot be read: %v", err)
		return []object.Observed{seen}, nil
	}
	seen.Spec, seen.Print = home, object.PrintOf(home)
	return []object.Observed{seen}, nil
}

// Create implements driver.Driver.
func (d Driver) Create(ctx context.Context, o object.Object, _ []object.Object) error {
	path := d.Layout.Home(o.Owner.Name)
	if err := os.Mkdir(path, 0o700); err != nil {
		return fault.Disk("make home", err)
	}
	return d.Amend(ctx, o)
}

// Amend implements driver.Driver: it rewrites the record, whole or not at all.
// That of a session that is to outlive a power cut is on disk before anything
// else is made; the others pay for no flush.
func (d Driver) Amend(_ context.Context, o object.Object) error {
	text, err := json.Marshal(o.Spec)
	if err != nil {
		return fmt.Errorf("encode record of %s: %w", o.Owner, err)
	}
	path := d.Layout.Record(o.Owner.Name)
	if home, is := o.Spec.(object.Home); is && home.Ephemeral {
		err = durable.Replace(path, text, 0o600)
	} else if err = durable.Write(path, text, 0o600); err == nil {
		err = durable.Flush(d.Layout.Homes()) // it may be new, or may not have been worth it before
	}
	if errors.Is(err, fs.ErrExist) || errors.Is(err, unix.EISDIR) || errors.Is(err, unix.ENOTEMPTY) {
		return &fault.Fault{
			Reason: fault.TargetUnusable, Doing: "write record of " + o.Owner.String(), Err: err,
			Hint: "it is a folder; move it away",
		}
	}
	if err != nil {
		return fault.Disk("write record of "+o.Owner.String(), err)
	}
	return nil
}

// Destroy implements driver.Driver.
func (d Driver) Destroy(_ context.Context, seen object.Observed) error {
	return ToTrash(d.Layout, d.Layout.Home(seen.Owner.Name), d.Trashed)
}

// ToTrash renames a tree into the trash. It refuses while anything is mounted
// below: what is behind a mount is not ours to remove. Of the absent: no error.
func ToTrash(l layout.Layout, path string, trashed func()) error {
	if _, err := os.Lstat(path); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	below, err := mounttable.HostBelow(path)
	if err != nil {
		return err
	}
	if len(below) > 0 {
		return &fault.Fault{
			Reason: fault.Busy, Doing: "remove " + path,
			Err:  fmt.Errorf("%s is mounted below it", below[0].Mountpoint),
			Hint: "unmount it: umount " + below[0].Mountpoint,
		}
	}
	if err := os.MkdirAll(l.Trash(), 0o700); err != nil {
		return fault.Disk("make the trash folder", err)
	}
	var unique [6]byte
	rand.Read(unique[:]) // never fails
	err = os.Rename(path, filepath.Join(l.Trash(), filepath.Base(path)+"-"+hex.EncodeToString(unique[:])))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if errors.Is(err, unix.EXDEV) {
		return &fault.Fault{
			Reason: fault.Busy, Doing: fmt.Sprintf("move %s to %s", path, l.Trash()), Err: err,
			Hint: "they are on different mounts; keep the whole state folder on one",
		}
	}
	if err != nil {
		return fmt.Errorf("move to trash: %w", err)
	}
	if trashed != nil {
		trashed()
	}
	return nil
}
