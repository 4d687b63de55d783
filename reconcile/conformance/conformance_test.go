package conformance_test

import (
	"testing"

	"coppice.dev/reconcile"
	"coppice.dev/reconcile/conformance"
	"coppice.dev/reconcile/fake"
	"coppice.dev/reconcile/object"
)

func TestFake(t *testing.T) {
	conformance.Run(t, func(t *testing.T) conformance.Harness {
		h, m := inMemory()
		t.Cleanup(func() {
			for _, v := range m.Violations() {
				t.Errorf("this must never happen: %s", v)
			}
		})
		return h
	})
}

// inMemory returns a harness of a machine in memory.
func inMemory() (conformance.Harness, *fake.Machine) {
	m := fake.New("/srv/root", "/srv/shared", "/etc/hosts", "/srv/image", "/srv/archive", "/srv/subvolume", "/dev/vdb1")
	return conformance.Harness{
		Layout: m.Layout, Start: func() reconcile.Kernel { return m.Start() },
		Directory: "/srv/root", Shared: "/srv/shared", File: "/etc/hosts",
		Disk:     object.Disk{Device: "/dev/vdb1", FSType: "ext4", ReadOnly: true},
		Image:    object.Image{File: "/srv/image", FSType: "ext4", ReadOnly: true},
		Archive:  object.Tree{Archive: "/srv/archive"},
		Snapshot: object.Snapshot{Subvolume: "/srv/subvolume", Path: "/srv/.coppice-snapshots/s.uid"},
		Hand:     m,
	}, m
}

func TestReal(t *testing.T) {
	conformance.Run(t, onThisMachine)
}
