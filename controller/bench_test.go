package controller_test

import (
	"context"
	"fmt"
	"os"
	"testing"
	"time"

	"coppice.dev/reconcile/object"
)

// BenchmarkSession measures what the controller itself costs, over a world in
// memory: a session from its manifest to Ready among a thousand others, and a
// look at one at rest.
func BenchmarkSession(b *testing.B) {
	r := newRoom(b)
	for i := range 1000 {
		text := directory(fmt.Sprint("c", i)) + "\n---\n" + session(fmt.Sprint("s", i), fmt.Sprint("c", i))
		if err := os.WriteFile(fmt.Sprintf("%s/s%d.yaml", r.folder, i), []byte(text), 0o644); err != nil {
			b.Fatal(err)
		}
	}
	b.Run("begin", func(b *testing.B) {
		for b.Loop() {
			clear(r.world.there)
			if err := os.RemoveAll(r.status); err != nil {
				b.Fatal(err)
			}
			r.prepare()
			if _, err := r.controller.Once(b.Context()); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N)/1000, "us/session")
	})
	b.Run("rest", func(b *testing.B) {
		r.prepare()
		if _, err := r.controller.Once(b.Context()); err != nil {
			b.Fatal(err)
		}
		r.prepare()
		ctx, cancel := context.WithCancel(b.Context())
		done := make(chan error, 1)
		go func() { done <- r.controller.Run(ctx) }()
		time.Sleep(2 * time.Second) // the first look at all of them
		r.world.mu.Lock()
		looks := r.world.looks
		r.world.mu.Unlock()
		for i := 0; b.Loop(); i++ {
			r.controller.Touch(object.SessionOwner(fmt.Sprint("s", i%1000)))
			for looked := false; !looked; {
				r.world.mu.Lock()
				looked = r.world.looks > looks
				looks = r.world.looks
				r.world.mu.Unlock()
			}
		}
		cancel()
		if err := <-done; err != nil {
			b.Error(err)
		}
	})
}
