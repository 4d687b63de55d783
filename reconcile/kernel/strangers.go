package kernel

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"coppice.dev/reconcile/driver"
	"coppice.dev/reconcile/kernel/mounttable"
	"coppice.dev/reconcile/layout"
	"coppice.dev/reconcile/object"
)

// Stranger is something in a folder of ours that coppiced did not make, and does
// not touch.
type Stranger struct {
	Path string `json:"path"`
	// Why says how that is known.
	Why string `json:"why"`
}

// Strangers looks for what others put among homes, bases, pins and views, and
// for what they mounted below the run-time folder. It is for people to read:
// nothing is decided by it.
func (k *Kernel) Strangers(ctx context.Context) ([]Stranger, error) {
	var found []Stranger
	var failed error
	for _, of := range []struct {
		folder string
		kind   object.Kind
		owner  func(name string) (object.Owner, bool)
	}{
		{k.layout.Homes(), object.KindHome, sessionNamed},
		{k.layout.BaseTrees(), object.KindTree, func(name string) (object.Owner, bool) {
			return object.BaseOwner(strings.TrimSuffix(name, ".unpacking")), true
		}},
		{k.layout.BaseMounts(), object.KindImage, func(name string) (object.Owner, bool) { return object.BaseOwner(name), true }},
		{k.layout.Disks(), object.KindDisk, layout.ParseDisk},
		{k.layout.Stores(), object.KindStore, sessionNamed},
		{k.layout.Views(), object.KindView, sessionNamed},
		{k.layout.Pins(), object.KindNamespace, sessionNamed},
	} {
		ours, err := k.drivers[of.kind].(driver.Finder).Owners(ctx)
		if err != nil {
			failed = errors.Join(failed, err)
			continue
		}
		known := map[object.Owner]bool{}
		for _, o := range ours {
			known[o] = true
		}
		entries, err := os.ReadDir(of.folder)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			failed = errors.Join(failed, err)
		}
		for _, e := range entries {
			if owner, ok := of.owner(e.Name()); !ok || !known[owner] {
				found = append(found, Stranger{filepath.Join(of.folder, e.Name()), "coppiced did not make it"})
			}
		}
	}
	mounted, err := k.strangeMounts()
	return append(found, mounted...), errors.Join(failed, err)
}

func sessionNamed(name string) (object.Owner, bool) { return object.SessionOwner(name), true }

// strangeMounts are the mounts below the run-time folder at places where none of
// ours can be. One in the place of ours is told of by who needs the place.
func (k *Kernel) strangeMounts() ([]Stranger, error) {
	table, err := mounttable.Host()
	if err != nil {
		return nil, err
	}
	var found []Stranger
	for _, e := range mounttable.Below(table, k.layout.Run) {
		ours := e.Mountpoint == k.layout.Run
		for _, folder := range []string{k.layout.Pins(), k.layout.Views(), k.layout.BaseMounts(), k.layout.Disks(), k.layout.Stores(), k.layout.Scratch()} {
			ours = ours || e.Mountpoint == folder || strings.HasPrefix(e.Mountpoint, folder+"/")
		}
		if !ours {
			found = append(found, Stranger{e.Mountpoint, fmt.Sprintf("%s (%s) is mounted there, which is not ours", e.Source, e.FSType)})
		}
	}
	return found, nil
}
