package drift_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"

	"coppice.dev/reconcile/kernel/drift"
	"coppice.dev/reconcile/kernel/enter"
	"coppice.dev/reconcile/kernel/namespace"
	"coppice.dev/reconcile/layout"
	"coppice.dev/reconcile/object"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestDriftIsHeard(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs root")
	}
	for name, poll := range map[string]bool{"fanotify": false, "polling": true} {
		t.Run(name, func(t *testing.T) {
			base := t.TempDir()
			l := layout.Layout{State: base + "/state", Run: base + "/run"}
			must(t, os.MkdirAll(base+"/root/mnt", 0o755))
			room, err := namespace.New(l, "0123abcd")
			must(t, err)
			d, v := namespace.Namespaces{Room: room}, namespace.Views{Room: room}
			owner := object.SessionOwner("s")
			root := object.Object{ID: object.ID{Owner: owner, Address: "4-root/namespace"}, Spec: object.Namespace{Type: object.RootBind, Layers: []object.Layer{{Path: base + "/root"}}}}
			view := object.Object{ID: object.ID{Owner: owner, Address: "7-view/root"}, Spec: object.View{Path: l.View("s")}}
			heard := make(chan object.Owner, 1000)
			ctx, cancel := context.WithCancel(t.Context())
			ended := make(chan error, 1)
			go func() {
				ended <- drift.Watcher{Layout: l, Poll: poll}.Run(ctx, func(o object.Owner) { heard <- o })
			}()
			end := func() {
				cancel()
				if err := <-ended; err != nil {
					t.Error(err)
				}
			}
			inside := func(f func() error) {
				t.Helper()
				ns, err := room.Open("s")
				must(t, err)
				defer ns.Close()
				must(t, enter.Do(ns, func(enter.Thread) error { return f() }))
			}
			// until does something again and again until it is heard of: when the
			// watcher begins to listen is its own business.
			until := func(what string, do func()) {
				t.Helper()
				for len(heard) > 0 {
					<-heard
				}
				deadline := time.After(10 * time.Second)
				for {
					do()
					select {
					case o := <-heard:
						if o != owner {
							t.Errorf("%s: heard of %s", what, o)
						}
						return
					case <-time.After(100 * time.Millisecond):
					case err := <-ended:
						t.Fatalf("%s: the watcher ended: %v", what, err)
					case <-deadline:
						t.Fatalf("%s: nothing was heard", what)
					}
				}
			}
			must(t, d.Create(t.Context(), root, nil))
			must(t, v.Create(t.Context(), view, nil))
			mounted := 0
			until("a mount inside comes", func() {
				inside(func() error { return unix.Mount("x", "/mnt", "tmpfs", 0, "") })
				mounted++
			})
			until("a mount inside goes", func() {
				if mounted--; mounted < 0 {
					t.Fatal("all of them went unheard")
				}
				inside(func() error { return unix.Unmount("/mnt", 0) })
			})
			// As when what was just put right is taken away again.
			until("a mount inside comes and goes at once", func() {
				inside(func() error {
					return errors.Join(unix.Mount("x", "/mnt", "tmpfs", 0, ""), unix.Unmount("/mnt", 0))
				})
			})
			until("the view goes", func() {
				must(t, v.Destroy(t.Context(), object.Observed{ID: view.ID}))
				must(t, v.Create(t.Context(), view, nil))
			})
			must(t, v.Destroy(t.Context(), object.Observed{ID: view.ID}))
			until("the pin goes", func() {
				must(t, d.Destroy(t.Context(), object.Observed{ID: root.ID}))
				must(t, d.Create(t.Context(), root, nil))
			})
			must(t, d.Destroy(t.Context(), object.Observed{ID: root.ID}))
			end()
			must(t, room.Close())
			if left, err := os.ReadDir(filepath.Join(l.Run, "ns")); err != nil && !errors.Is(err, os.ErrNotExist) || len(left) > 0 {
				t.Errorf("left: %v, %v", left, err)
			}
		})
	}
}
