package lease

import (
	"context"
	"os"
	"testing"
	"time"
)

func TestWatch(t *testing.T) {
	b := book(t)
	early := take(t, b, Record{Command: "early", Since: time.Now()})
	heard := make(chan string, 100)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- b.Watch(ctx, func(session string) { heard <- session }) }()
	expect := func(what, session string) {
		t.Helper()
		for deadline := time.After(10 * time.Second); ; {
			select {
			case got := <-heard:
				if got == session {
					return
				}
			case <-deadline:
				t.Fatalf("not told that %s", what)
			}
		}
	}
	quiet := func() {
		for {
			select {
			case <-heard:
			case <-time.After(50 * time.Millisecond):
				return
			}
		}
	}
	expect("there is a lease", "s")
	quiet()
	if err := b.Release(early); err != nil {
		t.Fatal(err)
	}
	expect("it has ended", "s")
	other, err := b.Take("other", Record{Command: "x", Since: time.Now()})
	if err != nil {
		t.Fatal(err)
	}
	expect("there is one in another session", "other")
	quiet()
	if err := b.Begin(other, os.Getpid()); err != nil {
		t.Fatal(err)
	}
	expect("it has begun", "other")
	quiet()
	if err := b.Forget("other"); err != nil {
		t.Fatal(err)
	}
	expect("they are forgotten", "other")
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
