package main

import (
	"context"
	"net"
	"path/filepath"
	"testing"

	"github.com/go-logr/logr"
)

// TestWatchdog: the service manager hears nothing as long as the work does not go on.
func TestWatchdog(t *testing.T) {
	path := filepath.Join(t.TempDir(), "notify")
	manager, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Net: "unixgram", Name: path})
	if err != nil {
		t.Fatal(err)
	}
	defer manager.Close()
	t.Setenv("NOTIFY_SOCKET", path)
	t.Setenv("WATCHDOG_USEC", "2000")
	ctx, cancel := context.WithCancel(t.Context())
	asked := make(chan bool)
	done := make(chan struct{})
	go func() {
		defer close(done)
		watchdog(ctx, logr.Discard(), func() bool {
			select {
			case is := <-asked:
				return is
			case <-ctx.Done():
				return false
			}
		})
	}()
	for range 3 {
		asked <- false
	}
	asked <- true
	asked <- false // by now it has told of the time before
	cancel()
	<-done
	notify(logr.Discard(), "END=1")
	text := make([]byte, 100)
	for _, want := range []string{"WATCHDOG=1", "END=1"} {
		if n, err := manager.Read(text); err != nil || string(text[:n]) != want {
			t.Errorf("it is told %q, %v, want %q", text[:n], err, want)
		}
	}
}
