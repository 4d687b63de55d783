package drift_test

import (
	"context"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"coppice.dev/reconcile/kernel/drift"
	"coppice.dev/reconcile/layout"
	"coppice.dev/reconcile/object"
)

// TestNoChangeIsMissed makes changes that come just when the ones before them are
// looked at. The last of them must be heard, since none follows it.
func TestNoChangeIsMissed(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs root")
	}
	for name, poll := range map[string]bool{"fanotify": false, "polling": true} {
		t.Run(name, func(t *testing.T) {
			base := t.TempDir()
			l := layout.Layout{State: base + "/state", Run: base + "/run"}
			first, last, probe := object.BaseOwner("0123456789ab"), object.BaseOwner("ba9876543210"), object.BaseOwner("cccccccccccc")
			// A mount of its own, cut off: who looks in from elsewhere holds nothing.
			must(t, os.MkdirAll(l.Disks(), 0o755))
			must(t, unix.Mount("tmpfs", l.Disks(), "tmpfs", 0, ""))
			defer func() { must(t, unix.Unmount(l.Disks(), unix.MNT_DETACH)) }()
			must(t, unix.Mount("", l.Disks(), "", unix.MS_PRIVATE, ""))
			for _, o := range []object.Owner{first, last, probe} {
				must(t, os.MkdirAll(l.Disk(o), 0o755))
			}
			heard := make(chan object.Owner, 1000)
			ctx, cancel := context.WithCancel(t.Context())
			ended := make(chan error, 1)
			go func() {
				ended <- drift.Watcher{Layout: l, Poll: poll}.Run(ctx, func(o object.Owner) { heard <- o })
			}()
			until := func(what string, want object.Owner, again func()) {
				t.Helper()
				deadline := time.After(15 * time.Second)
				for {
					select {
					case o := <-heard:
						if o == want {
							return
						}
					case <-time.After(30 * time.Millisecond):
						again()
					case <-deadline:
						t.Fatalf("%s was not heard of", what)
					}
				}
			}
			mount := func(o object.Owner) { must(t, unix.Mount("tmpfs", l.Disk(o), "tmpfs", 0, "")) }
			unmount := func(o object.Owner) { must(t, unix.Unmount(l.Disk(o), unix.MNT_DETACH)) } // who looks at it may hold it
			comes := true
			toggle := func() {
				if comes {
					mount(probe)
				} else {
					unmount(probe)
				}
				comes = !comes
			}
			for range 30 {
				mount(first)
				mount(last)
				// Whoever heard of it going has looked since.
				until("something that comes and goes", probe, toggle)
				unmount(first)
				time.Sleep(21 * time.Millisecond) // as long as changes are gathered
				unmount(last)
				until("the last change", last, func() {})
			}
			cancel()
			must(t, <-ended)
		})
	}
}
