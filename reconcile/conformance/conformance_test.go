package conformance_test

import (
	"os"
	"path/filepath"
	"testing"

	"coppice.dev/reconcile"
	"coppice.dev/reconcile/conformance"
	"coppice.dev/reconcile/fake"
	"coppice.dev/reconcile/kernel"
	"coppice.dev/reconcile/layout"
)

func TestFake(t *testing.T) {
	conformance.Run(t, func(t *testing.T) conformance.Harness {
		m := fake.New("/srv/root", "/srv/shared", "/etc/hosts")
		t.Cleanup(func() {
			for _, v := range m.Violations() {
				t.Errorf("this must never happen: %s", v)
			}
		})
		return conformance.Harness{
			Layout: m.Layout, Start: func() reconcile.Kernel { return m.Start() },
			Directory: "/srv/root", Shared: "/srv/shared", File: "/etc/hosts",
		}
	})
}

func TestReal(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs root")
	}
	conformance.Run(t, func(t *testing.T) conformance.Harness {
		base, err := filepath.EvalSymlinks(t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		h := conformance.Harness{
			Layout:    layout.Layout{State: base + "/state", Run: base + "/run"},
			Directory: base + "/root", Shared: base + "/shared", File: base + "/file",
		}
		for _, dir := range []string{h.Directory, h.Shared} {
			if err := os.Mkdir(dir, 0o755); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.WriteFile(h.File, []byte("copied"), 0o644); err != nil {
			t.Fatal(err)
		}
		var now *kernel.Kernel
		end := func() {
			if now == nil {
				return
			}
			if err := now.Close(); err != nil {
				t.Error(err)
			}
		}
		h.Start = func() reconcile.Kernel {
			end()
			if now, err = kernel.Open(kernel.Config{Layout: h.Layout}); err != nil {
				t.Fatal(err)
			}
			return now
		}
		t.Cleanup(end)
		t.Cleanup(func() {
			if group := filepath.Dir(now.Group("s")); group != "." {
				_ = os.Remove(group) // the group of all sessions; empty
			}
		})
		return h
	})
}
